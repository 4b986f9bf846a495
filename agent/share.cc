// SPDX-License-Identifier: Apache-2.0
#include "agent/share.h"

#include <chrono>

#include <sys/mount.h>
#include <unistd.h>

#include "agent/boot.h"
#include "agent/device_events.h"
#include "base/file.h"
#include "base/log.h"
#include "base/text.h"

namespace cc::agent {

namespace {

// From the host's "it is plugged in" to a driver that knows the tag.
constexpr std::chrono::seconds kShareDeadline{10};

Result<void> MountVirtioFs(const std::string& tag, const std::string& target) {
    const std::string type(kVirtioFsType);
    const auto mounted = [&]() -> Result<bool> {
        if (::mount(tag.c_str(), target.c_str(), type.c_str(), MS_NODEV, nullptr) == 0) return true;
        if (errno == EINVAL) return false;  // a tag that is not there, or not yet
        return FailErrno(Cat("mounting the virtiofs share ", Quoted(tag, 64)));
    };
    CC_ASSIGN(const bool there, AwaitDevices(mounted, kShareDeadline));
    if (!there)
        return Fail(Cat("the machine has no virtiofs share ", Quoted(tag, 64), " after ",
                        kShareDeadline.count(), " s"),
                    ENODEV);
    return {};
}

}  // namespace

Result<void> MountShare(const ShareSource& source, const std::string& target) {
    CC_TRY(MakeDirectories(target, 0755));
    if (!source.stand_in.empty()) {
        if (::mount(source.stand_in.c_str(), target.c_str(), nullptr, MS_BIND | MS_REC, nullptr) <
            0)
            return FailErrno(Cat("binding ", source.stand_in));
        return {};
    }
    if (source.type == kVirtioFsType) return MountVirtioFs(source.tag, target);
    // The largest message that virtio's 128 descriptors carry; the kernel would cut anything above
    // with a complaint. cache=mmap: executables are mapped files, which crawl without a cache;
    // plain reads and writes stay uncached, so what the host changes is seen at once.
    if (::mount(source.tag.c_str(), target.c_str(), "9p", MS_NODEV,
                "trans=virtio,version=9p2000.L,msize=512000,cache=mmap") < 0)
        return FailErrno(Cat("mounting the 9p share ", Quoted(source.tag, 64)));
    return {};
}

Result<void> UnmountShare(const std::string& target) {
    // Lazily: a file system that somebody still uses must not keep the machine from ending.
    if (::umount2(target.c_str(), MNT_DETACH) < 0 && errno != EINVAL && errno != ENOENT)
        return FailErrno(Cat("unmounting ", target));
    ::sync();
    return {};
}

// What the host has mounted in the share are mounts here, too, made by whoever first walked into
// them; containers' end with their namespaces. A remount drops the names that nobody uses, which is
// all that it does.
void ForgetShared(const std::string& target) {
    const std::string below = Cat(" ", target, "/");
    const std::string mounts = ReadFile("/proc/self/mountinfo", 16 << 20).value_or("");
    auto lines = Split(mounts, '\n');
    for (auto line = lines.rbegin(); line != lines.rend(); ++line) {
        const size_t begin = line->find(below);
        if (begin == std::string::npos) continue;
        const std::string path = line->substr(begin + 1, line->find(' ', begin + 1) - begin - 1);
        (void)::umount2(path.c_str(), MNT_DETACH);
    }
    if (::mount(nullptr, target.c_str(), nullptr, MS_REMOUNT | MS_NODEV, nullptr) < 0)
        Log(LogLevel::kWarn, FailErrno("forgetting names in the share").value().message);
}

}  // namespace cc::agent
