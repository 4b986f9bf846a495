// SPDX-License-Identifier: Apache-2.0
#include "vmm/qemu/engine.h"

#include <algorithm>
#include <csignal>

#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "base/file.h"
#include "base/log.h"
#include "base/process.h"
#include "base/text.h"
#include "vmm/confine.h"
#include "vmm/lines.h"
#include "vmm/qemu/arguments.h"
#include "vmm/qemu/card.h"
#include "vmm/qemu/cpu_plug.h"
#include "vmm/qemu/disk_plug.h"
#include "vmm/qemu/memory_plug.h"
#include "vmm/qemu/nic_plug.h"
#include "vmm/qemu/own.h"
#include "vmm/qemu/preload.h"
#include "vmm/qemu/qmp.h"
#include "vmm/qemu/share_plug.h"

namespace cc::qemu {

namespace {

using std::chrono::milliseconds;
constexpr milliseconds kVerbDeadline{5000};
constexpr milliseconds kStopDeadline{2000};
// A machine's state without its memory is some 300 kB.
constexpr milliseconds kSaveDeadline{10000};
// A guest that has booted gives a device back at once.
constexpr milliseconds kUnplugDeadline{10000};
// After the process is gone its streams hold what it last said; nobody else has them, so this is a
// safety net.
constexpr milliseconds kDrainDeadline{1000};

// What is saved is the machine without its shared memory; each step of it is told.
constexpr const char* kCapabilities =
    R"({"capabilities":[{"capability":"x-ignore-shared","state":true},)"
    R"({"capability":"events","state":true}]})";

// The smallest firmware: it does nothing but start the kernel. QEMU's own default for the other
// machine types.
constexpr const char* kQboot = "/usr/share/qemu/qboot.rom";

std::string Firmware(const VmConfig& config) {
    if (!config.firmware.empty()) return config.firmware;
    return config.machine != MachineType::kMicrovm && Exists(kQboot) ? kQboot : "";
}

bool IsClone(VmOrigin origin) {
    return origin == VmOrigin::kClone || origin == VmOrigin::kPooled;
}

MachineFacts Facts(const EnginePlan& plan) {
    MachineFacts facts;
    facts.acceleration = plan.acceleration.engine;
    facts.image_bytes = plan.image_bytes;
    facts.firmware = Firmware(plan.config);
    if (const auto cpu = ReadHostCpu()) {
        facts.host_cpus = cpu->count;
        if (facts.acceleration == Acceleration::kTcg && cpu->StableTsc())
            facts.tsc_khz = plan.tsc.Khz();
    }
    facts.host_memory_mib = ReadHostMemoryMib().value_or(0);
    return facts;
}

// A device of the host's that a guest has may reach all of the guest's memory at any time, so the
// kernel keeps that where it is, and counts it against a limit, which is raised as far as we may.
bool PinsMemory(const VmConfig& config) {
    return std::any_of(config.cards.begin(), config.cards.end(),
                       [](const Card& card) { return card.kind == CardKind::kPhysical; });
}
Result<void> AllowPinning(pid_t pid) {
    rlimit limit{RLIM_INFINITY, RLIM_INFINITY};
    if (::prlimit(pid, RLIMIT_MEMLOCK, &limit, nullptr) == 0) return {};
    const char* what = "allowing the VMM to keep the guest's memory in place";
    if (::prlimit(pid, RLIMIT_MEMLOCK, nullptr, &limit) < 0) return FailErrno(what);
    limit.rlim_cur = limit.rlim_max;
    if (::prlimit(pid, RLIMIT_MEMLOCK, &limit, nullptr) < 0) return FailErrno(what);
    return {};
}

class QemuEngine : public Engine {
  public:
    QemuEngine(uv::Loop& loop, EngineCallbacks callbacks)
        : callbacks_(std::move(callbacks)),
          output_lines_([this](std::string_view line) { callbacks_.on_output(line); }),
          process_watch_(loop, [this](int) { OnProcessEnd(); }),
          start_timer_(loop, [this] { OnStartDeadline(); }),
          unplug_timer_(
              loop,
              [this] {
                  ShareUnplugged(Fail("the guest did not give the share's device back", ETIMEDOUT));
              }),
          save_timer_(loop, [this] { Saved(Fail("saving took too long", ETIMEDOUT)); }),
          kill_timer_(loop, [this] { Kill(); }),
          drain_timer_(loop, [this] { Report(); }),
          disk_exits_(loop, [this](int number) { callbacks_.on_disk_gone(number); }) {}
    ~QemuEngine() override {
        if (!reaped_) process_.Kill();
    }

