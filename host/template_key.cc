// SPDX-License-Identifier: Apache-2.0
#include "host/template_key.h"

#include <sys/stat.h>

#include "base/file.h"
#include "base/text.h"

namespace cc {

namespace {

constexpr const char* kBootId = "/proc/sys/kernel/random/boot_id";

std::string TimeText(const timespec& time) {
    return Cat(time.tv_sec, ".", time.tv_nsec);
}

Result<std::string> Identity(const std::string& path) {
    if (path.empty()) return std::string("none");
    struct stat status {};
    if (::stat(path.c_str(), &status) < 0) return FailErrno(path);
    return Cat(path, " ", status.st_dev, ":", status.st_ino, " ", status.st_size, " ",
               TimeText(status.st_mtim), " ", TimeText(status.st_ctim));
}

}  // namespace

Result<std::string> TemplateKey(const std::string& program, const VmConfig& config) {
    std::string key;
    const auto add = [&key](std::string_view name, std::string_view value) {
        key += Cat(name, " ", value, "\n");
    };
    for (const auto& [name, path] : {std::pair{"program", program},
                                     {"hypervisor", config.hypervisor},
                                     {"kernel", config.kernel},
                                     {"image", config.image},
                                     {"initrd", config.initrd},
                                     {"firmware", config.firmware}}) {
        CC_ASSIGN(const std::string identity, Identity(path));
        add(name, identity);
    }
    // Nothing of it outlives the host's kernel, whose processors and clocks it has seen.
    add("boot", Trim(ReadFile(kBootId, 64).value_or("")));
    VmConfig rest = config;
    rest.name.clear();
    rest.directory.clear();
    rest.origin = VmOrigin::kTemplate;
    add("machine", Encode(rest));
    return key;
}

bool CanBeCloned(const VmConfig& config) {
    // A machine with a program that serves its share cannot be saved: the device is plugged in
    // later, where that is possible.
    if (config.shared_fs == SharedFs::kVirtioFs && config.machine == MachineType::kMicrovm)
        return false;
    // The first two say that the memory shall be the VM's own from the start, the third that others
    // shall see it; and a machine that is saved has no devices of its host's.
    return !config.hugepages && !config.mem_prealloc && !config.shared_memory &&
           config.cards.empty();
}

std::string TemplateDirectoryName(const std::string& key) {
    const uint64_t hash = Fnv1a64(key);
    std::string bytes;
    for (int shift = 56; shift >= 0; shift -= 8)
        bytes.push_back(static_cast<char>(hash >> shift & 0xff));
    return HexEncode(bytes);
}

}  // namespace cc
