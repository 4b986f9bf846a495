// SPDX-License-Identifier: Apache-2.0
#include "agent/rehearsal.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <unistd.h>

#include "agent/boot.h"
#include "agent/task.h"
#include "base/file.h"
#include "base/text.h"

namespace cc::agent {

namespace {

constexpr std::chrono::seconds kDeadline{15};
constexpr const char* kStage = "/run/clear-containers/rehearsal";
constexpr std::string_view kRoot = "rootfs", kProgram = "agent";
constexpr uint64_t kNullSession = 1;

// What engines ask for by default, as far as it takes other paths through the agent and the kernel.
// The program is the agent itself, which prints its version: what it prints is thrown away.
constexpr std::string_view kConfiguration = R"({
"ociVersion": "1.0.2", "root": {"path": "rootfs"}, "hostname": "rehearsal",
"process": {"args": ["/agent", "--version"], "cwd": "/", "env": ["PATH=/bin"],
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

// A root file system in memory whose one file is the running program.
Result<void> MakeStage() {
    CC_TRY(MountOn("tmpfs", kStage, MS_NOSUID | MS_NODEV, "mode=0755"));
    const std::string root = Cat(kStage, "/", kRoot), program = Cat(root, "/", kProgram);
    for (const auto* directory : {"/proc", "/dev", "/sys"})
        CC_TRY(MakeDirectories(root + directory, 0755));
    CC_TRY(OpenFile(program, O_WRONLY | O_CREAT, 0755));
    // By its path, or where none leads to it any more (it came from an initramfs).
    for (const std::string& source : {SelfPath().value_or(""), std::string("/proc/self/exe")})
        if (::mount(source.c_str(), program.c_str(), nullptr, MS_BIND, nullptr) == 0) return {};
    return FailErrno("showing the agent's program to the rehearsal");
}

Result<void> RemoveStage() {
    (void)::umount2(Cat(kStage, "/", kRoot, "/", kProgram).c_str(), MNT_DETACH);
    if (::umount2(kStage, MNT_DETACH) < 0 && errno != EINVAL && errno != ENOENT)
        return FailErrno(Cat("unmounting ", kStage));
    return {};
}

Result<ContainerSpec> Specification() {
    NewContainer message;
    message.id = "rehearsal";
    message.image = ".";
    message.rootfs = kRoot;
    message.oci = kConfiguration;
    return ParseContainer(message, "");
}

}  // namespace

Rehearsal::Rehearsal(const Surroundings& surroundings,
                     std::function<Result<void>(const std::string&)> mount_share)
    : outer_(surroundings),
      own_{surroundings.loop,          surroundings.reaper, surroundings.io, kStage,
           surroundings.cgroup_parent, surroundings.shm},
      mount_share_(std::move(mount_share)) {}

void Rehearsal::Run(Done done) {
    done_ = std::move(done);
    const auto work = [this]() -> Result<void> {
        CC_TRY(mount_share_(outer_.share));
        // A share that is mounted would keep the machine from being saved.
        if (::umount2(outer_.share.c_str(), 0) < 0)
            return FailErrno(Cat("unmounting ", outer_.share));
        return MakeStage();
    };
    RunInChild(outer_.loop, outer_.reaper, "preparing a rehearsal", kDeadline, work,
               [this](const Result<void>& made) {
                   if (!made) return CleanUp(made);
                   MakeContainer();
               });
}

void Rehearsal::MakeContainer() {
    auto specification = Specification();
    if (!specification) return CleanUp(Failure(specification.error()));
    container_ = std::make_unique<Container>(own_, std::move(*specification));
    ContainerStart start;
    start.stdio = start.stderr_sequence = kNullSession;
    start.hold = true;
    container_->Start(start, [this](const Result<void>& held) {
        if (!held) return RemoveContainer(held);
        container_->Release([this](const Result<void>& started) { RemoveContainer(started); });
    });
}

// Waits for the program's end, which comes by itself.
void Rehearsal::RemoveContainer(Result<void> so_far) {
    container_->Remove(
        [this, so_far](Result<void> removed) { CleanUp(so_far ? std::move(removed) : so_far); });
}

void Rehearsal::CleanUp(Result<void> so_far) {
    RunInChild(outer_.loop, outer_.reaper, "clearing up after a rehearsal", kDeadline, RemoveStage,
               [this, so_far](Result<void> removed) {
                   const auto done = std::exchange(done_, nullptr);
                   done(Context("rehearsal", so_far ? std::move(removed) : so_far));
               });
}

}  // namespace cc::agent
