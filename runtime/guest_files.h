// SPDX-License-Identifier: Apache-2.0
// Which kernel, image and initramfs a VM boots, and which program runs it.
#pragma once

#include <string>
#include <vector>

#include "runtime/config.h"

namespace cc::runtime {

struct GuestFiles {
    std::string kernel;
    std::string image;   // empty: none
    std::string initrd;  // empty: none
    // By the container's annotations (guest_assets.h), not by the host.
    bool kernel_chosen = false;
    bool root_chosen = false;
    const std::string& root() const { return image.empty() ? initrd : image; }
};

// Directories that may hold the guest's files, best first: beside the program (a build tree),
// beside its prefix, and the system's.
std::vector<std::string> ShareDirectories(const std::string& executable);

// What the configuration names, else what is found; the tuned kernel is preferred. All that is
// returned exists.
Result<GuestFiles> FindGuest(const RuntimeConfig& config,
                             const std::vector<std::string>& directories);

// The configured VMM, else our own under emulation, else the first of the usual places.
Result<std::string> FindHypervisor(const RuntimeConfig& config, const std::string& executable);

// Of shared_fs "virtio-fs": with the configured program, else the first of the usual places. Of 9p:
// none.
Result<FileServerConfig> FindFileServer(const RuntimeConfig& config);

}  // namespace cc::runtime
