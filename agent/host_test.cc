// SPDX-License-Identifier: Apache-2.0
#include "agent/host_test.h"

#include <chrono>
#include <csignal>
#include <thread>

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/agent.h"
#include "agent/boot.h"
#include "agent/cgroup.h"
#include "agent/control_channel.h"
#include "base/file.h"
#include "base/log.h"
#include "base/process.h"
#include "base/text.h"

namespace cc::agent {

namespace {

constexpr const char* kCgroups = "/run/cgroup";
volatile sig_atomic_t agent_pid = 0;

void Forward(int) {
    if (agent_pid > 0) ::kill(agent_pid, SIGTERM);
}

// Made before anything is mounted that may cover its path, and removed through its directory's
// descriptor.
struct Listener {
    Fd directory;
    std::string name;
    Fd socket;

    static Result<Listener> At(const std::string& path) {
        const size_t slash = path.rfind('/');
        const std::string parent = slash == std::string::npos ? "." : path.substr(0, slash + 1);
        Listener listener;
        CC_ASSIGN(listener.directory, OpenFile(parent, O_PATH | O_DIRECTORY));
        CC_ASSIGN(listener.socket, ListenUnix(path, SOCK_STREAM, 0600));
        listener.name = path.substr(slash + 1);
        return listener;
    }
    void Remove() const { ::unlinkat(directory.get(), name.c_str(), 0); }
};

struct TestPlace {
    std::string stand_in;  // for the shared directory
    std::string cgroup_parent;
};

// A /run of the agent's own, as in the guest.
Result<void> PrepareMounts(const HostTestOptions& options, const TestPlace& place) {
    // What a test mounts in the shared directory later still arrives.
    if (::mount(nullptr, "/", nullptr, MS_REC | MS_SLAVE, nullptr) < 0)
        return FailErrno("detaching the mounts");
    CC_TRY(MakeDirectories(place.stand_in, 0700));
    if (::mount(options.share.c_str(), place.stand_in.c_str(), nullptr, MS_BIND | MS_REC, nullptr) <
        0)
        return FailErrno(Cat("binding ", options.share));
    if (::mount("tmpfs", "/run", "tmpfs", MS_NOSUID | MS_NODEV, "mode=0755") < 0)
        return FailErrno("mounting a tmpfs on /run");
    return MountOn("cgroup2", kCgroups, 0, nullptr);
}

Result<void> Serve(Listener& control, Listener& io, const TestPlace& place, int64_t started_ms) {
    // A new one on top, which shows the pid namespace that the agent is the first process of.
    if (::mount("proc", "/proc", "proc", 0, nullptr) < 0) return FailErrno("mounting /proc");
    AgentOptions agent;
    agent.open_control = [&](uv::Loop& loop, Port::Callbacks callbacks) {
        return Port::Serve(loop, std::move(control.socket), std::move(callbacks));
    };
    agent.open_io = [&](uv::Loop& loop, Port::Callbacks callbacks) {
        return Port::Serve(loop, std::move(io.socket), std::move(callbacks));
    };
    agent.share = kGuestShareDirectory;
    agent.cgroup_parent = place.cgroup_parent;
    agent.pod.share_stand_in = place.stand_in;
    agent.pod.shared_machine = true;
    agent.takes_processors = false;
    agent.started_ms = started_ms;
    agent.stop_at_sigterm = true;
    return RunAgent(agent);
}

int RunTestAgent(Listener& control, Listener& io, const TestPlace& place, int64_t started_ms) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    const auto served = Serve(control, io, place, started_ms);
    if (served) return 0;
    (void)WriteAll(2, Cat("cc-agent: ", served.error().message, "\n"));
    return 1;
}

void RemoveRemains(const TestPlace& place) {
    // The kernel has ended all processes of the namespace, but may need a moment to let go of their
    // cgroups.
    for (int i = 0; i < 200 && !RemoveCgroup(place.cgroup_parent); ++i)
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
    ::umount2(place.stand_in.c_str(), MNT_DETACH);
    ::rmdir(place.stand_in.c_str());
}

}  // namespace

Result<int> RunHostTest(const HostTestOptions& options) {
    const int64_t started_ms = BootTimeMs();
    LogOptions log;
    log.name = "cc-agent";
    CC_TRY(StartLog(log));
    const TestPlace place{Cat("/tmp/cc-agent-test.", ::getpid()),
                          Cat(kCgroups, "/cc-agent-test.", ::getpid())};
    // In this order: who finds the control port finds both.
    CC_ASSIGN(Listener io, Listener::At(options.io));
    CC_ASSIGN(Listener control, Listener::At(options.control));
    if (::unshare(CLONE_NEWNS | CLONE_NEWPID) < 0)
        return FailErrno("making namespaces (are you root?)");
    CC_TRY(PrepareMounts(options, place));
    const pid_t pid = ::fork();
    if (pid < 0) return FailErrno("forking");
    if (pid == 0) ::_exit(RunTestAgent(control, io, place, started_ms));
    agent_pid = pid;
    control.socket.Reset();
    io.socket.Reset();
    for (const int signal : {SIGTERM, SIGINT, SIGHUP})
        ::signal(signal, Forward);
    int status = 0;
    while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    control.Remove();
    io.Remove();
    RemoveRemains(place);
    return ExitCodeOf(status);
}

}  // namespace cc::agent
