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
#include "protocol/template_failure.h"

namespace cc {

namespace {

constexpr size_t kMaxTemplateConfig = 1 << 20;
// Nobody asks for a template whose kernel or image has been replaced, nor finds one without its
// socket. The watch on those files tells at once; this is how long the memory stays taken when it
// cannot: the kernel has no watch left, or a symbolic link was changed.
constexpr std::chrono::minutes kCheck{10};
// Beyond the VMM's own deadline: a builder that hangs may not keep everybody waiting for ever.
constexpr std::chrono::milliseconds kBuildGrace{90000};
// A process that ends keeps its mappings while anybody reads about them in /proc (smaps, say, as
// monitors do), and a mapping that can be written keeps the file from being sealed. The kernel does
// not tell when the last one goes.
constexpr std::chrono::milliseconds kSealAgain{10}, kSealPatience{10000};
constexpr std::chrono::milliseconds kCleanUpPatience{2000};

TemplateReply ErrorReply(std::string why) {
    return {.error = std::move(why), .pooled = false, .vm = {}, .status = {}};
}

// Of this keeper alone: the VMs of one that was killed may live on for a moment, and clean up.
std::string PoolDirectory(const TemplateConfig& config) {
    return Cat(config.directory, "/", kTemplatePoolName, "/", ::getpid());
}

// What one that was killed has left, or somebody has put there: only locks and logs stay, and a
// socket, of which ListenUnix knows whether anybody listens on it.
Result<void> ClearPlace(const std::string& directory) {
    CC_ASSIGN(const auto names, ListDirectory(directory));
    for (const auto& name : names) {
        const std::string path = Cat(directory, "/", name);
        struct stat status {};
        if (::lstat(path.c_str(), &status) < 0) continue;
        const bool stays = name == kTemplateSocketName
                               ? S_ISSOCK(status.st_mode)
                               : (name == kTemplateLockName || name == kTemplateLogName) &&
                                     S_ISREG(status.st_mode);
        if (stays) continue;
        auto removed = RemoveTree(path);
        // VMs of a keeper that was killed may be at it, too, each below its keeper's number.
        if (name == kTemplatePoolName && S_ISDIR(status.st_mode)) continue;
        CC_TRY(std::move(removed));
    }
    return {};
}

}  // namespace

TemplateKeeper::TemplateKeeper(TemplateConfig config, Fd ready)
    : config_(std::move(config)),
      ready_(std::move(ready)),
      terminate_(loop_, [this](int) { Stop("the template was told to go", nullptr); }),
      interrupt_(loop_, [this](int) { Stop("the template was told to go", nullptr); }),
      check_(loop_, [this] { OnFilesChanged(); }),
      build_deadline_(loop_,
                      [this] {
                          Built(Fail("its virtual machine was not ready in time", ETIMEDOUT));
                          builder_->Kill();
                      }),
      seal_again_(loop_, [this] { Seal(); }) {}

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
    const auto lock = HasPlace() ? FileLock::Acquire(Cat(config_.directory, "/", kTemplateLockName),
                                                     FileLock::Mode::kExclusive, kCleanUpPatience)
                                 : Result<FileLock>(Fail("the place is nobody's, or another's"));
    // Of one that failed the log and the reason stay.
    const bool all = HasPlace() && exit_status_ == 0;
    files_.Run();
    if (all) (void)RemoveTree(config_.directory);
    for (const auto& waiting : waiting_)
        waiting.answer(ErrorReply(failure_), {});
    if (done_) done_();
}