    Result<void> Start(uv::Loop& loop, EnginePlan plan);
    pid_t pid() const override { return process_.pid(); }
    void Pause(Done done) override { Verb("stop", std::move(done)); }
    void Resume(Done done) override { Verb("cont", std::move(done)); }
    void Grow(const VmGrowth& growth, Done done) override;
    VmGrowth grown() const override { return grown_; }
    void PlugNic(int number, const NicBackEnd& back_end, Done done) override;
    void PlugCard(const Card& card, Done done) override;
    void BeginRehearsal(Done done) override;
    void PlugShare(const Fd& connection, Done done) override;
    void UnplugShare(Done done) override;
    void PlugDisk(int number, const Fd& device, bool read_only, Done done) override;
    void UnplugDisk(int number, Done done) override;
    void Save(Done done) override;
    void Stop() override;

  private:
    Result<void> OpenStreams(uv::Loop& loop, Fd control, Fd console, Fd output);
    void Verb(std::string_view command, Done done);
    void OnReady();
    void Restore();
    void CommandFailed(const Error& error);
    void Fatal(std::string why);
    void Kill();
    void Started();
    void Migrate();
    void ShareUnplugged(Result<void> how);
    void OnMigration(const std::string& status);
    void Saved(Result<void> how);
    void OnEvent(const QmpEvent& event);
    void OnControlEnd(Result<void> how);
    void OnStartDeadline();
    void OnProcessEnd();
    void StreamEnded(bool& open);
    void Report();
    EngineEnd HowItEnded() const;

