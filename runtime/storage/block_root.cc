// SPDX-License-Identifier: Apache-2.0
#include "runtime/storage/block_root.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <thread>

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/file.h"
#include "base/log.h"
#include "base/text.h"
#include "runtime/storage/device_node.h"

namespace cc::runtime {

namespace {

constexpr std::string_view kPlaceholder = "cc-runtime:";
// The shim has a copy of all mounts until it has left them behind, a moment after its start.
constexpr std::chrono::milliseconds kPatience{2000}, kPause{10};

struct Mount {
    std::string device, root, place, options, type, source, data;
};

// Blanks and the like are written as octal numbers (proc(5)).
std::string Unescape(std::string_view text) {
    std::string plain;
    for (size_t i = 0; i < text.size(); ++i) {
        const auto digit = [&](size_t at) { return at < text.size() ? text[at] - '0' : -1; };
        const bool escape = text[i] == '\\' && i + 3 < text.size();
        const bool octal = escape && digit(i + 1) >= 0 && digit(i + 1) < 4 && digit(i + 2) >= 0 &&
                           digit(i + 2) < 8 && digit(i + 3) >= 0 && digit(i + 3) < 8;
        if (!octal) {
            plain += text[i];
            continue;
        }
        plain += static_cast<char>(digit(i + 1) * 64 + digit(i + 2) * 8 + digit(i + 3));
        i += 3;
    }
    return plain;
}

std::optional<Mount> ParseMount(const std::string& line) {
    const auto words = Split(line, ' ');
    const auto dash = std::find(words.begin(), words.end(), "-");
    if (dash - words.begin() < 6 || words.end() - dash < 4) return std::nullopt;
    return Mount{words[2],    Unescape(words[3]),    Unescape(words[4]),   words[5],
                 *(dash + 1), Unescape(*(dash + 2)), Unescape(*(dash + 3))};
}

bool IsAllowed(const Mount& mount, const std::string& sys_dev_block) {
    constexpr std::array<std::string_view, 3> kTypes{"ext4", "ext3", "ext2"};
    const std::string device = Cat(sys_dev_block, "/", mount.device);
    return mount.root == "/" &&
           std::find(kTypes.begin(), kTypes.end(), mount.type) != kTypes.end() &&
           (Exists(device + "/dm/uuid") || Exists(device + "/loop/backing_file"));
}

struct Flag {
    std::string_view word;
    unsigned long flag;
};
constexpr Flag kFlags[] = {
    {"ro", MS_RDONLY},         {"nosuid", MS_NOSUID},    {"nodev", MS_NODEV},
    {"noexec", MS_NOEXEC},     {"noatime", MS_NOATIME},  {"nodiratime", MS_NODIRATIME},
    {"relatime", MS_RELATIME}, {"sync", MS_SYNCHRONOUS}, {"dirsync", MS_DIRSYNC}};

// Of the file system's own options those that mean the same on any machine.
bool SuitsGuest(std::string_view option) {
    constexpr std::array<std::string_view, 5> kSuitable{"discard", "nodiscard", "noload",
                                                        "norecovery", "nobarrier"};
    return std::find(kSuitable.begin(), kSuitable.end(), option) != kSuitable.end() ||
           option.starts_with("data=");
}

BlockRoot Describe(const Mount& mount, dev_t device) {
    BlockRoot root{.place = mount.place,
                   .source = mount.source,
                   .device = device,
                   .type = mount.type,
                   .flags = 0,
                   .data = {},
                   .read_only = false,
                   .options = {}};
    for (const auto& word : Split(mount.options, ','))
        for (const auto& [name, flag] : kFlags)
            if (word == name) {
                root.flags |= flag;
                root.options.push_back(word);
            }
    std::vector<std::string> data;
    for (const auto& word : Split(mount.data, ',')) {
        if (word == "ro") root.flags |= MS_RDONLY;
        if (word == "ro" || word == "rw") continue;
        data.push_back(word);
        if (SuitsGuest(word)) root.options.push_back(word);
    }
    root.data = Join(data, ",");
    root.read_only = (root.flags & MS_RDONLY) != 0;
    if (root.read_only) root.options.emplace_back("ro");
    return root;
}

Result<void> MountAgain(const BlockRoot& root) {
    if (::mount(root.source.c_str(), root.place.c_str(), root.type.c_str(), root.flags,
                root.data.c_str()) < 0)
        return FailErrno(Cat("mounting ", root.source, " on ", root.place, " again"));
    return {};
}

Result<Fd> Claim(const BlockRoot& root) {
    const int flags = (root.read_only ? O_RDONLY : O_RDWR) | O_EXCL;
    const auto end = std::chrono::steady_clock::now() + kPatience;
    auto claimed = OpenBlockDevice(root.device, flags);
    while (!claimed && claimed.error().code == EBUSY && std::chrono::steady_clock::now() < end) {
        std::this_thread::sleep_for(kPause);
        claimed = OpenBlockDevice(root.device, flags);
    }
    return claimed;
}

Result<void> Cover(const BlockRoot& root) {
    if (::mount(Cat(kPlaceholder, root.source).c_str(), root.place.c_str(), "tmpfs",
                MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=0755") < 0)
        return FailErrno(Cat("mounting a tmpfs in the place of ", root.source));
    return {};
}

}  // namespace

Result<std::optional<BlockRoot>> FindBlockRoot(std::string_view mountinfo,
                                               const std::string& rootfs,
                                               const std::string& sys_dev_block) {
    std::vector<Mount> mounts;
    std::optional<Mount> found;
    for (const auto& line : Split(mountinfo, '\n')) {
        auto mount = ParseMount(line);
        if (!mount) continue;
        if (mount->place.starts_with(Cat(rootfs, "/"))) return std::nullopt;
        if (mount->place == rootfs && found) return std::nullopt;
        if (mount->place == rootfs) found = mount;
        mounts.push_back(std::move(*mount));
    }
    if (!found) return std::nullopt;
    if (found->type == "tmpfs" && found->source.starts_with(kPlaceholder))
        return Fail(
            Cat("the root file system, ", rootfs, ": ", found->source.substr(kPlaceholder.size()),
                " was given to a virtual machine as a device and is not mounted any more; "
                "unmount what is in its place and mount it again"),
            ESTALE);
    if (!IsAllowed(*found, sys_dev_block)) return std::nullopt;
    const auto same = std::count_if(mounts.begin(), mounts.end(), [&](const Mount& mount) {
        return mount.device == found->device;
    });
    struct stat status {};
    if (same != 1 || ::stat(found->source.c_str(), &status) < 0 || !S_ISBLK(status.st_mode) ||
        found->device != Cat(major(status.st_rdev), ":", minor(status.st_rdev)))
        return std::nullopt;
    return Describe(*found, status.st_rdev);
}

Result<Fd> TakeBlockRoot(const BlockRoot& root) {
    // A loop device that was made for its mount goes with the last who has it open.
    CC_ASSIGN(const Fd held, OpenBlockDevice(root.device, O_RDONLY));
    if (::umount2(root.place.c_str(), UMOUNT_NOFOLLOW) < 0)
        return FailErrno(Cat("unmounting ", root.source));
    auto claimed = Claim(root);
    auto covered = claimed ? Cover(root) : Failure(claimed.error());
    if (covered) return claimed;
    if (claimed) claimed->Reset();
    CC_TRY(MountAgain(root));
    return Failure(covered.error());
}

Result<void> ReturnBlockRoot(const BlockRoot& root) {
    if (::umount2(root.place.c_str(), UMOUNT_NOFOLLOW) < 0)
        return FailErrno(Cat("unmounting what is in the place of ", root.source));
    return MountAgain(root);
}

}  // namespace cc::runtime