Result<void> TemplateKeeper::Start() {
    const std::string& directory = config_.directory;
    CC_TRY(ClearPlace(directory));
    CC_TRY(StartLog({.name = "cc-vmm",
                     .level = config_.vm.debug ? LogLevel::kDebug : LogLevel::kInfo,
                     .format = LogFormat::kText,
                     .path = Cat(directory, "/", kTemplateLogName)}));
    started_s_ = ::time(nullptr);
    CC_TRY(terminate_.Start(SIGTERM));
    CC_TRY(interrupt_.Start(SIGINT));
    CC_ASSIGN(saved_, SavedMachine::Make(config_.vm.memory_mib));
    const std::string socket = Cat(directory, "/", kTemplateSocketName);
    CC_ASSIGN(Fd listener, ListenUnix(socket, SOCK_SEQPACKET, 0600));
    if (::lstat(socket.c_str(), &socket_) < 0) return FailErrno(socket);
    files_.Push([this] {
        (void)RemoveTree(PoolDirectory(config_));
        ::rmdir(Cat(config_.directory, "/", kTemplatePoolName).c_str());
    });
    files_.Push([this, socket] {
        if (HasPlace()) ::unlink(socket.c_str());
    });
    CC_ASSIGN(server_, PacketServer::Open(
                           loop_, std::move(listener),
                           [this](Result<Received> packet, const PacketServer::Answer& answer) {
                               Receive(std::move(packet), answer);
                           }));
    WatchFiles();
    return StartBuilding();
}

void TemplateKeeper::WatchFiles() {
    check_.Start(kCheck, kCheck);
    std::vector<std::string> files{Cat(config_.directory, "/", kTemplateSocketName)};
    for (const auto* file : {&config_.vm.hypervisor, &config_.vm.kernel, &config_.vm.image,
                             &config_.vm.initrd, &config_.vm.firmware})
        if (!file->empty()) files.push_back(*file);
    if (auto self = SelfPath()) files.push_back(std::move(*self));
    auto watch = FileWatch::Open(loop_, files, [this] { OnFilesChanged(); });
    if (watch)
        files_watch_ = std::move(*watch);
    else
        Log(LogLevel::kWarn, "files are looked at only now and then",
            {{"why", watch.error().message}});
}

bool TemplateKeeper::HasPlace() const {
    struct stat there {};
    return ::lstat(Cat(config_.directory, "/", kTemplateSocketName).c_str(), &there) == 0 &&
           there.st_dev == socket_.st_dev && there.st_ino == socket_.st_ino;
}

void TemplateKeeper::OnFilesChanged() {
    if (stopping_) return;
    if (HasPlace()) {
        if (complete_) CheckStale();
        return;
    }
    Log(LogLevel::kWarn, "the template's socket was removed: nobody finds it any more");
    Stop("the template's directory was removed", nullptr);
}

Result<void> TemplateKeeper::StartBuilding() {
    VmConfig vm = config_.vm;
    vm.origin = VmOrigin::kTemplate;
    vm.name = "template";
    vm.directory = Cat(PoolDirectory(config_), "/template");
    // Of a builder that was killed.
    CC_TRY(RemoveTree(vm.directory));
    build_deadline_.Start(std::chrono::milliseconds(vm.start_deadline_ms) + kBuildGrace);
    CC_ASSIGN(builder_,
              ChildVm::Start(loop_, vm, saved_->files(),
                             {.on_ready = [this](const Result<VmStatus>& how) { Built(how); },
                              .on_end = [this] { BuilderEnded(); }}));
    return {};
}

void TemplateKeeper::Built(const Result<VmStatus>& how) {
    if (!build_) build_ = how ? Result<void>() : Failure(how.error());
}

void TemplateKeeper::BuilderEnded() {
    builder_ended_ = true;
    build_deadline_.Stop();
    if (stopping_) return loop_.Stop();
    if (!*build_ && build_->error().code == ECONNRESET && !killed_builder_) return BuildAgain();
    // Of no use, however it went; nor is a reason.
    if (!CheckStale()) return;
    if (!*build_) return GiveUp(build_->error().message);
    seal_end_ = std::chrono::steady_clock::now() + kSealPatience;
    Seal();
}