    EngineCallbacks callbacks_;
    std::string program_;
    int64_t start_deadline_ms_ = 0;
    Lines output_lines_;
    Process process_;
    bool reaped_ = false;
    int status_ = 0;
    VmOrigin origin_ = VmOrigin::kBoot;
    MachineType machine_ = MachineType::kPc;
    Acceleration acceleration_ = Acceleration::kTcg;
    bool shared_memory_ = false;
    Fd state_;  // of a template: where it is saved
    Done saved_;
    Done share_unplugged_;
    bool started_ = false;
    bool stopping_ = false;
    int modules_ = 0;  // of memory, that were tried
    VmGrowth grown_;
    bool killed_ = false;          // by us
    std::string failure_;          // why we ended it ourselves
    std::string shutdown_reason_;  // as QEMU named it
    bool control_open_ = true, console_open_ = true, output_open_ = true;
    uv::Poll process_watch_;
    uv::Timer start_timer_, unplug_timer_, save_timer_, kill_timer_, drain_timer_;
    DiskExits disk_exits_;
    std::unique_ptr<QmpClient> qmp_;
    std::unique_ptr<uv::Channel> console_, output_;
};

Result<void> QemuEngine::Start(uv::Loop& loop, EnginePlan plan) {
    program_ = plan.config.hypervisor;
    origin_ = plan.config.origin;
    machine_ = plan.config.machine;
    acceleration_ = plan.acceleration.engine;
    shared_memory_ = plan.config.shared_memory || plan.config.shared_fs == SharedFs::kVirtioFs;
    start_deadline_ms_ = plan.config.start_deadline_ms;
    Descriptors numbers;
    numbers.taps.clear();
    const auto queues = static_cast<int>(plan.nic.taps.size());
    for (int i = 0; i < queues; ++i) {
        numbers.taps.push_back(Descriptors::TapFd(i));
        if (!plan.nic.vhosts.empty()) numbers.vhosts.push_back(Descriptors::VhostFd(i));
    }
    CC_ASSIGN(auto arguments, Arguments(plan.config, Facts(plan), numbers));
    CC_ASSIGN(FdPair control, MakeSocketPair(SOCK_STREAM));
    CC_ASSIGN(FdPair console, MakeSocketPair(SOCK_STREAM));
    CC_ASSIGN(FdPair output, MakePipe());
    SpawnOptions options;
    options.executable = program_;
    options.arguments = {program_};
    options.arguments.insert(options.arguments.end(), arguments.begin(), arguments.end());
    const bool serves_files = plan.config.shared_fs == SharedFs::k9p;
    options.environment = {"PATH=/usr/sbin:/usr/bin:/sbin:/bin"};
    Fd library;
    if (serves_files && !IsOwnQemu(program_)) {
        CC_ASSIGN(library, PreloadLibrary());
        options.environment->push_back(Cat("LD_PRELOAD=/proc/self/fd/", numbers.library));
    }
    options.fds = {{output.second.get(), 1},
                   {output.second.get(), 2},
                   {control.second.get(), numbers.control},
                   {console.second.get(), numbers.console},
                   {plan.ctl_listener.get(), numbers.ctl},
                   {plan.io_listener.get(), numbers.io},
                   {plan.dns.get(), numbers.dns}};
    if (library) options.fds.push_back({library.get(), numbers.library});
    if (plan.file_server) options.fds.push_back({plan.file_server.get(), numbers.files});
    for (size_t i = 0; i < plan.nic.taps.size(); ++i)
        options.fds.push_back({plan.nic.taps[i].get(), numbers.taps[i]});
    for (size_t i = 0; i < plan.nic.vhosts.size(); ++i)
        options.fds.push_back({plan.nic.vhosts[i].get(), numbers.vhosts[i]});
    if (origin_ != VmOrigin::kBoot) {
        options.fds.push_back({plan.memory.get(), numbers.memory});
        options.fds.push_back({plan.translations.get(), numbers.translations});
    }
    if (origin_ == VmOrigin::kTemplate)
        state_ = std::move(plan.state);
    else if (origin_ != VmOrigin::kBoot)
        options.fds.push_back({plan.state.get(), numbers.state});
    options.new_process_group = true;
    options.parent_death_signal = SIGKILL;
    const bool small_pages = plan.acceleration.engine == Acceleration::kTcg && IsClone(origin_);
    options.in_child = [small_pages, serves_files,
                        pins = PinsMemory(plan.config)]() -> Result<void> {
        // QEMU asks for huge pages wherever it can, also for translated code and for firmware
        // tables of which it uses a page. The guest's memory is a view of a file, which has none.
        if (small_pages) (void)::prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
        if (pins) CC_TRY(AllowPinning(0));
        return ConfineVmm(serves_files);
    };
    Log(LogLevel::kDebug, "starting the VMM", {{"arguments", Join(options.arguments, " ")}});
    CC_ASSIGN(process_, Spawn(options));
    start_timer_.Start(milliseconds(start_deadline_ms_));
    CC_TRY(process_watch_.Open(process_.pidfd()));
    process_watch_.Start(UV_READABLE);
    return OpenStreams(loop, std::move(control.first), std::move(console.first),
                       std::move(output.first));
}

Result<void> QemuEngine::OpenStreams(uv::Loop& loop, Fd control, Fd console, Fd output) {
    CC_ASSIGN(qmp_, QmpClient::Open(
                        loop, std::move(control),
                        {.on_ready = [this] { OnReady(); },
                         .on_event = [this](const QmpEvent& event) { OnEvent(event); },
                         .on_end = [this](Result<void> how) { OnControlEnd(std::move(how)); }}));
    CC_ASSIGN(console_,
              uv::Channel::Open(loop, std::move(console),
                                {.on_data = callbacks_.on_console,
                                 .on_end = [this](const auto&) { StreamEnded(console_open_); },
                                 .on_drained = nullptr}));
    CC_ASSIGN(output_,
              uv::Channel::Open(
                  loop, std::move(output),
                  {.on_data = [this](std::string_view bytes) { output_lines_.Append(bytes); },
                   .on_end = [this](const auto&) { StreamEnded(output_open_); },
                   .on_drained = nullptr}));
    return {};
}

void QemuEngine::Verb(std::string_view command, Done done) {
    if (!started_) return done(Fail("the VM is not up"));
    qmp_->Execute(command, "", kVerbDeadline,
                  [done = std::move(done)](const Result<std::string>& answer) {
                      done(answer ? Result<void>() : Failure(answer.error()));
                  });
}

void QemuEngine::Grow(const VmGrowth& growth, Done done) {
    if (!started_) return done(Fail("the VM is not up"));
    const auto memory = [this, mib = growth.mib, done = std::move(done)](Result<void> plugged) {
        if (!plugged || mib == 0) return done(std::move(plugged));
        PlugMemory(*qmp_, ++modules_, mib, shared_memory_, kVerbDeadline,
                   [this, mib, done](Result<void> more) {
                       if (more) grown_.mib += mib;
                       done(std::move(more));
                   });
    };
    PlugCpus(*qmp_, growth.cpus, grown_.cpus, kVerbDeadline, memory);
}

void QemuEngine::PlugCard(const Card& card, Done done) {
    if (!started_) return done(Fail("the VM is not up"));
    if (card.kind == CardKind::kPhysical)
        if (auto allowed = AllowPinning(process_.pid()); !allowed) return done(std::move(allowed));
    qemu::PlugCard(*qmp_, {machine_, acceleration_}, card, kVerbDeadline, std::move(done));
}

void QemuEngine::PlugNic(int number, const NicBackEnd& back_end, Done done) {
    if (!started_) return done(Fail("the VM is not up"));
    qemu::PlugNic(*qmp_, machine_, number, back_end, kVerbDeadline, std::move(done));
}

void QemuEngine::PlugShare(const Fd& connection, Done done) {
    if (!started_) return done(Fail("the VM is not up"));
    qemu::PlugShare(*qmp_, {machine_, acceleration_}, connection, kVerbDeadline, done);
}

void QemuEngine::UnplugShare(Done done) {
    if (!started_) return done(Fail("the VM is not up"));
    share_unplugged_ = std::move(done);
    unplug_timer_.Start(kUnplugDeadline);
    AskForShare(*qmp_, kVerbDeadline, [this](Result<void> asked) {
        if (!asked) ShareUnplugged(std::move(asked));
    });
}

void QemuEngine::ShareUnplugged(Result<void> how) {
    unplug_timer_.Stop();
    auto done = std::exchange(share_unplugged_, nullptr);
    if (!done) return;
    if (!how) return done(std::move(how));
    DropShare(*qmp_, kVerbDeadline, done);
}

void QemuEngine::PlugDisk(int number, const Fd& device, bool read_only, Done done) {
    if (!started_) return done(Fail("the VM is not up"));
    qemu::PlugDisk(*qmp_, machine_, number, device, read_only, kVerbDeadline, std::move(done));
}

void QemuEngine::UnplugDisk(int number, Done done) {
    if (!started_) return done(Fail("the VM is not up"));
    disk_exits_.Begin(*qmp_, number, kVerbDeadline, std::move(done));
}

void QemuEngine::Stop() {
    if (stopping_ || reaped_) return;
    stopping_ = true;
    if (!started_) return Kill();
    kill_timer_.Start(kStopDeadline);
    qmp_->Execute("quit", "", kStopDeadline, [](const auto&) {});
}

// Our QEMU begins its archive of translations anew whenever the machine goes on after a stop.
void QemuEngine::BeginRehearsal(Done done) {
    if (!IsOwnQemu(program_)) return done({});
    Pause([this, done = std::move(done)](Result<void> stopped) {
        if (!stopped) return done(std::move(stopped));
        Resume(done);
    });
}

void QemuEngine::Save(Done done) {
    saved_ = std::move(done);
    Verb("stop", [this](Result<void> stopped) {
        if (!stopped) return Saved(std::move(stopped));
        qmp_->ExecuteWithFd("getfd", R"({"fdname":"state"})", state_, kVerbDeadline,
                            [this](const Result<std::string>& got) {
                                if (!got) return Saved(Failure(got.error()));
                                Migrate();
                            });
    });
}

void QemuEngine::Migrate() {
    save_timer_.Start(kSaveDeadline);
    qmp_->Execute("migrate", R"({"uri":"fd:state"})", kVerbDeadline,
                  [this](const Result<std::string>& begun) {
                      if (!begun) Saved(Failure(begun.error()));
                  });
}

void QemuEngine::OnMigration(const std::string& status) {
    if (status == "failed" || status == "cancelled") Saved(Fail(Cat("saving has ", status)));
    if (status != "completed") return;
    if (origin_ == VmOrigin::kTemplate) return Saved({});
    // It stands still, as it did when it was saved.
    qmp_->Execute("cont", "", kVerbDeadline, [this](const Result<std::string>& goes_on) {
        if (!goes_on) CommandFailed(goes_on.error());
    });
}

void QemuEngine::Saved(Result<void> how) {
    save_timer_.Stop();
    if (const auto saved = std::exchange(saved_, nullptr)) saved(std::move(how));
}

void QemuEngine::OnReady() {
    if (origin_ == VmOrigin::kBoot) return Started();
    // Memory is not part of a saved machine: a template and its clones share a file.
    qmp_->Execute("migrate-set-capabilities", kCapabilities, kVerbDeadline,
                  [this](const Result<std::string>& set) {
                      if (!set) return CommandFailed(set.error());
                      if (origin_ == VmOrigin::kTemplate) return Started();
                      // Nor is anybody told that it has moved: it has been nowhere yet.
                      qmp_->Execute("migrate-set-parameters", R"({"announce-rounds":0})",
                                    kVerbDeadline, [this](const Result<std::string>& told) {
                                        if (!told) return CommandFailed(told.error());
                                        Restore();
                                    });
                  });
}

// A clone is there when its state has been read and it says that it goes on.
void QemuEngine::Restore() {
    qmp_->Execute("migrate-incoming", Cat(R"({"uri":"fd:)", Descriptors().state, "\"}"),
                  kVerbDeadline, [this](const Result<std::string>& begun) {
                      if (!begun) CommandFailed(begun.error());
                  });
}

// A VMM that dies answers nothing any more: OnControlEnd comes next, and its end says what it died
// of.
void QemuEngine::CommandFailed(const Error& error) {
    if (error.code != EPIPE) Fatal(error.message);
}

void QemuEngine::Fatal(std::string why) {
    if (reaped_) return;
    failure_ = std::move(why);
    Kill();
}

void QemuEngine::Kill() {
    // One that has ended was not killed by us.
    if (process_.WaitEnd(milliseconds(0)).value_or(false)) return;
    killed_ = true;
    (void)process_.Signal(SIGKILL);
}

void QemuEngine::Started() {
    if (started_) return;
    start_timer_.Stop();
    started_ = true;
    callbacks_.on_started();
}

void QemuEngine::OnEvent(const QmpEvent& event) {
    Log(LogLevel::kDebug, "VMM event", {{"event", event.name}, {"reason", event.reason}});
    if (event.name == "SHUTDOWN") shutdown_reason_ = event.reason;
    if (event.name == "GUEST_PANICKED") shutdown_reason_ = "guest-panic";
    if (event.name == "MIGRATION") OnMigration(event.status);
    if (event.name == "DEVICE_DELETED" && event.device == kShareDevice) ShareUnplugged({});
    disk_exits_.OnEvent(event);
    if (event.name == "STOP") callbacks_.on_paused(true);
    if (event.name != "RESUME") return;
    callbacks_.on_paused(false);
    Started();
}

void QemuEngine::OnControlEnd(Result<void> how) {
    // So its connections look when it dies with something unread, or unwritten.
    const bool dies = !how && (how.error().code == ECONNRESET || how.error().code == EPIPE);
    if (!how && !dies) {
        Fatal(how.error().message);
    } else if (!reaped_ && !kill_timer_.active()) {
        // It is about to exit; one that closed its control socket and stays is of no use.
        kill_timer_.Start(kStopDeadline);
    }
    StreamEnded(control_open_);
}

void QemuEngine::OnStartDeadline() {
    Fatal(Cat("was not up within ", start_deadline_ms_, " ms"));
}

void QemuEngine::OnProcessEnd() {
    process_watch_.Stop();
    start_timer_.Stop();
    kill_timer_.Stop();
    ShareUnplugged(Fail("the VMM has ended"));
    Saved(Fail("the VMM has ended"));
    status_ = process_.Reap().value_or(0);
    reaped_ = true;
    drain_timer_.Start(kDrainDeadline);
    if (!control_open_ && !console_open_ && !output_open_) Report();
}

void QemuEngine::StreamEnded(bool& open) {
    open = false;
    if (reaped_ && !control_open_ && !console_open_ && !output_open_) Report();
}

void QemuEngine::Report() {
    drain_timer_.Stop();
    output_lines_.End();
    if (!callbacks_.on_end) return;
    const auto on_end = std::exchange(callbacks_.on_end, nullptr);
    on_end(HowItEnded());
}

EngineEnd QemuEngine::HowItEnded() const {
    const bool by_others = (WIFSIGNALED(status_) && WTERMSIG(status_) == SIGKILL && !killed_) ||
                           shutdown_reason_ == "host-signal";
    if (stopping_) return {true, "it was told to stop", by_others};
    if (!failure_.empty()) return {false, Cat(program_, " ", failure_, " and was killed")};
    if (WIFEXITED(status_) && WEXITSTATUS(status_) == 0) {
        if (shutdown_reason_ == "guest-shutdown") return {true, "the guest powered off"};
        if (shutdown_reason_ == "host-qmp-quit") return {true, "the VMM was told to quit"};
        if (shutdown_reason_ == "guest-reset" || shutdown_reason_ == "guest-panic")
            return {false,
                    "the guest reset itself, as it does when its kernel panics; the console's last "
                    "lines say why"};
    }
    const auto last = output_lines_.Last();
    const std::string said = last.empty() ? "" : Cat("; it said: ", Quoted(Join(last, "\n"), 2048));
    if (WIFSIGNALED(status_))
        return {false, Cat(program_, " was killed by signal ", WTERMSIG(status_), said), by_others};
    if (!shutdown_reason_.empty())
        return {false, Cat(program_, " ended because of ", Quoted(shutdown_reason_), said),
                by_others};
    return {false, Cat(program_, " exited with status ", WEXITSTATUS(status_), said)};
}

}  // namespace

Result<std::unique_ptr<Engine>> StartEngine(uv::Loop& loop, EnginePlan plan,
                                            EngineCallbacks callbacks) {
    auto engine = std::make_unique<QemuEngine>(loop, std::move(callbacks));
    CC_TRY(engine->Start(loop, std::move(plan)));
    return engine;
}

}  // namespace cc::qemu
