// SPDX-License-Identifier: Apache-2.0
#include "agent/executor/understudy.h"

#include <algorithm>
#include <vector>

#include <fcntl.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "agent/device_filter.h"
#include "agent/executor/process_setup.h"
#include "agent/executor/report.h"
#include "agent/guest_numbers.h"
#include "base/text.h"
#include "protocol/agent_messages.h"
#include "protocol/pod_sharing.h"

namespace cc::agent {

namespace {

// What fits into a socket's buffer with all that the kernel counts besides. Configurations of
// engines have 10 to 40 KiB.
constexpr size_t kLongestPart = 128 * 1024;
constexpr int kPrompter = 3;  // the child's end of the socket
constexpr int kAgent = 4;     // the agent, as a pidfd
constexpr char kHeldStart = 'h', kStartAtOnce = '-';

// None of the agent's descriptors may stay open in somebody who waits for long.
bool KeepOnly(int prompter, int agent) {
    const int null = ::open("/dev/null", O_RDWR | O_CLOEXEC);
    // First out of the way of the low numbers, then into place.
    constexpr int kHigh = 16;
    int kept[] = {null, null, null, prompter, agent};
    for (int& fd : kept)
        fd = ::fcntl(fd, F_DUPFD_CLOEXEC, kHigh);
    for (int i = 0; i <= kAgent; ++i)
        if (kept[i] < 0 || ::dup3(kept[i], i, i < kPrompter ? 0 : O_CLOEXEC) < 0) return false;
    return ::close_range(kAgent + 1, ~0U, 0) == 0;
}

// "h" or "-", the length of the pod's name, a space, that name, and the message.
Result<ContainerSpec> ReadPart(std::string_view part, bool& hold) {
    hold = part.starts_with(kHeldStart);
    const size_t space = part.find(' ');
    if (space == std::string_view::npos) return Fail("the understudy got no part");
    const auto length = ParseNumber<size_t>(part.substr(1, space - 1)).value_or(0);
    const std::string hostname(part.substr(space + 1, length));
    CC_ASSIGN(const NewContainer message, ParseNewContainer(part.substr(space + 1 + length)));
    CC_ASSIGN(ContainerSpec spec, ParseContainer(message, hostname));
    CC_TRY(UseDisks(message, spec));
    return spec;
}

int PlayPart(Received received, const std::string& share) {
    const int report = received.fds.front().get();
    bool hold = false;
    const auto spec = ReadPart(received.bytes, hold);
    if (!spec) {
        ReportError(report, spec.error());
        return 1;
    }
    // Only now: the agent has mounted the share meanwhile, and gone to the pod's network.
    if (::unshare(CLONE_NEWNS) < 0 || ::setns(kAgent, CLONE_NEWNET) < 0) {
        ReportError(report, FailErrno("becoming a part of the pod").value());
        return 1;
    }
    ::close(kAgent);
    ChildStreams streams;
    if (received.fds.size() == 4) {
        streams.in = std::move(received.fds[1]);
        streams.out = std::move(received.fds[2]);
        streams.err = std::move(received.fds[3]);
    }
    LaunchOptions options;
    options.container = &*spec;
    options.process = &spec->process;
    options.streams = &streams;
    options.share = share;
    options.report = report;
    options.hold = hold;
    options.prepared = true;
    return BecomeFirstProcess(options);
}

int Wait(int socket, int agent, const std::string& keyring, const std::string& share) {
    if (!KeepOnly(socket, agent) || ::unshare(CLONE_NEWCGROUP) < 0 || !JoinKeyring(keyring))
        return 1;
    auto received = ReceiveWithFds(kPrompter, kLongestPart);
    if (!received || received->fds.empty()) return 0;  // nobody needs it
    ::close(kPrompter);
    return PlayPart(std::move(*received), share);
}

}  // namespace

Result<Understudy> Understudy::Make(const std::string& share, const std::string& cgroup_parent) {
    static int serial = 0;
    Understudy understudy;
    // No container has such a name.
    const std::string path = Cat(cgroup_parent, "/understudy ", ++serial);
    ResourceSpec resources;
    resources.devices = Devices();
    CC_ASSIGN(understudy.cgroup_, Cgroup::Make(path, resources));
    CC_ASSIGN(const Fd directory, understudy.cgroup_.Open());
    CC_ASSIGN(FdPair ends, MakeSocketPair(SOCK_SEQPACKET));
    const Fd agent = Fd::Adopt(static_cast<int>(::syscall(SYS_pidfd_open, ::getpid(), 0)));
    if (!agent) return FailErrno("opening a pidfd of the agent");
    ForkOptions fork;
    fork.cgroup = directory.get();
    fork.namespaces = CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS;
    CC_ASSIGN(understudy.child_, Fork(fork, [&] {
                  return Wait(ends.second.get(), agent.get(), understudy.cgroup_.KeyringName(),
                              share);
              }));
    understudy.socket_ = std::move(ends.first);
    return understudy;
}

const std::vector<DeviceRule>& Understudy::Devices() {
    static const std::vector<DeviceRule> devices = DefaultDeviceRules();
    return devices;
}

bool Understudy::Suits(const ContainerSpec& spec, const BornIn& shared) {
    const bool shares_memory =
        std::any_of(spec.mounts.begin(), spec.mounts.end(),
                    [](const MountSpec& mount) { return mount.type == kPodShm; });
    return shared.pid < 0 && shared.ipc < 0 && shared.uts < 0 && !shares_memory &&
           !spec.user_namespace && !spec.time_namespace;
}

void Understudy::Learn(std::string_view message, const std::string& pod_hostname) {
    part_ = Cat(pod_hostname.size(), " ", pod_hostname, message);
}

Result<Child> Understudy::Play(const LaunchOptions& options) {
    std::vector<int> fds{options.report};
    if (options.streams->in)
        for (const auto* fd : {&options.streams->in, &options.streams->out, &options.streams->err})
            fds.push_back(fd->get());
    CC_TRY(SendWithFds(socket_.get(), Cat(options.hold ? kHeldStart : kStartAtOnce, part_), fds));
    return std::move(child_);
}

}  // namespace cc::agent
