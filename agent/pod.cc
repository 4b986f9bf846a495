// SPDX-License-Identifier: Apache-2.0
#include "agent/pod.h"

#include <algorithm>
#include <csignal>

#include <sys/mount.h>
#include <unistd.h>

#include "agent/boot.h"
#include "agent/guest_numbers.h"
#include "agent/network/network_change.h"
#include "agent/network/pod_network.h"
#include "agent/online_memory.h"
#include "agent/processors.h"
#include "agent/ps.h"
#include "agent/rehearsal.h"
#include "agent/root_disk.h"
#include "agent/share.h"
#include "agent/task.h"
#include "base/file.h"
#include "base/log.h"
#include "base/text.h"
#include "protocol/process_list.h"
#include "protocol/vm_config.h"

namespace cc::agent {

namespace {

constexpr std::chrono::seconds kMountDeadline{15};
constexpr std::chrono::seconds kDiskDeadline{5};
constexpr std::chrono::seconds kPlugDeadline{10};  // before that, in the same process, or alone
// Each costs the agent a cgroup, some descriptors and its processes' streams; a pod of this size is
// a mistake.
constexpr size_t kMaxContainers = 256;

Failure NotStarted(std::string_view impossible) {
    return Fail(Cat("Pod not started, impossible to ", impossible));
}

// What was plugged into the machine; 0: nothing.
Result<void> AwaitGrowth(int64_t memory_mib, int64_t cpus) {
    if (memory_mib > 0) CC_TRY(AwaitMemory(memory_mib, kPlugDeadline));
    if (cpus > 0) CC_TRY(AwaitProcessors(cpus, kPlugDeadline));
    return {};
}

Result<std::string> Acknowledge(Result<void> result) {
    if (!result) return Failure(result.error());
    return std::string();
}

constexpr size_t kLeastEntropy = 32;  // bytes: the size of the kernel generator's key

}  // namespace

Pod::Pod(const Surroundings& surroundings, PodOptions options)
    : surroundings_(surroundings),
      options_(std::move(options)),
      dns_(surroundings.loop, options_.open_dns),
      sweep_(surroundings.loop, [this] { gone_.clear(); }) {}

Pod::~Pod() = default;

void Pod::Start(const StartPod& message, Reply reply) {
    if (started_) return reply(Fail("Pod already started, impossible to start again"));
    if (rehearsing_) return reply(Fail("The machine rehearses, impossible to start a pod"));
    if (auto unique = BecomeUnique(message); !unique) return reply(Failure(unique.error()));
    if (auto hidden = HideUnusedDevice(message, surroundings_.device); !hidden)
        return reply(Failure(hidden.error()));
    hostname_ = message.hostname;
    if (::sethostname(hostname_.data(), hostname_.size()) < 0)
        Log(LogLevel::kWarn, FailErrno("setting the hostname").value().message);
    if (message.share_dir.empty() && options_.share_stand_in.empty())
        return reply(
            Fail("shareDir is empty, so containers have no root file systems to come from"));
    const auto finished = [this, reply = std::move(reply)](Result<void> mounted) {
        started_ = mounted.has_value();
        reply(Acknowledge(std::move(mounted)));
    };
    pod_network_ = message.pod_network;
    network_ = message.network.value_or(Network());
    const auto work = [&]() -> Result<void> {
        CC_TRY(AwaitGrowth(message.memory_mib, message.cpus));
        CC_TRY(MountShare({message.share_dir, options_.share_type, options_.share_stand_in},
                          surroundings_.share));
        return Context("the pod's network", StartNetwork(message));
    };
    const std::string what = "starting the pod";
    // What has to wait for something does so in a child. The rest takes milliseconds, and nothing
    // goes on in the machine yet that could miss the loop; a child's fork, end and burial would be
    // a tenth of what a new clone does until its first container runs.
    if (message.memory_mib == 0 && message.cpus == 0) return finished(Context(what, work()));
    RunInChild(surroundings_.loop, surroundings_.reaper, what, kMountDeadline, work, finished);
}

// Before anything of the pod runs: a clone has its brothers' random numbers and their template's
// time.
Result<void> Pod::BecomeUnique(const StartPod& message) const {
    if (rehearsal_ && message.entropy.size() < kLeastEntropy)
        return Fail(
            "This machine may be one of several clones and got no entropy of its own, impossible "
            "to start a pod");
    if (options_.shared_machine) return {};
    if (!message.entropy.empty()) CC_TRY(AddEntropy(message.entropy));
    if (message.unix_time_ns != 0) CC_TRY(SetClock(message.unix_time_ns));
    return {};
}

void Pod::Rehearse(Reply reply) {
    if (started_ || rehearsing_)
        return reply(Fail("The machine is in use, impossible to rehearse"));
    rehearsing_ = true;
    rehearsal_ = std::make_unique<Rehearsal>(surroundings_, options_);
    rehearsal_->Run([this, reply = std::move(reply)](Result<void> done) {
        rehearsing_ = false;
        if (done) Prepare();
        reply(Acknowledge(std::move(done)));
    });
}

void Pod::Destroy(Reply reply) {
    if (!started_) return reply(std::string());
    if (containers_.empty()) return Unmount(std::move(reply));
    // The last one to be gone goes on; the first error is the one that is told.
    auto error = std::make_shared<Result<void>>();
    for (const auto& [id, container] : containers_) {
        container->Kill();
        container->Remove([this, id = id, error, reply](Result<void> removed) {
            if (!removed && *error) *error = Context(Cat("container ", id), std::move(removed));
            Erase(id);
            if (!containers_.empty()) return;
            if (!*error) return reply(Failure(error->error()));
            Unmount(reply);
        });
    }
}

void Pod::Unmount(Reply reply) {
    DropMemory();
    const auto finished = [this, reply = std::move(reply)](Result<void> unmounted) {
        started_ = false;
        reply(Acknowledge(std::move(unmounted)));
    };
    const auto work = [&]() -> Result<void> {
        CC_TRY(UnmountShare(surroundings_.share));
        return Context("the pod's network", EndNetwork(pod_network_));
    };
    RunInChild(surroundings_.loop, surroundings_.reaper, "destroying the pod", kMountDeadline, work,
               finished);
}

void Pod::ChangeNetwork(const UpdateNetwork& message, Reply reply) {
    if (!started_) return reply(NotStarted("change its network"));
    if (change_) return reply(Fail("The pod's network is being changed, impossible to change it"));
    change_ = std::make_unique<NetworkChange>(surroundings_.loop, surroundings_.device, network_,
                                              message.network);
    change_->Run([this, network = message.network, reply = std::move(reply)](Result<void> changed) {
        const auto ended = std::move(change_);
        if (changed) network_ = network;
        ServeNames();  // an engine writes resolv.conf anew for it
        reply(Acknowledge(Context("the pod's network", std::move(changed))));
    });
}

// Only where a container asks for it: the address is taken then from programs that would bind the
// same port on all addresses.
void Pod::ServeNames() {
    const bool asked =
        std::any_of(resolv_confs_.begin(), resolv_confs_.end(), [](const auto& container) {
            return NamesOurResolver(ReadFile(container.second, 64 << 10).value_or(""));
        });
    if (!asked) return;
    if (auto served = dns_.Serve(); !served)
        Log(LogLevel::kWarn, "names of the host's networks are not resolved",
            {{"why", served.error().message}});
}

Result<std::string> Pod::SetupInterface(const NetworkLink& link) {
    if (!started_) return NotStarted("set up an interface");
    CC_TRY(agent::SetupInterface(link));
    pod_network_.links.push_back(link);
    return std::string();
}

Result<std::string> Pod::SetupRoutes(const std::vector<NetworkRoute>& routes) {
    if (!started_) return NotStarted("set up routes");
    return Acknowledge(agent::SetupRoutes(routes));
}

void Pod::Prepare() {
    if (understudy_) return;
    auto made = Understudy::Make(surroundings_.share, surroundings_.cgroup_parent);
    if (made)
        understudy_.emplace(std::move(*made));
    else
        Log(LogLevel::kWarn, "containers are made from nothing", {{"why", made.error().message}});
}

void Pod::NewContainer(const cc::NewContainer& message, std::string_view payload, Reply reply) {
    if (!started_) return reply(NotStarted("run a new container"));
    if (message.memory_mib <= 0 && message.cpus <= 0)
        return TakeDisks(message, payload, std::move(reply));
    const auto work = [&] { return AwaitGrowth(message.memory_mib, message.cpus); };
    const auto made = [this, message, payload = std::string(payload),
                       reply = std::move(reply)](Result<void> there) {
        if (!there)
            Log(LogLevel::kWarn, "a container begins before the machine has grown for it",
                {{"container", message.id}, {"why", there.error().message}});
        TakeDisks(message, payload, reply);
    };
    RunInChild(surroundings_.loop, surroundings_.reaper, "waiting for the machine to grow",
               kPlugDeadline, work, made);
}

void Pod::TakeDisks(const cc::NewContainer& message, std::string_view payload, Reply reply) {
    const auto disks = DisksOf(message);
    if (disks.empty()) return Make(message, payload, std::move(reply));
    // Before anything is mounted in the place of a container that is there.
    if (auto good = CheckNew(message); !good) return reply(Failure(good.error()));
    const auto work = [&]() -> Result<void> {
        CC_TRY(AwaitDisks(disks, kDiskDeadline));
        return MountRootDisk(message, surroundings_.share);
    };
    const auto taken = [this, message, payload = std::string(payload),
                        reply = std::move(reply)](Result<void> there) {
        // The container has its own mount by then, or is not to be.
        const Reply finished = [this, id = message.id, reply](Result<std::string> made) {
            UnmountRootDisk(id, surroundings_.share);
            reply(std::move(made));
        };
        if (!there)
            return finished(
                Failure(Context("Process could not be started", std::move(there)).error()));
        Make(message, payload, finished);
    };
    RunInChild(surroundings_.loop, surroundings_.reaper, "waiting for the machine's disks",
               kPlugDeadline, work, taken);
}

void Pod::Make(const cc::NewContainer& message, std::string_view payload, Reply reply) {
    if (auto good = CheckNew(message); !good) return reply(Failure(good.error()));
    ContainerStart start;
    start.stdio = message.process.stdio;
    start.hold = message.hold;
    std::optional<Understudy> understudy;
    const auto parsed = [&]() -> Result<ContainerSpec> {
        CC_ASSIGN(ContainerSpec spec, ParseContainer(message, hostname_));
        CC_TRY(UseDisks(message, spec));
        CC_ASSIGN(start.shared, SharedNamespaces(spec));
        if (understudy_ && Understudy::Suits(spec, start.shared)) understudy.swap(understudy_);
        CC_TRY(ShareMemory(spec));
        return spec;
    };
    auto spec = parsed();
    if (!spec)
        return reply(
            Fail(Cat("Process could not be started: ", spec.error().message), spec.error().code));
    start.stderr_sequence = spec->process.terminal ? 0 : message.process.stderr_sequence;
    for (const auto& mount : spec->mounts)
        if (mount.destination == "/etc/resolv.conf") resolv_confs_[message.id] = mount.source;
    ServeNames();
    if (understudy) {
        understudy->Learn(payload, hostname_);
        start.understudy = &*understudy;
    }
    auto& container = containers_[message.id];
    container = std::make_unique<Container>(surroundings_, std::move(*spec));
    container->Start(
        start, [this, id = message.id, reply = std::move(reply)](Result<void> started) {
            if (!started) Erase(id);
            reply(Acknowledge(Context("Process could not be started", std::move(started))));
        });
}

Result<void> Pod::CheckNew(const cc::NewContainer& message) const {
    if (containers_.contains(message.id))
        return Fail(Cat("Container ", message.id, " already exists, impossible to run a new one"));
    if (containers_.size() >= kMaxContainers)
        return Fail(
            Cat("the pod has ", containers_.size(), " containers, impossible to run a new one"));
    return {};
}

void Pod::StartContainer(const cc::StartContainer& message, Reply reply) {
    if (!started_) return reply(NotStarted("start the container"));
    auto container = Find(message.container, "start");
    if (!container) return reply(Failure(container.error()));
    if (!(*container)->held())
        return reply(Fail(Cat("Container ", message.container,
                              " does not wait for its start, impossible to start")));
    (*container)->Release([reply = std::move(reply)](Result<void> started) {
        reply(Acknowledge(Context("Process could not be started", std::move(started))));
    });
}

void Pod::Exec(const ExecCommand& message, Reply reply) {
    if (!started_) return reply(NotStarted("exec process on the container"));
    auto container = Find(message.container, "exec");
    if (!container) return reply(Failure(container.error()));
    if (!(*container)->alive())
        return reply(
            Fail(Cat("Container ", message.container, " not running, impossible to exec")));
    if ((*container)->paused())
        return reply(Fail(Cat("Container ", message.container, " is paused, impossible to exec")));
    if (message.process.stdio != kNullSession && (*container)->HasProcess(message.process.stdio))
        return reply(Fail(Cat("Process ", message.process.stdio, " already exists")));
    const auto process = ParseExec(message, (*container)->first_process());
    if (!process)
        return reply(Fail(Cat("Process could not be started: ", process.error().message)));
    const uint64_t stderr_sequence = process->terminal ? 0 : message.process.stderr_sequence;
    (*container)
        ->Exec(*process, message.process.stdio, stderr_sequence,
               [reply = std::move(reply)](Result<void> started) {
                   reply(Acknowledge(Context("Process could not be started", std::move(started))));
               });
}

Result<std::string> Pod::Kill(const KillContainer& message) {
    if (!started_) return NotStarted("signal the container");
    CC_ASSIGN(Container * container, Find(message.container, "signal"));
    if (message.signal < 1 || message.signal > SIGRTMAX)
        return Fail(Cat("invalid signal number ", message.signal));
    const int signal = static_cast<int>(message.signal);
    return Acknowledge(message.all_processes ? container->SignalAll(signal)
                                             : container->Signal(signal, message.process));
}

void Pod::Remove(const RemoveContainer& message, Reply reply) {
    if (!started_) return reply(NotStarted("remove the container"));
    auto container = Find(message.container, "remove");
    if (!container) return reply(Failure(container.error()));
    if ((*container)->running() || (*container)->held())
        return reply(
            Fail(Cat("Container ", message.container, " still running, impossible to remove")));
    (*container)
        ->Remove([this, id = message.container, reply = std::move(reply)](Result<void> removed) {
            if (removed) Erase(id);
            // Before the host takes its files away, and perhaps shows others by their name.
            if (options_.share_type == kVirtioFsType) ForgetShared(surroundings_.share);
            reply(Acknowledge(std::move(removed)));
        });
}

Result<std::string> Pod::Resize(const WinSize& message) {
    if (!started_) return NotStarted("resize the window");
    constexpr int64_t kLargest = UINT16_MAX;
    if (message.row < 0 || message.row > kLargest || message.column < 0 ||
        message.column > kLargest)
        return Fail(Cat("invalid window size ", message.row, "x", message.column));
    // A number that nobody has (any more) is not an error: windows are resized while processes end.
    Session* session = surroundings_.io.Find(message.sequence);
    if (session == nullptr) return std::string();
    return Acknowledge(
        session->Resize(static_cast<uint16_t>(message.row), static_cast<uint16_t>(message.column)));
}

Result<std::string> Pod::ListProcesses(const PsContainer& message) {
    if (!started_) return NotStarted("list processes");
    CC_ASSIGN(const Container* container, Find(message.container, "list processes"));
    if (message.format == "json") return ProcessesAsJson(container->Processes());
    if (message.format == "table") return ProcessesAsTable(container->Processes());
    if (message.format == kProcessListFormat) {
        const auto& arguments = message.ps_args;
        const bool threads =
            std::find(arguments.begin(), arguments.end(), kThreadsArgument) != arguments.end();
        return Encode(ReadProcesses(container->Processes(), threads));
    }
    return Fail("invalid format option");
}

Result<Container*> Pod::Find(const std::string& id, std::string_view impossible) {
    const auto found = containers_.find(id);
    if (found == containers_.end())
        return Fail(Cat("Container ", id, " not found, impossible to ", impossible), ENOENT);
    return found->second.get();
}

void Pod::Erase(const std::string& id) {
    auto container = containers_.extract(id);
    if (container.empty()) return;
    resolv_confs_.erase(id);
    gone_.push_back(std::move(container.mapped()));
    sweep_.Start(std::chrono::milliseconds(0));
}

}  // namespace cc::agent
