// SPDX-License-Identifier: Apache-2.0
#include "vmm/template/template_keeper.h"

#include <csignal>
#include <ctime>

#include <fcntl.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/text.h"
#include "host/leave_caller.h"
#include "host/template_key.h"

namespace cc {

namespace {

constexpr size_t kMaxConfig = 1 << 20;
// Nobody asks for a template whose kernel or image has been replaced; this is how long its memory
// stays taken.
constexpr std::chrono::minutes kStaleCheck{10};
constexpr std::chrono::milliseconds kCleanUpPatience{2000};

TemplateReply ErrorReply(std::string why) {
    return {.error = std::move(why), .pooled = false, .vm = {}, .status = {}};
}

// Of this keeper alone: the VMs of one that was killed may live on for a moment, and clean up.
std::string PoolDirectory(const TemplateConfig& config) {
    return Cat(config.directory, "/", kTemplatePoolName, "/", ::getpid());
}

}  // namespace

TemplateKeeper::TemplateKeeper(TemplateConfig config, Fd ready)
    : config_(std::move(config)),
      ready_(std::move(ready)),
      terminate_(loop_, [this](int) { Stop(nullptr); }),
      interrupt_(loop_, [this](int) { Stop(nullptr); }),
      stale_(loop_, [this] { CheckStale(); }) {}

int TemplateKeeper::Run() {
    if (auto started = Start(); !started) {
        Log(LogLevel::kError, "the template was not begun", {{"why", started.error().message}});
        (void)WriteAll(ready_.get(), started.error().message);
        return 1;
    }
    (void)WriteAll(ready_.get(), "\n");
    ready_.Reset();
    loop_.Run();
    CleanUp();
    return exit_status_;
}

// Whoever hears of the end finds nothing of this keeper any more; and nobody starts another one in
// the directory while it goes.
void TemplateKeeper::CleanUp() {
    const auto lock = FileLock::Acquire(Cat(config_.directory, "/", kTemplateLockName),
                                        FileLock::Mode::kExclusive, kCleanUpPatience);
    files_.Run();
    // Of one that failed the log and the reason stay.
    if (exit_status_ == 0) (void)RemoveTree(config_.directory);
    for (const auto& waiting : waiting_)
        waiting.answer(ErrorReply(failure_), {});
    if (done_) done_();
}

Result<void> TemplateKeeper::Start() {
    const std::string& directory = config_.directory;
    CC_TRY(StartLog({.name = "cc-vmm",
                     .level = config_.vm.debug ? LogLevel::kDebug : LogLevel::kInfo,
                     .format = LogFormat::kText,
                     .path = Cat(directory, "/", kTemplateLogName)}));
    // Left over from one that was killed.
    const std::string pools = Cat(directory, "/", kTemplatePoolName);
    CC_TRY(RemoveTree(pools));
    ::unlink(Cat(directory, "/", kTemplateFailureName).c_str());
    started_s_ = ::time(nullptr);
    CC_TRY(terminate_.Start(SIGTERM));
    CC_TRY(interrupt_.Start(SIGINT));
    CC_ASSIGN(saved_, SavedMachine::Make(config_.vm.memory_mib));
    const std::string socket = Cat(directory, "/", kTemplateSocketName);
    CC_ASSIGN(Fd listener, ListenUnix(socket, SOCK_SEQPACKET, 0600));
    files_.Push([pools] { (void)RemoveTree(pools); });
    files_.Push([socket] { ::unlink(socket.c_str()); });
    CC_ASSIGN(server_, PacketServer::Open(
                           loop_, std::move(listener),
                           [this](Result<Received> packet, const PacketServer::Answer& answer) {
                               Receive(std::move(packet), answer);
                           }));
    return StartBuilding();
}

Result<void> TemplateKeeper::StartBuilding() {
    VmConfig vm = config_.vm;
    vm.origin = VmOrigin::kTemplate;
    vm.name = "template";
    vm.directory = Cat(PoolDirectory(config_), "/template");
    CC_ASSIGN(builder_,
              ChildVm::Start(loop_, vm, saved_->memory(), saved_->state(),
                             {.on_ready = [this](const Result<VmStatus>& how) { Built(how); },
                              .on_end = [this] { BuilderEnded(); }}));
    return {};
}

void TemplateKeeper::Built(const Result<VmStatus>& how) {
    build_ = how ? Result<void>() : Failure(how.error());
}

// Only now nobody has the memory mapped any more.
void TemplateKeeper::BuilderEnded() {
    if (stopping_) return loop_.Stop();
    auto complete = *build_ ? Complete() : *build_;
    if (!complete) return GiveUp(complete.error().message);
    Log(LogLevel::kInfo, "the template is there", {{"bytes", Cat(saved_->Bytes())}});
    stale_.Start(kStaleCheck, kStaleCheck);
    for (auto& waiting : std::exchange(waiting_, {}))
        HandOut(waiting.request, waiting.answer);
    pool_->Fill();
}

Result<void> TemplateKeeper::Complete() {
    CC_TRY(saved_->Seal());
    CC_ASSIGN(const bool current, IsCurrent());
    if (!current) return Fail("its kernel, image or VMM was replaced meanwhile");
    (void)RemoveTree(builder_->directory());
    pool_.emplace(loop_, PoolDirectory(config_), config_.vm, *saved_, config_.pool);
    auto pressure = MemoryPressure::Watch(loop_, [this] { OnPressure(); });
    if (pressure)
        pressure_ = std::move(*pressure);
    else
        Log(LogLevel::kInfo, "the pool does not learn when memory is short",
            {{"why", pressure.error().message}});
    complete_ = true;
    return {};
}

void TemplateKeeper::GiveUp(const std::string& why) {
    Log(LogLevel::kError, "there will be no template", {{"why", why}});
    // For those who come later: they need not try again at once.
    (void)WriteFileAtomic(Cat(config_.directory, "/", kTemplateFailureName), why, 0600);
    failure_ = why;
    exit_status_ = 1;
    loop_.Stop();
}

Result<bool> TemplateKeeper::IsCurrent() const {
    CC_ASSIGN(const std::string self, SelfPath());
    CC_ASSIGN(const std::string key, TemplateKey(self, config_.vm));
    return key == config_.key;
}

void TemplateKeeper::CheckStale() {
    if (IsCurrent().value_or(false)) return;
    Log(LogLevel::kInfo, "the template is out of date; its kernel, image or VMM was replaced");
    Stop(nullptr);
}

void TemplateKeeper::OnPressure() {
    if (pool_->ready() == 0) return;
    Log(LogLevel::kInfo, "memory is short: the pool's goes back to the host");
    pool_->Shrink();
}

void TemplateKeeper::Receive(Result<Received> packet, const PacketServer::Answer& answer) {
    const auto request = packet ? ParseTemplateRequest(packet->bytes) : Failure(packet.error());
    if (!request)
        return answer({Encode(ErrorReply(request.error().message), TemplateVerb::kStatus)});
    const Answer reply = [answer, verb = request->verb](const TemplateReply& what,
                                                        std::vector<Fd> fds) {
        answer({Encode(what, verb), std::move(fds)});
    };
    switch (request->verb) {
        case TemplateVerb::kTake:
        case TemplateVerb::kWait:
            return Take(*request, reply);
        case TemplateVerb::kStatus:
            return reply({.error = {}, .pooled = false, .vm = {}, .status = Status()}, {});
        case TemplateVerb::kStop:
            return Stop([reply] { reply({}, {}); });
    }
}

void TemplateKeeper::Take(const TemplateRequest& request, const Answer& answer) {
    if (stopping_) return answer(ErrorReply("the template is about to go"), {});
    if (request.key != config_.key)
        return answer(ErrorReply("this is a template of another machine"), {});
    if (complete_) return HandOut(request, answer);
    waiting_.push_back({request, answer});
}

void TemplateKeeper::HandOut(const TemplateRequest& request, const Answer& answer) {
    if (request.verb == TemplateVerb::kWait) return answer({}, {});
    ++clones_;
    const bool taken =
        pool_->Take(request.directory, [this, answer](const Result<VmStatus>& adopted) {
            if (adopted)
                return answer({.error = {}, .pooled = true, .vm = *adopted, .status = {}}, {});
            Log(LogLevel::kWarn, "a VM of the pool was not handed out",
                {{"why", adopted.error().message}});
            LendFiles(answer);
        });
    if (!taken) LendFiles(answer);
}

void TemplateKeeper::LendFiles(const Answer& answer) {
    auto state = saved_->OpenState();
    if (!state) return answer(ErrorReply(state.error().message), {});
    std::vector<Fd> fds;
    Fd copy = Fd::Adopt(::fcntl(saved_->memory(), F_DUPFD_CLOEXEC, 0));
    if (!copy) return answer(ErrorReply("out of descriptors"), {});
    fds.push_back(std::move(copy));
    fds.push_back(std::move(*state));
    answer({}, std::move(fds));
}

TemplateStatus TemplateKeeper::Status() const {
    TemplateStatus status;
    status.pid = ::getpid();
    status.ready = complete_;
    status.memory_bytes = saved_->Bytes();
    status.pool = config_.pool;
    status.pool_ready = pool_ ? pool_->ready() : 0;
    status.clones = clones_;
    status.started_s = started_s_;
    status.kernel = config_.vm.kernel;
    status.machine = std::string(Name(config_.vm.machine));
    status.memory_mib = config_.vm.memory_mib;
    return status;
}

void TemplateKeeper::Stop(std::function<void()> done) {
    if (stopping_) return;
    stopping_ = true;
    failure_ = "the template was told to go";
    done_ = std::move(done);
    if (!complete_) return builder_->Stop();
    pool_->Stop([this] { loop_.Stop(); });
}

int KeepTemplate(Fd config, Fd ready) {
    auto parsed = [&]() -> Result<TemplateConfig> {
        CC_ASSIGN(const std::string text, ReadAll(config.get(), kMaxConfig));
        return ParseTemplateConfig(text);
    }();
    config.Reset();
    if (!parsed) {
        (void)WriteAll(ready.get(), parsed.error().message);
        return 1;
    }
    const auto complaints = LeaveCaller(parsed->directory, ready.get());
    ::umask(077);
    // Its VMs have no business in the host's network; a sandbox's gets its links as descriptors.
    const bool alone = ::unshare(CLONE_NEWNET) == 0;
    TemplateKeeper keeper(std::move(*parsed), std::move(ready));
    for (const auto& complaint : complaints)
        Log(LogLevel::kWarn, complaint);
    if (!alone) Log(LogLevel::kWarn, "staying in the host's network namespace");
    return keeper.Run();
}

}  // namespace cc
