// SPDX-License-Identifier: Apache-2.0
#include "agent/mount_options.h"

#include <algorithm>
#include <iterator>
#include <string_view>

#include <sys/mount.h>

#include "base/text.h"

namespace cc::agent {

namespace {

struct Attribute {
    std::string_view name;
    uint64_t set;
    uint64_t clear;
};

// The access times are one field of three values, which must be cleared to be set.
constexpr Attribute kAttributes[] = {
    {"ro", MOUNT_ATTR_RDONLY, 0},
    {"rw", 0, MOUNT_ATTR_RDONLY},
    {"nosuid", MOUNT_ATTR_NOSUID, 0},
    {"suid", 0, MOUNT_ATTR_NOSUID},
    {"nodev", MOUNT_ATTR_NODEV, 0},
    {"dev", 0, MOUNT_ATTR_NODEV},
    {"noexec", MOUNT_ATTR_NOEXEC, 0},
    {"exec", 0, MOUNT_ATTR_NOEXEC},
    {"noatime", MOUNT_ATTR_NOATIME, MOUNT_ATTR__ATIME},
    {"atime", 0, MOUNT_ATTR__ATIME},
    {"relatime", MOUNT_ATTR_RELATIME, MOUNT_ATTR__ATIME},
    {"norelatime", 0, MOUNT_ATTR__ATIME},
    {"strictatime", MOUNT_ATTR_STRICTATIME, MOUNT_ATTR__ATIME},
    {"nostrictatime", 0, MOUNT_ATTR__ATIME},
    {"nodiratime", MOUNT_ATTR_NODIRATIME, 0},
    {"diratime", 0, MOUNT_ATTR_NODIRATIME},
    {"nosymfollow", MOUNT_ATTR_NOSYMFOLLOW, 0},
    {"symfollow", 0, MOUNT_ATTR_NOSYMFOLLOW},
};

const Attribute* FindAttribute(std::string_view name) {
    for (const auto& attribute : kAttributes)
        if (attribute.name == name) return &attribute;
    return nullptr;
}

// Mount(8) takes these; for a mount that is made, they say what is so anyway. Access lists are the
// file system's own matter, and only some have a word for them.
bool MeansNothing(std::string_view option) {
    constexpr std::string_view kEmpty[] = {"",       "defaults", "remount",    "loud", "async",
                                           "silent", "iversion", "noiversion", "auto", "noauto",
                                           "nofail", "acl",      "noacl"};
    return std::find(std::begin(kEmpty), std::end(kEmpty), option) != std::end(kEmpty);
}

// A later option overrides an earlier one on the same matter.
void Apply(const Attribute& attribute, MountAttributes& to) {
    to.set = (to.set & ~attribute.clear) | attribute.set;
    to.clear = (to.clear & ~attribute.set) | attribute.clear;
}

}  // namespace

uint64_t ParsePropagation(const std::string& word) {
    std::string_view name = word;
    const uint64_t recursive = name.starts_with('r') ? uint64_t{MS_REC} : 0;
    if (recursive != 0) name.remove_prefix(1);
    if (name == "private") return MS_PRIVATE | recursive;
    if (name == "shared") return MS_SHARED | recursive;
    if (name == "slave") return MS_SLAVE | recursive;
    if (name == "unbindable") return MS_UNBINDABLE | recursive;
    return 0;
}

Result<MountOptions> ParseMountOptions(const std::vector<std::string>& options) {
    MountOptions parsed;
    for (const auto& option : options) {
        if (option.find('\0') != std::string::npos) return Fail("a mount option holds a NUL byte");
        if (const Attribute* attribute = FindAttribute(option)) {
            Apply(*attribute, parsed.attributes);
        } else if (const uint64_t propagation = ParsePropagation(option); propagation != 0) {
            parsed.propagation = propagation & ~uint64_t{MS_REC};
            parsed.recursive_propagation = (propagation & MS_REC) != 0;
        } else if (option.starts_with('r') &&
                   FindAttribute(std::string_view(option).substr(1)) != nullptr) {
            Apply(*FindAttribute(std::string_view(option).substr(1)), parsed.recursive);
        } else if (option == "bind" || option == "rbind") {
            parsed.bind = true;
            parsed.recursive_bind = option == "rbind";
        } else if (option == "tmpcopyup") {
            parsed.copy_up = true;
        } else if (option == "idmap" || option == "ridmap") {
            parsed.id_mapped = true;
            parsed.recursive_id_map = option == "ridmap";
        } else if (!MeansNothing(option)) {
            parsed.data.push_back(option);
        }
    }
    return parsed;
}

}  // namespace cc::agent
