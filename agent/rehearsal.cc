// SPDX-License-Identifier: Apache-2.0
#include "agent/rehearsal.h"

#include <csignal>

#include <linux/seccomp.h>
#include <sys/socket.h>

#include "agent/control_channel.h"
#include "agent/device_filter.h"
#include "agent/network/device.h"
#include "agent/rehearsal_host.h"
#include "agent/task.h"
#include "base/random.h"
#include "base/text.h"
#include "protocol/rehearsal.h"
#include "protocol/vm_config.h"
#include "seccomp/newer_calls.h"

namespace cc::agent {

namespace {

constexpr size_t kEntropy = 64;  // bytes, as a real start brings
constexpr const char* kContainer = "rehearsal";
constexpr std::chrono::seconds kRehearsalStepDeadline{15};
// Stdin and stdout of the container's process and of one that joins it; stderr is the next number.
constexpr uint64_t kFirst = 10, kSecond = 20;

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
    {"allow": true, "type": "c", "major": 1, "minor": 3, "access": "rwm"},
    {"allow": true, "type": "c", "major": 5, "minor": 1, "access": "rwm"}]},
  "maskedPaths": ["/proc/kcore", "/proc/keys", "/sys/firmware"],
  "readonlyPaths": ["/proc/bus", "/proc/sys"]}
})";
constexpr std::string_view kProcess =
    R"({"args": ["program"], "cwd": "/", "env": ["PATH=/bin:/"], "user": {"uid": 0, "gid": 0}})";

AgentProcess Program(uint64_t number) {
    AgentProcess process;
    process.user = process.group = "0";
    process.stdio = number;
    process.stderr_sequence = number + 1;
    process.args = {std::string(kRehearsalProgram)};
    process.envs = {{"PATH", "/bin:/"}};
    process.workdir = "/";
    return process;
}

SeccompFilter SomeFilter() {
    SeccompFilter filter{RefuseX32Calls()};
    filter.program.push_back({BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW});
    return filter;
}

std::string NewContainerMessage() {
    NewContainer message;
    message.id = kContainer;
    message.image = kRehearsalImage;
    message.rootfs = kRehearsalRoot;
    message.process = Program(kFirst);
    message.oci = kConfiguration;
    message.seccomp = SomeFilter();
    message.hold = true;
    return Encode(message);
}

Result<std::vector<RehearsalHost::Step>> Script(const std::optional<Network>& network) {
    StartPod pod;
    pod.hostname = kContainer;
    pod.share_dir = kShareTag;
    CC_ASSIGN(pod.entropy, RandomBytes(kEntropy));
    pod.unix_time_ns =
        std::chrono::nanoseconds(std::chrono::system_clock::now().time_since_epoch()).count();
    pod.network = network;
    const ExecCommand second{kContainer, Program(kSecond), std::string(kProcess)};
    return std::vector<RehearsalHost::Step>{
        {ControlCode::kStartPod, Encode(pod)},
        {ControlCode::kNewContainer, NewContainerMessage()},
        {ControlCode::kStartContainer, Encode(StartContainer{kContainer})},
        {ControlCode::kExecCmd, Encode(second)},
        {{}, {}, kSecond},
        {{}, {}, kFirst},
        // As is said before each removal, to what may have ended.
        {ControlCode::kKillContainer, Encode(KillContainer{kContainer, SIGKILL, true})},
        {ControlCode::kRemoveContainer, Encode(RemoveContainer{kContainer})},
        {ControlCode::kDestroyPod, {}},
    };
}

// One end of a pair of sockets becomes a port, the other one is returned.
Result<Fd> OpenPort(uv::Loop& loop, Port::Callbacks callbacks, std::unique_ptr<Port>& port) {
    CC_ASSIGN(FdPair ends, MakeSocketPair(SOCK_STREAM));
    CC_TRY(SetNonBlocking(ends.first.get()));
    CC_ASSIGN(port, Port::Over(loop, std::move(ends.first), std::move(callbacks)));
    return std::move(ends.second);
}

}  // namespace

struct Rehearsal::Cast {
    Cast(const Surroundings& real, PodOptions options)
        : io(real.loop),
          surroundings{real.loop,  real.reaper,        io,      real.device,
                       real.share, real.cgroup_parent, real.shm},
          pod(surroundings, std::move(options)),
          control(pod, io, BootTimeMs()) {}

    IoChannel io;
    const Surroundings surroundings;
    Pod pod;
    ControlChannel control;
    std::unique_ptr<RehearsalHost> host;
};

Rehearsal::Rehearsal(const Surroundings& surroundings, PodOptions options)
    : surroundings_(surroundings),
      options_(std::move(options)),
      curtain_(surroundings.loop, [this] {
          cast_.reset();
          const auto done = std::exchange(done_, nullptr);
          done(Context("rehearsal", std::move(how_)));
      }) {}

Rehearsal::~Rehearsal() = default;

void Rehearsal::Run(Done done) {
    done_ = std::move(done);
    cast_ = std::make_unique<Cast>(surroundings_, options_);
    if (auto begun = Begin(); !begun) CleanUp(std::move(begun));
}

Result<void> Rehearsal::Begin() {
    // Of a container without a list of devices. The other usual one, which allows the console
    // besides, is the rehearsed container's. A kernel without filters says so when one is needed.
    (void)LoadDeviceFilter(DefaultDeviceRules());
    CC_TRY(surroundings_.device.Show());
    cast_->pod.Prepare();
    CC_ASSIGN(network_, ExampleNetwork());
    CC_ASSIGN(auto script, Script(network_));
    std::unique_ptr<Port> port;
    CC_ASSIGN(Fd io, OpenPort(surroundings_.loop, cast_->io.PortCallbacks(), port));
    cast_->io.Use(std::move(port));
    CC_ASSIGN(Fd control, OpenPort(surroundings_.loop, cast_->control.PortCallbacks(), port));
    cast_->control.Use(std::move(port));
    CC_ASSIGN(cast_->host,
              RehearsalHost::Start(surroundings_.loop, std::move(control), std::move(io),
                                   std::move(script),
                                   [this](Result<void> played) { CleanUp(std::move(played)); }));
    return {};
}

// After a play that was broken off something is left; after a whole one this does nothing.
void Rehearsal::CleanUp(Result<void> how) {
    how_ = std::move(how);
    cast_->pod.Destroy([this](const Result<std::string>& destroyed) {
        if (how_ && !destroyed) how_ = Failure(destroyed.error());
        ReturnNetwork();
    });
}

// And out of sight with it: going back to it is quick, making a namespace without it is not.
void Rehearsal::ReturnNetwork() {
    const auto work = [this] { return network_ ? ReturnDevice(*network_) : Result<void>(); };
    RunInChild(surroundings_.loop, surroundings_.reaper, "returning the network device",
               kRehearsalStepDeadline, work, [this](Result<void> returned) {
                   if (returned) returned = surroundings_.device.Hide();
                   if (how_) how_ = std::move(returned);
                   curtain_.Start(std::chrono::milliseconds(0));
               });
}

}  // namespace cc::agent
