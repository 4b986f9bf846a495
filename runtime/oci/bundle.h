// SPDX-License-Identifier: Apache-2.0
// A bundle: the directory with config.json and, usually, the root file system.
#pragma once

#include <string>

#include "runtime/oci/spec.h"

namespace cc::runtime {

struct Bundle {
    std::string directory;  // absolute, without symbolic links
    std::string rootfs;     // likewise; an existing directory
    std::string text;       // config.json as it was read
    OciSpec spec;           // checked
};

// `directory` empty: the current one. Every error names the file.
Result<Bundle> LoadBundle(const std::string& directory);

// Absolute and relative paths of a configuration; relative ones start at the bundle.
std::string InBundle(const std::string& bundle, const std::string& path);

// realpath(3).
Result<std::string> RealPath(const std::string& path);

}  // namespace cc::runtime