// Being killed says nothing about the template. Twice is another matter: memory may be too short
// for it.
void TemplateKeeper::BuildAgain() {
    Log(LogLevel::kWarn, "the template's VM was killed; it is made once more",
        {{"why", build_->error().message}});
    killed_builder_ = std::move(builder_);  // it is on the stack
    build_.reset();
    builder_ended_ = false;
    auto again = [this]() -> Result<void> {
        CC_ASSIGN(saved_, SavedMachine::Make(config_.vm.memory_mib));
        return StartBuilding();
    }();
    if (!again) GiveUp(again.error().message);
}

// Only now that its VMM has ended nobody has the memory mapped any more, or soon will have.
void TemplateKeeper::Seal() {
    const auto sealed = saved_->Seal();
    if (sealed) return Complete();
    if (sealed.error().code != EBUSY) return GiveUp(sealed.error().message);
    if (std::chrono::steady_clock::now() >= seal_end_)
        return GiveUp(Cat(sealed.error().message, "; for ", kSealPatience.count(), " ms somebody ",
                          "has held the memory of its virtual machine, which has ended"));
    seal_again_.Start(kSealAgain);
}

void TemplateKeeper::Complete() {
    (void)RemoveTree(builder_->directory());
    pool_.emplace(loop_, PoolDirectory(config_), config_.vm, *saved_, config_.pool);
    auto pressure = MemoryPressure::Watch(loop_, [this] { OnPressure(); });
    if (pressure)
        pressure_ = std::move(*pressure);
    else
        Log(LogLevel::kInfo, "the pool does not learn when memory is short",
            {{"why", pressure.error().message}});
    complete_ = true;
    Log(LogLevel::kInfo, "the template is there", {{"bytes", Cat(saved_->Bytes())}});
    for (auto& waiting : std::exchange(waiting_, {}))
        HandOut(waiting.request, waiting.answer);
    pool_->Fill();
}

void TemplateKeeper::GiveUp(const std::string& why) {
    Log(LogLevel::kError, "there will be no template", {{"why", why}});
    // For those who come later: they need not try again at once.
    if (auto written = WriteTemplateFailure(config_.directory, why); !written)
        Log(LogLevel::kWarn, "others will try it again", {{"why", written.error().message}});
    failure_ = why;
    exit_status_ = 1;
    loop_.Stop();
}

Result<bool> TemplateKeeper::IsCurrent() const {
    CC_ASSIGN(const std::string self, SelfPath());
    CC_ASSIGN(const std::string key, TemplateKey(self, config_.vm));
    return key == config_.key;
}

bool TemplateKeeper::CheckStale() {
    if (IsCurrent().value_or(false)) return true;
    Log(LogLevel::kInfo, "the template is out of date; its kernel, image or VMM was replaced");
    Stop("the template's kernel, image or VMM was replaced", nullptr);
    return false;
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
            return Stop("the template was told to go", [reply] { reply({}, {}); });
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
    // What the pool or a clone would run by now need not be what was saved.
    if (!CheckStale()) return answer(ErrorReply(failure_), {});
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
    const SavedFiles files = saved_->files();
    Fd memory = Fd::Adopt(::fcntl(files.memory, F_DUPFD_CLOEXEC, 0));
    Fd translations = Fd::Adopt(::fcntl(files.translations, F_DUPFD_CLOEXEC, 0));
    if (!memory || !translations) return answer(ErrorReply("out of descriptors"), {});
    std::vector<Fd> fds;
    for (Fd* file : {&memory, &*state, &translations})
        fds.push_back(std::move(*file));
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

void TemplateKeeper::Stop(const std::string& why, std::function<void()> done) {
    if (stopping_) return;
    stopping_ = true;
    failure_ = why;
    done_ = std::move(done);
    if (complete_) return pool_->Stop([this] { loop_.Stop(); });
    builder_ended_ ? loop_.Stop() : builder_->Stop();
}

int KeepTemplate(Fd config, Fd ready) {
    auto parsed = [&]() -> Result<TemplateConfig> {
        CC_ASSIGN(const std::string text, ReadAll(config.get(), kMaxTemplateConfig));
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
