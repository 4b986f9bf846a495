// SPDX-License-Identifier: Apache-2.0
#include "vmm/keeper.h"

#include <algorithm>
#include <chrono>
#include <csignal>

#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/session_niceness.h"
#include "base/text.h"
#include "vmm/preflight.h"
#include "vmm/rehearsal.h"
#include "vmm/rehearsal_root.h"
#include "vmm/template/memory_copy.h"

namespace cc {

namespace {

// A guest can make its VMM complain without end.
constexpr size_t kOutputBudget = 256 * 1024;
// From the VMM's answer to a guest that has booted and rehearsed, on a machine under load.
constexpr std::chrono::seconds kRehearsalDeadline{60};
// Of a template: what its guest has not done when it is saved each clone does for itself, with code
// that each translates for itself. After a rehearsal processes are still ending, and the kernel
// frees behind them what it could not free at once.
constexpr std::chrono::milliseconds kRest{300};

int64_t NowMs() {
    const auto now = std::chrono::steady_clock::now().time_since_epoch();
    return std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
}

// After the file server has ended without a failure, on a machine under load.
constexpr std::chrono::milliseconds kVmmEnd{3000};

std::string Unserved(const std::string& how) {
    return Cat(how, "; a virtual machine without its files is stopped");
}

VmReply ReplyOf(const Result<void>& how) {
    VmReply reply;
    if (!how) reply.error = how.error().message;
    return reply;
}

}  // namespace

Keeper::Keeper(VmConfig config, Descriptors inherited, TscMeasurement tsc, StartEngine start_engine)
    : config_(std::move(config)),
      inherited_(std::move(inherited)),
      tsc_(tsc),
      start_engine_(std::move(start_engine)),
      terminate_(loop_, [this](int) { Stop("SIGTERM"); }),
      interrupt_(loop_, [this](int) { Stop("SIGINT"); }),
      unserved_(loop_, [this] { GiveUp(Unserved(file_server_how_)); }),
      proxy_starter_(loop_),
      output_budget_(kOutputBudget) {}

Keeper::~Keeper() = default;

int Keeper::Run() {
    if (auto started = Start(); !started) {
        Log(LogLevel::kError, "the VM was not started", {{"error", started.error().message}});
        TellReady({.error = started.error().message, .status = {}, .console = {}});
        return 1;
    }
    loop_.Run();
    return exit_status_;
}

Result<void> Keeper::Start() {
    CC_TRY(CheckVmDirectory(config_.directory));
    CC_TRY(StartLog({.name = "cc-vmm",
                     .level = config_.debug ? LogLevel::kDebug : LogLevel::kInfo,
                     .format = LogFormat::kText,
                     .path = Cat(config_.directory, "/", kKeeperLogName)}));
    CC_ASSIGN(const Preflight checked, CheckVmConfig(config_));
    if (!checked.warning.empty()) Log(LogLevel::kWarn, checked.warning);
    CC_ASSIGN(acceleration_, ChooseAcceleration(config_.acceleration));
    Log(LogLevel::kInfo, "acceleration chosen",
        {{"engine", std::string(Name(acceleration_.engine))}, {"reason", acceleration_.reason}});
    CC_TRY(terminate_.Start(SIGTERM));
    CC_TRY(interrupt_.Start(SIGINT));
    CC_ASSIGN(share_, Share::Create(Cat(config_.directory, "/", kShareName)));
    CC_TRY(MakeNic());
    if (config_.shared_fs == SharedFs::kVirtioFs) CC_TRY(StartFileServer());
    CC_ASSIGN(console_, Console::Open(Cat(config_.directory, "/", kConsoleLogName)));
    return Context("starting the VM", StartVm(checked.image_bytes));
}

// Also without a device: the VMM has no business with the network of whoever started us.
Result<void> Keeper::MakeNic() {
    CC_TRY(LeaveNetwork());
    if (!config_.nic) return {};
    CC_ASSIGN(Nic nic, Nic::Make(0, Queues(), MayUseVhost()));
    nics_.emplace(0, std::move(nic));
    return {};
}

// In the keeper's network namespace, which is empty.
Result<void> Keeper::StartFileServer() {
    CC_TRY(share_->Propagate());
    CC_ASSIGN(
        file_server_,
        FileServer::Start(loop_, config_.file_server, Cat(config_.directory, "/", kShareName),
                          {.on_output =
                               [this](std::string_view line) {
                                   OnOutput(line, LogLevel::kInfo, "the file server says");
                               },
                           .on_end = [this](const FileServerEnd& end) { OnFileServerEnd(end); }}));
    return {};
}

// Only with KVM does a guest reach the host's kernel without waking QEMU.
bool Keeper::MayUseVhost() const {
    return config_.vhost_net && acceleration_.engine == Acceleration::kKvm;
}

// Of a device that is made now: one a processor.
int Keeper::Queues() const {
    const int64_t cpus = config_.vcpus + (engine_ ? engine_->grown().cpus : 0);
    return static_cast<int>(std::clamp<int64_t>(cpus, 1, kMostQueues));
}

Result<void> Keeper::CheckRoom(int number) const {
    if (cards_.contains(number))
        return Fail(Cat("network device ", number, " of the machine is no tap"), EEXIST);
    const int most = MostNics(config_.machine);
    const int places = PlugPlaces(config_.machine);
    if (number > 0 && number < most && disks_.Has(places - 1 - PlaceOfNic(number)))
        return Fail(Cat("a disk is in the place of network device ", number,
                        ": a virtual machine of the type ", Name(config_.machine), " has room for ",
                        places, " disks and networks beside its first network"),
                    ENOSPC);
    if (number < most) return {};
    return Fail(Cat("a virtual machine of the type ", Name(config_.machine), " has room for ", most,
                    most == 1 ? " network device" : " network devices",
                    "; connect the container to fewer networks"),
                ENOSPC);
}

// A device that is there, or a tap for one that is to be.
Result<void> Keeper::AttachNic(int number, Fd network_namespace) {
    if (!network_namespace) return Fail("no network namespace came with the request", EINVAL);
    if (nics_.empty()) return Fail("the machine has no network device", ENODEV);
    if (const auto there = nics_.find(number); there != nics_.end())
        return there->second.Attach(std::move(network_namespace));
    CC_TRY(CheckRoom(number));
    CC_ASSIGN(Nic nic, Nic::Make(number, Queues(), MayUseVhost()));
    CC_TRY(nic.Attach(std::move(network_namespace)));
    nics_.emplace(number, std::move(nic));
    return {};
}

// One that is there already is what was asked for.
void Keeper::AttachCard(const Card& card, Engine::Done done) {
    const auto there = cards_.find(card.number);
    if (there != cards_.end() && there->second == card) return done({});
    auto can = CheckRoom(card.number);
    if (can && nics_.contains(card.number))
        can = Fail(Cat("network device ", card.number, " of the machine is a tap"), EEXIST);
    if (can && card.kind == CardKind::kVhostUser && !config_.shared_memory)
        can = Fail(
            "the machine's memory is its own, because it had no vhost-user network when it was "
            "made; make the container anew, with its network");
    if (!can) return done(Context("attach_network", std::move(can)));
    cards_.emplace(card.number, card);
    engine_->PlugCard(
        card, [this, number = card.number, done = std::move(done)](Result<void> plugged) {
            if (!plugged) cards_.erase(number);
            done(Context("attach_network: plugging in a network device", std::move(plugged)));
        });
}

void Keeper::AttachNetwork(const Card& card, Fd network_namespace, Engine::Done done) {
    if (card.kind == CardKind::kMacvtap)
        return AttachMacvtap(card, std::move(network_namespace), std::move(done));
    if (card.kind != CardKind::kTap) return AttachCard(card, std::move(done));
    const int number = card.number;
    const bool there = nics_.contains(number);
    auto attached = AttachNic(number, std::move(network_namespace));
    if (!attached || there) return done(Context("attach_network", std::move(attached)));
    PlugNic(number, std::move(done));
}

void Keeper::PlugNic(int number, Engine::Done done) {
    engine_->PlugNic(
        number, nics_.at(number).back_end(),
        [this, number, done = std::move(done)](Result<void> plugged) {
            if (plugged) {
                (void)nics_.at(number).Release();
            } else {
                nics_.erase(number);
                cards_.erase(number);
            }
            done(Context("attach_network: plugging in a network device", std::move(plugged)));
        });
}

// It cannot be moved from one link to another: the number is that link's for good.
void Keeper::AttachMacvtap(const Card& card, Fd network_namespace, Engine::Done done) {
    const auto there = cards_.find(card.number);
    if (there != cards_.end() && there->second == card) return done({});
    auto made = [&]() -> Result<void> {
        if (!network_namespace) return Fail("no network namespace came with the request", EINVAL);
        CC_TRY(CheckRoom(card.number));
        if (nics_.contains(card.number))
            return Fail(Cat("network device ", card.number, " of the machine is a tap"), EEXIST);
        CC_ASSIGN(Nic nic, Nic::MakeMacvtap(card.number, std::move(network_namespace), card.source,
                                            Queues(), MayUseVhost()));
        nics_.emplace(card.number, std::move(nic));
        return {};
    }();
    if (!made) return done(Context("attach_network", std::move(made)));
    cards_.emplace(card.number, card);
    PlugNic(card.number, std::move(done));
}

bool Keeper::IsFreeForDisk(int number) const {
    const int nic = PlaceOfDisk(config_.machine, number) + 1;  // that would have this place
    return !nics_.contains(nic) && !cards_.contains(nic);
}

void Keeper::AddDisk(const VmRequest& request, const Fd& device, VerbAnswer answer) {
    disks_.Add(
        *engine_, config_.machine, [this](int number) { return IsFreeForDisk(number); },
        request.owner, device, request.read_only,
        [answer = std::move(answer)](Result<int> number) {
            VmReply reply;
            if (number)
                reply.disk = *number;
            else
                reply.error = Cat("add_disk: ", number.error().message);
            answer(reply);
        });
}

Result<void> Keeper::WatchNetwork(const VmRequest& request, Fd network_namespace) {
    if (!network_namespace)
        return Fail("watch_network: no network namespace came with the request", EINVAL);
    if (network_watch_) return Fail("watch_network: a namespace is watched already", EALREADY);
    CC_ASSIGN(std::string self, SelfPath());
    CC_ASSIGN(Fd resolvers, network_namespace.Duplicate());
    dns_->AskIn(std::move(resolvers));
    const NetworkFollower runtime{std::move(self), request.path, request.sandbox};
    // A convenience: a host whose kernel has not what it takes serves its containers without.
    if (auto forward = PortForward::Start(loop_, network_namespace, runtime))
        port_forward_ = std::move(*forward);
    else
        Log(LogLevel::kInfo, "the guest's loopback cannot be reached from the host",
            {{"why", forward.error().message}});
    CC_ASSIGN(network_watch_, NetworkWatch::Start(loop_, std::move(network_namespace), runtime));
    return {};
}

// For shims, which have no place for children of their own: what they started would end with them.
void Keeper::StartProxy(const ProxyAddress& proxy, VerbAnswer answer) {
    proxy_starter_.Start(proxy, [proxy, answer = std::move(answer)](const Result<void>& how) {
        VmReply reply = ReplyOf(how);
        reply.killed = !how && how.error().code == ECONNRESET;
        if (!how)
            Log(LogLevel::kWarn, "cc-proxy is missed, and does not start",
                {{"socket", proxy.socket}, {"why", how.error().message}});
        answer(reply);
    });
}

Result<Fd> Keeper::Listen(std::string_view name, int type) {
    CC_ASSIGN(Fd listener, ListenUnix(Cat(config_.directory, "/", name), type, 0600));
    // Wherever the directory is by then.
    sockets_.Push(
        [this, name = std::string(name)] { ::unlink(Cat(config_.directory, "/", name).c_str()); });
    return listener;
}

Result<void> Keeper::StartVm(int64_t image_bytes) {
    EnginePlan plan{.config = config_,
                    .acceleration = acceleration_,
                    .image_bytes = image_bytes,
                    .tsc = tsc_,
                    .ctl_listener = {},
                    .io_listener = {},
                    .dns = {},
                    .nic = {},
                    .memory = std::move(inherited_.memory),
                    .state = std::move(inherited_.state),
                    .translations = std::move(inherited_.translations)};
    CC_ASSIGN(plan.ctl_listener, Listen(kCtlSocketName, SOCK_STREAM));
    CC_ASSIGN(plan.io_listener, Listen(kIoSocketName, SOCK_STREAM));
    CC_ASSIGN(FdPair questions, MakeSocketPair(SOCK_STREAM));
    plan.dns = std::move(questions.second);
    CC_ASSIGN(dns_, DnsRelay::Open(loop_, std::move(questions.first)));
    for (const Card& card : config_.cards)
        cards_.emplace(card.number, card);
    if (const auto nic = nics_.find(0); nic != nics_.end()) plan.nic = nic->second.Release();
    if (file_server_ && config_.origin == VmOrigin::kBoot)
        plan.file_server = file_server_->TakeConnection();
    CC_TRY(ShareMemory(plan.memory));
    CC_ASSIGN(Fd verbs, Listen(kVerbSocketName, SOCK_SEQPACKET));
    CC_ASSIGN(verbs_, PacketServer::Open(
                          loop_, std::move(verbs),
                          [this](Result<Received> packet, const PacketServer::Answer& answer) {
                              Take(std::move(packet), answer);
                          }));
    exec_ms_ = NowMs();
    CC_ASSIGN(engine_,
              start_engine_(loop_, std::move(plan),
                            {.on_started = [this] { OnStarted(); },
                             .on_paused = [this](bool paused) { OnPaused(paused); },
                             .on_console = [this](std::string_view bytes) { OnConsole(bytes); },
                             .on_output =
                                 [this](std::string_view line) {
                                     OnOutput(line, LogLevel::kWarn, "the VMM says");
                                 },
                             .on_disk_gone = [this](int number) { disks_.Gone(number); },
                             .on_end = [this](const EngineEnd& end) { OnEnd(end); }}));
    return {};
}

// What serves the share reads and writes the guest's memory, so that cannot be a private view of
// the template's.
Result<void> Keeper::ShareMemory(Fd& memory) const {
    const bool clone = config_.origin == VmOrigin::kClone || config_.origin == VmOrigin::kPooled;
    if (!clone || !file_server_) return {};
    const int64_t begin = NowMs();
    CC_ASSIGN(MemoryCopy copy, Context("copying the template's memory", CopyMemory(memory)));
    Log(LogLevel::kDebug, "the template's memory is copied",
        {{"mib", Cat(copy.bytes >> 20)}, {"ms", Cat(NowMs() - begin)}});
    memory = std::move(copy.memory);
    return {};
}

void Keeper::OnPaused(bool paused) {
    paused_ = paused;
    const std::string sign = Cat(config_.directory, "/", kPausedFileName);
    if (!paused) {
        (void)::unlink(sign.c_str());
    } else if (auto written = WriteFileAtomic(sign, "", 0600); !written) {
        Log(LogLevel::kWarn, "cc-proxy will not know that the VM is paused",
            {{"why", written.error().message}});
    }
}

void Keeper::OnConsole(std::string_view bytes) {
    console_->Append(bytes);
    if (rehearsal_) rehearsal_->OnConsole(bytes);
}

void Keeper::OnStarted() {
    start_ms_ = NowMs() - exec_ms_;
    Log(LogLevel::kInfo, "the VM is up",
        {{"vmm_pid", Cat(engine_->pid())}, {"ms", Cat(start_ms_)}});
    if (!file_server_ || config_.origin == VmOrigin::kBoot) return Begin();
    // The device of a share that is served by others is no part of what is saved.
    engine_->PlugShare(file_server_->TakeConnection(), [this](const Result<void>& plugged) {
        if (!plugged) return GiveUp(Cat("plugging in the share: ", plugged.error().message));
        Begin();
    });
}

void Keeper::Begin() {
    if (config_.origin == VmOrigin::kTemplate || config_.origin == VmOrigin::kPooled)
        return Rehearse();
    Up();
}

void Keeper::Up() {
    up_ = true;
    TellReady({.error = {}, .status = Status(), .console = {}});
}

void Keeper::Rehearse() {
    if (auto shown = MakeRehearsalRoot(share_->directory()); !shown) return Rehearsed(shown);
    auto begun = Rehearsal::Start(
        loop_, Cat(config_.directory, "/", kCtlSocketName), kRehearsalDeadline,
        config_.origin == VmOrigin::kTemplate ? kRest : std::chrono::milliseconds(0),
        [this](Rehearsal::Done begin) {
            if (config_.origin != VmOrigin::kTemplate) return begin({});
            engine_->BeginRehearsal(std::move(begin));
        },
        [this](const Result<void>& how) { Rehearsed(how); });
    if (!begun) return Rehearsed(Failure(begun.error()));
    rehearsal_ = std::move(*begun);
}

void Keeper::Rehearsed(const Result<void>& how) {
    RemoveRehearsalRoot(share_->directory());
    if (!how) return GiveUp(how.error().message);
    Log(LogLevel::kInfo, "the guest has rehearsed", {{"ms", Cat(NowMs() - exec_ms_)}});
    if (config_.origin == VmOrigin::kTemplate) {
        if (!file_server_) return Save();
        // Its memory must be nobody's but the VMM's when it is sealed.
        file_server_gone_ = [this] { Save(); };
        return engine_->UnplugShare([this](const Result<void>& unplugged) {
            if (!unplugged) return GiveUp(unplugged.error().message);
            if (file_server_) file_server_->Stop();
        });
    }
    engine_->Pause([this](const Result<void>& done) {
        if (!done) return GiveUp(done.error().message);
        Up();
    });
}

void Keeper::Save() {
    engine_->Save([this](const Result<void>& done) {
        if (!done) return GiveUp(done.error().message);
        Up();
        Stop("it has been saved");
    });
}

void Keeper::GiveUp(const std::string& why) {
    Log(LogLevel::kError, "the VM is of no use", {{"why", why}});
    // Told at its end: only then is it known whether somebody killed the VMM.
    if (useless_.empty()) useless_ = why;
    engine_->Stop();
}

// The pool's VMs end with it and let everything else go first (vmm/template/child_vm.cc).
void Keeper::LeavePool() const {
    ::prctl(PR_SET_PDEATHSIG, 0);
    (void)::setpriority(PRIO_PROCESS, 0, 0);
    (void)::setpriority(PRIO_PGRP, static_cast<id_t>(engine_->pid()), 0);
    if (file_server_) (void)::setpriority(PRIO_PGRP, static_cast<id_t>(file_server_->group()), 0);
    SetSessionNiceness(0);
}

// Renaming moves the sockets and the share with it: whoever has them open keeps them.
void Keeper::Adopt(const std::string& directory, VerbAnswer answer) {
    const auto refuse = [&](std::string_view why) {
        answer({.error = Cat("adopting the VM: ", why), .status = {}, .console = {}});
    };
    if (config_.origin != VmOrigin::kPooled || adopted_ || !up_ || stopping_)
        return refuse("it does not wait for that");
    if (::rename(config_.directory.c_str(), directory.c_str()) < 0)
        return refuse(
            FailErrno(Cat("renaming ", config_.directory, " to ", directory)).value().message);
    adopted_ = true;
    LeavePool();
    config_.directory = directory;
    share_->MovedTo(Cat(directory, "/", kShareName));
    engine_->Resume([this, answer = std::move(answer)](const Result<void>& resumed) {
        if (!resumed)
            return answer({.error = resumed.error().message, .status = {}, .console = {}});
        answer({.error = {}, .status = Status(), .console = {}});
    });
}

void Keeper::TellReady(const VmReply& reply) {
    if (!inherited_.ready) return;
    Fd ready = std::move(inherited_.ready);
    Result<void> told = WriteAll(ready.get(), Encode(reply, VmVerb::kStatus));
    // The pool says later who adopts it.
    if (told && up_ && config_.origin == VmOrigin::kPooled) told = verbs_->Serve(std::move(ready));
    // Nobody is left who knows of this VM, or ever will.
    if (!told && up_) Stop("whoever asked for the VM has gone");
}

void Keeper::OnOutput(std::string_view line, LogLevel level, std::string_view who) {
    if (output_budget_ == 0) return;
    output_budget_ -= std::min(output_budget_, line.size() + 1);
    Log(level, who, {{"line", std::string(line)}});
    if (output_budget_ == 0) Log(LogLevel::kWarn, "that is too much; the rest is not logged");
}

void Keeper::Stop(std::string_view why) {
    Log(LogLevel::kInfo, "stopping the VM", {{"because", std::string(why)}});
    stopping_ = true;
    if (engine_) engine_->Stop();
}

// A guest without its files is of no use: whatever it does with them would wait for ever.
void Keeper::OnFileServerEnd(const FileServerEnd& end) {
    file_server_.reset();
    file_server_killed_ = end.killed;
    if (const auto gone = std::exchange(file_server_gone_, nullptr)) {
        // One that has failed is what the VMM ends by.
        if (end.failed && useless_.empty() && !stopping_) GiveUp(Unserved(end.how));
        return gone();
    }
    if (stopping_) return;
    if (end.failed) return GiveUp(Unserved(end.how));
    // So it ends when the VMM does, which is told in a moment; or somebody has told it to.
    file_server_how_ = end.how;
    unserved_.Start(kVmmEnd);
}

void Keeper::OnEnd(const EngineEnd& end) {
    if (!file_server_) return Finish(end);
    file_server_gone_ = [this, end] { Finish(end); };
    file_server_->Stop();
}

void Keeper::Finish(const EngineEnd& end) {
    unserved_.Stop();
    exit_status_ = end.clean && up_ && useless_.empty() ? 0 : 1;
    Log(end.clean ? LogLevel::kInfo : LogLevel::kError, "the VM has ended", {{"why", end.why}});
    // Before anyone is told: who hears of the end may remove the directory at once.
    share_.reset();
    network_watch_.reset();
    port_forward_.reset();
    dns_.reset();
    nics_.clear();
    sockets_.Run();
    TellReady({.error = useless_.empty() ? Cat("starting the VM: ", end.why) : useless_,
               .status = {},
               .console = {},
               .killed = end.killed || file_server_killed_});
    for (const auto& answer : stop_answers_)
        answer({});
    loop_.Stop();
}

VmStatus Keeper::Status() const {
    VmStatus status;
    status.keeper_pid = ::getpid();
    status.vmm_pid = engine_ ? engine_->pid() : 0;
    if (file_server_) status.file_server_pids = file_server_->Pids();
    status.paused = paused_;
    const VmGrowth grown = engine_ ? engine_->grown() : VmGrowth();
    status.memory_mib = config_.memory_mib + grown.mib;
    status.cpus = config_.vcpus + grown.cpus;
    status.acceleration = std::string(Name(acceleration_.engine));
    status.acceleration_reason = acceleration_.reason;
    status.vmm_start_ms = start_ms_;
    return status;
}

void Keeper::Take(Result<Received> packet, const PacketServer::Answer& answer) {
    auto request = packet ? ParseVmRequest(packet->bytes) : Failure(packet.error());
    if (!request)
        return answer({Encode({.error = request.error().message, .status = {}, .console = {}},
                              VmVerb::kStatus)});
    Fd fd = packet->fds.empty() ? Fd() : std::move(packet->fds.front());
    Handle(*request, std::move(fd),
           [answer, verb = request->verb](const VmReply& reply) { answer({Encode(reply, verb)}); });
}

void Keeper::Handle(const VmRequest& request, Fd fd, VerbAnswer answer) {
    const auto later = [answer](const Result<void>& how) { answer(ReplyOf(how)); };
    if (!share_) return later(Fail("the VM has ended"));
    switch (request.verb) {
        case VmVerb::kStatus:
            return answer({.error = {}, .status = Status(), .console = {}});
        case VmVerb::kConsole:
            return answer({.error = {}, .status = {}, .console = console_->Tail(kConsoleTail)});
        case VmVerb::kShareAdd:
            return later(fd ? share_->Add(request.path, fd)
                            : Fail("share_add: no mount came with the request", EINVAL));
        case VmVerb::kShareRemove:
            return later(share_->Remove(request.path));
        case VmVerb::kAttachNetwork:
            return AttachNetwork(request.card, std::move(fd), later);
        case VmVerb::kWatchNetwork:
            return later(WatchNetwork(request, std::move(fd)));
        case VmVerb::kAddDisk:
            return AddDisk(request, fd, std::move(answer));
        case VmVerb::kRemoveDisks:
            return disks_.Remove(*engine_, request.owner, [later](Result<void> removed) {
                later(Context("remove_disks", std::move(removed)));
            });
        case VmVerb::kPause:
            return engine_->Pause(later);
        case VmVerb::kResume:
            return engine_->Resume(later);
        case VmVerb::kGrow:
            return engine_->Grow(request.growth, later);
        case VmVerb::kAdopt:
            return Adopt(request.path, std::move(answer));
        case VmVerb::kStartProxy:
            return StartProxy(request.proxy, std::move(answer));
        case VmVerb::kStop:
            stop_answers_.push_back(std::move(answer));
            return Stop("the stop verb");
    }
}

}  // namespace cc
