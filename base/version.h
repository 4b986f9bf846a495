// SPDX-License-Identifier: Apache-2.0
// Which build this is. The values come from CMake.
#pragma once

namespace cc {
extern const char* const kRelease;     // "4.0.0"
extern const char* const kCommit;      // of the source tree, "unknown" outside git
extern const char* const kOciVersion;  // of the OCI runtime specification we follow
}  // namespace cc
