// SPDX-License-Identifier: Apache-2.0
#include "agent/cgroup.h"

#include <algorithm>
#include <csignal>

#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "agent/cgroup_limits.h"
#include "agent/device_filter.h"
#include "base/cgroup_writes.h"
#include "base/file.h"
#include "base/log.h"
#include "base/text.h"

namespace cc::agent {

namespace {

// cgroup.procs of a container with a fork bomb in it is long; a list of this size is more than
// pid_max of a small VM.
constexpr size_t kLongestList = 4 << 20;

bool IsDirectory(const std::string& path) {
    struct stat status {};
    return ::lstat(path.c_str(), &status) == 0 && S_ISDIR(status.st_mode);
}

std::vector<std::string> Children(const std::string& path) {
    std::vector<std::string> children;
    for (const auto& name : ListDirectory(path).value_or(std::vector<std::string>{})) {
        std::string child = Cat(path, "/", name);
        if (IsDirectory(child)) children.push_back(std::move(child));
    }
    return children;
}

void Collect(const std::string& path, std::vector<pid_t>& pids) {
    const std::string list = ReadFile(path + "/cgroup.procs", kLongestList).value_or("");
    for (const auto& line : Split(list, '\n'))
        if (const auto pid = ParseNumber<pid_t>(line); pid && *pid > 0) pids.push_back(*pid);
    for (const auto& child : Children(path))
        Collect(child, pids);
}

// The cgroup at or below `path` that the process is in; empty when there is none.
std::string FindProcess(const std::string& path, pid_t pid) {
    const auto lines = Split(ReadFile(path + "/cgroup.procs", kLongestList).value_or(""), '\n');
    if (std::find(lines.begin(), lines.end(), std::to_string(pid)) != lines.end()) return path;
    for (const auto& child : Children(path))
        if (std::string found = FindProcess(child, pid); !found.empty()) return found;
    return {};
}

// Without filters of devices in the kernel every device stays usable: those of the VM, none of the
// host's.
Result<void> FilterDevices(const std::string& path, const std::vector<DeviceRule>& rules,
                           const std::vector<DeviceRule>* present) {
    CC_ASSIGN(const Fd directory, OpenFile(path, O_RDONLY | O_DIRECTORY));
    auto attached = AttachDeviceFilter(directory.get(), rules, present);
    const int code = attached ? 0 : attached.error().code;
    if (code != ENOSYS && code != EINVAL && code != EPERM) return attached;
    Log(LogLevel::kWarn, "the guest kernel cannot restrict devices",
        {{"error", attached.error().message}});
    return {};
}

// All of it or, when something is refused, nothing.
Result<void> Apply(const std::string& path, const ResourceSpec& resources,
                   const std::vector<DeviceRule>* present = nullptr) {
    CgroupWrites writes;
    auto applied = ApplyLimits(path, resources, writes);
    if (applied && resources.devices) applied = FilterDevices(path, *resources.devices, present);
    if (!applied) writes.TakeBack();
    return applied;
}

}  // namespace

Result<void> RemoveCgroup(const std::string& path) {
    for (const auto& child : Children(path))
        CC_TRY(RemoveCgroup(child));
    if (::rmdir(path.c_str()) < 0 && errno != ENOENT)
        return FailErrno(Cat("removing the cgroup ", path));
    return {};
}

Result<void> EnableControllers(const std::string& path) {
    CC_ASSIGN(const std::string available, ReadFile(path + "/cgroup.controllers", 4096));
    // One at a time: a controller that cannot be enabled must not keep the others away.
    for (const auto& controller : Split(Trim(available), ' '))
        if (!controller.empty())
            (void)WriteExisting(path + "/cgroup.subtree_control", "+" + controller);
    return {};
}

Result<void> PrepareCgroupParent(const std::string& path) {
    CC_TRY(MakeDirectories(path, 0755));
    return EnableControllers(path);
}

Result<Cgroup> Cgroup::Make(const std::string& path, const ResourceSpec& resources) {
    Cgroup cgroup;
    cgroup.path_ = path;
    // One that an earlier container of this name left behind is not inherited with its limits.
    CC_TRY(RemoveCgroup(path));
    if (::mkdir(path.c_str(), 0755) < 0) return FailErrno(Cat("making the cgroup ", path));
    if (auto applied = Apply(path, resources); !applied) {
        (void)cgroup.Remove();
        return Failure(applied.error());
    }
    return cgroup;
}

Result<void> Cgroup::Limit(const ResourceSpec& resources,
                           const std::vector<DeviceRule>* present) const {
    return Apply(path_, resources, present);
}

Result<Fd> Cgroup::Open() const {
    return OpenFile(path_, O_RDONLY | O_DIRECTORY);
}

Result<Fd> Cgroup::OpenFor(pid_t member) const {
    const std::string passed_on = ReadFile(path_ + "/cgroup.subtree_control", 4096).value_or("");
    const std::string place = Trim(passed_on).empty() ? path_ : FindProcess(path_, member);
    return OpenFile(place.empty() ? path_ : place, O_RDONLY | O_DIRECTORY);
}

Result<Fd> Cgroup::OpenBelow(const std::string& path) const {
    const std::string what = Cat("the cgroup ", Quoted(path), " of the container");
    std::string inside;
    for (const auto& name : Split(path, '/')) {
        if (name == ".." || name.find('\0') != std::string::npos)
            return Fail(Cat(Quoted(path), " is not a sub cgroup path"));
        if (!name.empty()) inside += Cat(inside.empty() ? "" : "/", name);
    }
    CC_ASSIGN(Fd top, Open());
    if (inside.empty()) return top;
    open_how how{};
    how.flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;
    how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS;
    const long fd = ::syscall(SYS_openat2, top.get(), inside.c_str(), &how, sizeof how);
    if (fd < 0) return FailErrno(what);
    return Fd::Adopt(static_cast<int>(fd));
}

std::vector<pid_t> Cgroup::Processes() const {
    std::vector<pid_t> pids;
    Collect(path_, pids);
    std::sort(pids.begin(), pids.end());
    return pids;
}

Result<void> Cgroup::Signal(int signal) const {
    if (signal == SIGKILL) {
        Kill();
        return {};
    }
    for (const pid_t pid : Processes())
        if (::kill(pid, signal) < 0 && errno != ESRCH)
            return FailErrno(Cat("sending signal ", signal, " to process ", pid));
    return {};
}

void Cgroup::Kill() const {
    // cgroup.kill exists since Linux 5.14.
    if (WriteExisting(path_ + "/cgroup.kill", "1")) return;
    for (const pid_t pid : Processes())
        ::kill(pid, SIGKILL);
}

uint64_t Cgroup::MemoryKills() const {
    constexpr std::string_view kKey = "oom_kill ";
    const std::string events = ReadFile(path_ + "/memory.events", 4096).value_or("");
    for (const auto& line : Split(events, '\n'))
        if (line.starts_with(kKey))
            return ParseNumber<uint64_t>(std::string_view(line).substr(kKey.size())).value_or(0);
    return 0;
}

std::string Cgroup::KeyringName() const {
    return Cat("_ses.", path_.substr(path_.rfind('/') + 1));
}

Result<void> Cgroup::Remove() const {
    if (path_.empty()) return {};
    return RemoveCgroup(path_);
}

}  // namespace cc::agent
