// SPDX-License-Identifier: Apache-2.0
#include "vmm/template/child_vm.h"

#include <csignal>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/file.h"
#include "base/session_niceness.h"
#include "base/text.h"

namespace cc {

namespace {

// Below everything else until somebody wants them.
constexpr int kNiceness = 10;
// Takes milliseconds; whoever waits has a clone as soon as this is over.
constexpr std::chrono::milliseconds kAdoptionDeadline{1000};
// The keeper gives its VMM 2 s, and its last words 1 s.
constexpr std::chrono::milliseconds kStopDeadline{5000};

// A pipe could fill up, and its reader be gone; a file is there.
Result<Fd> ConfigurationFile(const VmConfig& config) {
    Fd file = Fd::Adopt(::memfd_create("cc-vm-config", MFD_CLOEXEC));
    if (!file) return FailErrno("making a file in memory");
    CC_TRY(WriteAll(file.get(), Encode(config)));
    if (::lseek(file.get(), 0, SEEK_SET) < 0) return FailErrno("rewinding a file");
    return file;
}

}  // namespace

Result<std::unique_ptr<ChildVm>> ChildVm::Start(uv::Loop& loop, const VmConfig& config,
                                                const SavedFiles& files, Callbacks callbacks) {
    auto child =
        std::unique_ptr<ChildVm>(new ChildVm(loop, config.directory, std::move(callbacks)));
    CC_TRY(MakeDirectories(config.directory, 0700));
    CC_TRY(child->Spawn(config, files));
    return child;
}

ChildVm::ChildVm(uv::Loop& loop, std::string directory, Callbacks callbacks)
    : directory_(std::move(directory)),
      callbacks_(std::move(callbacks)),
      leash_watch_(loop, [this](int) { OnLeash(); }),
      end_watch_(loop, [this](int) { OnEnd(); }),
      adoption_deadline_(
          loop,
          [this] {
              Kill();
              Hear(Fail(Cat("it did not answer within ", kAdoptionDeadline.count(), " ms"),
                        ETIMEDOUT));
          }),
      stop_deadline_(loop, [this] { Kill(); }) {}

Result<void> ChildVm::Spawn(const VmConfig& config, const SavedFiles& files) {
    CC_ASSIGN(const Fd text, ConfigurationFile(config));
    CC_ASSIGN(FdPair leash, MakeSocketPair(SOCK_SEQPACKET));
    SpawnOptions options;
    CC_ASSIGN(options.executable, SelfPath());
    options.arguments = {"cc-vmm", "--config-fd", "3", "--ready-fd", "4"};
    options.fds = {{text.get(), 3}, {leash.second.get(), 4}};
    PassSavedFiles(files, options);
    options.new_session = true;
    options.parent_death_signal = SIGTERM;
    if (config.origin == VmOrigin::kPooled)
        options.in_child = []() -> Result<void> {
            (void)::nice(kNiceness);
            SetSessionNiceness(kNiceness);
            return {};
        };
    CC_ASSIGN(keeper_, Context("starting the keeper of a VM", cc::Spawn(options)));
    leash_ = std::move(leash.first);
    CC_TRY(SetNonBlocking(leash_.get()));
    CC_TRY(leash_watch_.Open(leash_.get()));
    leash_watch_.Start(UV_READABLE);
    CC_TRY(end_watch_.Open(keeper_.pidfd()));
    end_watch_.Start(UV_READABLE);
    return {};
}

void ChildVm::OnLeash() {
    const auto received = ReceiveWithFds(leash_.get(), kMaxVmMessage);
    if (!received && received.error().code == EAGAIN) return;
    if (!received || received->bytes.empty()) return leash_watch_.Stop();
    auto reply = ParseVmReply(received->bytes);
    if (!reply) return Hear(Failure(reply.error()));
    if (!reply->error.empty())
        return Hear(Fail(std::move(reply->error), reply->killed ? ECONNRESET : 0));
    Hear(std::move(reply->status));
}

void ChildVm::Hear(Result<VmStatus> what) {
    adoption_deadline_.Stop();
    if (const auto on_ready = std::exchange(callbacks_.on_ready, nullptr))
        on_ready(std::move(what));
    else if (const auto adopted = std::exchange(adopted_, nullptr))
        adopted(std::move(what));
}

void ChildVm::Adopt(const std::string& directory, std::function<void(Result<VmStatus>)> done) {
    const std::string request = Encode(VmRequest{.verb = VmVerb::kAdopt, .path = directory});
    if (auto sent = SendWithFds(leash_.get(), request, {}); !sent)
        return done(Failure(sent.error()));
    adopted_ = std::move(done);
    adoption_deadline_.Start(kAdoptionDeadline);
}

void ChildVm::Stop() {
    (void)keeper_.Signal(SIGTERM);
    stop_deadline_.Start(kStopDeadline);
}

// Its VMM dies with it.
void ChildVm::Kill() {
    (void)keeper_.Signal(SIGKILL);
}

void ChildVm::OnEnd() {
    end_watch_.Stop();
    // What it said last may still be there.
    if (leash_watch_.events() != 0) OnLeash();
    leash_watch_.Stop();
    stop_deadline_.Stop();
    (void)keeper_.Reap();
    Hear(Fail("the VM's keeper was killed", ECONNRESET));
    callbacks_.on_end();
}

}  // namespace cc
