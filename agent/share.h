// SPDX-License-Identifier: Apache-2.0
// The directory that the host shares with the machine: by 9p, or by virtiofs.
#pragma once

#include <string>

#include "base/result.h"

namespace cc::agent {

struct ShareSource {
    std::string tag;
    std::string type;      // kVirtioFsType; empty: 9p
    std::string stand_in;  // host tests: a directory in its place
};

// The device of a virtiofs may still be on its way into the machine, and is waited for.
Result<void> MountShare(const ShareSource& source, const std::string& target);
Result<void> UnmountShare(const std::string& target);

// A virtiofs remembers for some time what it found under a name, and holds it open on the host.
// Called when the host is about to show something else, or nothing.
void ForgetShared(const std::string& target);

}  // namespace cc::agent
