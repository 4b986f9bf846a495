// SPDX-License-Identifier: Apache-2.0
#include "agent/rehearsal.h"

#include <sys/mount.h>

#include "agent/network/device.h"
#include "agent/task.h"
#include "base/log.h"
#include "base/text.h"
#include "protocol/rehearsal.h"

namespace cc::agent {

namespace {

constexpr std::chrono::seconds kDeadline{15};
constexpr uint64_t kNullSession = 1;

// What engines ask for by default, as far as it takes other paths through the agent and the kernel.
// What the program prints is thrown away.
constexpr std::string_view kConfiguration = R"({
"ociVersion": "1.0.2", "root": {"path": "rootfs"}, "hostname": "rehearsal",
"process": {"args": ["program"], "cwd": "/", "env": ["PATH=/bin:/"],
  "user": {"uid": 0, "gid": 0}, "oomScoreAdj": 0,
  "rlimits": [{"type": "RLIMIT_NOFILE", "hard": 1024, "soft": 1024}],
  "capabilities": {"bounding": ["CAP_CHOWN", "CAP_KILL"], "effective": ["CAP_CHOWN", "CAP_KILL"],
    "permitted": ["CAP_CHOWN", "CAP_KILL"]}},
"mounts": [
  {"destination": "/proc", "type": "proc", "source": "proc", "options": ["nosuid", "noexec", "nodev"]},
  {"destination": "/dev", "type": "tmpfs", "source": "tmpfs",
   "options": ["nosuid", "strictatime", "mode=755", "size=65536k"]},
  {"destination": "/dev/pts", "type": "devpts", "source": "devpts",
   "options": ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"]},
  {"destination": "/dev/shm", "type": "tmpfs", "source": "shm",
   "options": ["nosuid", "noexec", "nodev", "mode=1777", "size=65536k"]},
  {"destination": "/dev/mqueue", "type": "mqueue", "source": "mqueue",
   "options": ["nosuid", "noexec", "nodev"]},
  {"destination": "/sys", "type": "sysfs", "source": "sysfs",
   "options": ["nosuid", "noexec", "nodev", "ro"]},
  {"destination": "/sys/fs/cgroup", "type": "cgroup", "source": "cgroup",
   "options": ["ro", "nosuid", "noexec", "nodev"]}],
"linux": {
  "namespaces": [{"type": "mount"}, {"type": "pid"}, {"type": "uts"}, {"type": "ipc"},
    {"type": "network"}],
  "resources": {"devices": [{"allow": false, "access": "rwm"},
    {"allow": true, "type": "c", "major": 1, "minor": 3, "access": "rwm"}]},
  "maskedPaths": ["/proc/kcore", "/proc/keys", "/sys/firmware"],
  "readonlyPaths": ["/proc/bus", "/proc/sys"],
  "seccomp": {"defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_X86_64"],
    "syscalls": [{"names": ["swapon", "swapoff", "reboot"], "action": "SCMP_ACT_ERRNO"},
      {"names": ["personality"], "action": "SCMP_ACT_ERRNO",
       "args": [{"index": 0, "value": 8, "op": "SCMP_CMP_EQ"}]}]}}
})";

// Lets the machine be saved, which a mounted share would not.
Result<void> Unmount(const std::string& share) {
    if (::umount2(share.c_str(), 0) < 0 && errno != EINVAL && errno != ENOENT)
        return FailErrno(Cat("unmounting ", share));
    return {};
}

Result<ContainerSpec> Specification() {
    NewContainer message;
    message.id = "rehearsal";
    message.image = kRehearsalImage;
    message.rootfs = kRehearsalRoot;
    message.oci = kConfiguration;
    return ParseContainer(message, "");
}

}  // namespace

Rehearsal::Rehearsal(const Surroundings& surroundings,
                     std::function<Result<void>(const std::string&)> mount_share)
    : surroundings_(surroundings), mount_share_(std::move(mount_share)) {}

void Rehearsal::Run(Done done) {
    done_ = std::move(done);
    const auto work = [this]() -> Result<void> {
        CC_TRY(mount_share_(surroundings_.share));
        // A slower start is better than none.
        if (const auto gone_through = RehearseNetwork(); !gone_through)
            Log(LogLevel::kWarn, "the network was not rehearsed",
                {{"why", gone_through.error().message}});
        return {};
    };
    RunInChild(surroundings_.loop, surroundings_.reaper, "mounting the share", kDeadline, work,
               [this](const Result<void>& mounted) {
                   if (!mounted) return CleanUp(mounted);
                   MakeContainer();
               });
}

void Rehearsal::MakeContainer() {
    auto specification = Specification();
    if (!specification) return CleanUp(Failure(specification.error()));
    container_ = std::make_unique<Container>(surroundings_, std::move(*specification));
    ContainerStart start;
    start.stdio = start.stderr_sequence = kNullSession;
    start.hold = true;
    container_->Start(start, [this](const Result<void>& held) {
        if (!held) return RemoveContainer(held);
        container_->Release([this](const Result<void>& started) { RemoveContainer(started); });
    });
}

// Waits for the program's end, which comes by itself.
void Rehearsal::RemoveContainer(const Result<void>& so_far) {
    container_->Remove(
        [this, so_far](const Result<void>& removed) { CleanUp(so_far ? removed : so_far); });
}

void Rehearsal::CleanUp(const Result<void>& so_far) {
    const auto work = [this] { return Unmount(surroundings_.share); };
    RunInChild(surroundings_.loop, surroundings_.reaper, "clearing up", kDeadline, work,
               [this, so_far](const Result<void>& removed) {
                   const auto done = std::exchange(done_, nullptr);
                   done(Context("rehearsal", so_far ? removed : so_far));
               });
}

}  // namespace cc::agent
