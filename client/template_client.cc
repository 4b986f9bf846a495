// SPDX-License-Identifier: Apache-2.0
#include "client/template_client.h"

#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/file.h"
#include "base/process.h"
#include "base/text.h"
#include "client/proxy_start.h"
#include "client/wait_readable.h"
#include "protocol/template_failure.h"

namespace cc {

namespace {

using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

constexpr milliseconds kStopDeadline{10000};
// A keeper answers at once, also while it makes its template.
constexpr milliseconds kStatusDeadline{3000};
// Of one that is killed, with all its memory.
constexpr milliseconds kEndDeadline{2000};
constexpr size_t kMaxReason = 64 << 10;

// Why a keeper could not make this template a short time ago.
std::optional<std::string> RecentFailure(const std::string& directory) {
    auto failure = ReadTemplateFailure(directory);
    if (!failure || !failure->Counts(SecondsSinceBoot())) return std::nullopt;
    return std::move(failure->error);
}

// The process that listens where `socket` is connected; nothing when it has ended.
Fd KeeperOf(int socket) {
    ucred peer{};
    socklen_t size = sizeof peer;
    if (::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0) return {};
    return Fd::Adopt(static_cast<int>(::syscall(SYS_pidfd_open, peer.pid, 0U)));
}

// Also when what is at the socket's path is no socket of a keeper: the next one clears it away.
bool NobodyKeeps(const Error& error) {
    return NobodyListens(error) || error.code == ELOOP || error.code == EPROTOTYPE;
}

Result<void> StartKeeper(const std::string& executable, const TemplateConfig& config,
                         Clock::time_point end) {
    const Fd text = Fd::Adopt(::memfd_create("cc-template-config", MFD_CLOEXEC));
    if (!text) return FailErrno("making a file in memory");
    CC_TRY(WriteAll(text.get(), Encode(config)));
    if (::lseek(text.get(), 0, SEEK_SET) < 0) return FailErrno("rewinding a file");
    CC_ASSIGN(FdPair ready, MakePipe());
    SpawnOptions options;
    options.executable = executable;
    options.arguments = {"cc-vmm", "--template", "--config-fd", "3", "--ready-fd", "4"};
    options.fds = {{text.get(), 3}, {ready.second.get(), 4}};
    options.new_session = true;
    CC_ASSIGN(const Process keeper, Spawn(options));
    ready.second.Reset();
    CC_TRY(WaitReadable(ready.first.get(), end, TimeLeft(end), "the template's keeper"));
    CC_ASSIGN(const std::string words, ReadAll(ready.first.get(), kMaxReason));
    if (words == "\n") return {};
    if (words.empty()) {
        // A process that is killed closes one thing after another; who tries again meanwhile finds
        // its socket.
        (void)keeper.WaitEnd(kEndDeadline);
        return Fail("it ended without a word", ECONNRESET);
    }
    return Fail(words);
}

}  // namespace

Result<TemplateClient> TemplateClient::Connect(const std::string& directory) {
    CC_ASSIGN(Fd fd, ConnectUnix(Cat(directory, "/", kTemplateSocketName), SOCK_SEQPACKET));
    Fd keeper = KeeperOf(fd.get());
    return TemplateClient(std::move(fd), std::move(keeper));
}

Result<TemplateClient> TemplateClient::ConnectOrStart(const std::string& executable,
                                                      const TemplateConfig& config,
                                                      milliseconds deadline) {
    const auto end = Clock::now() + deadline;
    auto found = Connect(config.directory);
    if (found || !NobodyKeeps(found.error())) return found;
    if (const auto why = RecentFailure(config.directory)) return Fail(*why, ECANCELED);
    CC_TRY(MakeDirectories(config.directory, 0700));
    CC_ASSIGN(const FileLock lock, FileLock::Acquire(Cat(config.directory, "/", kTemplateLockName),
                                                     FileLock::Mode::kExclusive, TimeLeft(end)));
    // Whoever held the lock before may have started one, or been one that has gone.
    CC_TRY(MakeDirectories(config.directory, 0700));
    found = Connect(config.directory);
    if (found || !NobodyKeeps(found.error())) return found;
    CC_TRY(Context("starting the template's keeper", StartKeeper(executable, config, end)));
    return Connect(config.directory);
}

Result<Received> TemplateClient::Call(const TemplateRequest& request, milliseconds deadline) {
    CC_TRY(SendWithFds(fd_.get(), Encode(request), {}));
    CC_TRY(WaitReadable(fd_.get(), Clock::now() + deadline, deadline, "the template's keeper"));
    CC_ASSIGN(Received received, ReceiveWithFds(fd_.get(), kMaxVmMessage));
    if (received.bytes.empty()) return Fail("the template's keeper has ended", ECONNRESET);
    return received;
}

void TemplateClient::AwaitEnd() const {
    if (keeper_)
        (void)WaitReadable(keeper_.get(), Clock::now() + kEndDeadline, kEndDeadline, "its end");
}

Result<TakenVm> TemplateClient::Take(const std::string& key, const std::string& directory,
                                     milliseconds deadline) {
    CC_ASSIGN(Received received,
              Call({.verb = TemplateVerb::kTake, .key = key, .directory = directory}, deadline));
    CC_ASSIGN(TemplateReply reply, ParseTemplateReply(received.bytes));
    if (!reply.error.empty()) return Fail(std::move(reply.error));
    TakenVm taken;
    if (reply.pooled) {
        taken.pooled = std::move(reply.vm);
        return taken;
    }
    if (received.fds.size() != 3) return Fail("the template's keeper sent no template");
    taken.memory = std::move(received.fds[0]);
    taken.state = std::move(received.fds[1]);
    taken.translations = std::move(received.fds[2]);
    return taken;
}

Result<TemplateStatus> TemplateClient::Status() {
    CC_ASSIGN(const Received received,
              Call({.verb = TemplateVerb::kStatus, .key = {}, .directory = {}}, kStatusDeadline));
    CC_ASSIGN(TemplateReply reply, ParseTemplateReply(received.bytes));
    if (!reply.error.empty()) return Fail(std::move(reply.error));
    return std::move(reply.status);
}

Result<void> TemplateClient::Wait(const std::string& key, milliseconds deadline) {
    return Tell({.verb = TemplateVerb::kWait, .key = key, .directory = {}}, deadline);
}

Result<void> TemplateClient::Stop() {
    return Tell({.verb = TemplateVerb::kStop, .key = {}, .directory = {}}, kStopDeadline);
}

Result<void> TemplateClient::Tell(const TemplateRequest& request, milliseconds deadline) {
    CC_ASSIGN(const Received received, Call(request, deadline));
    CC_ASSIGN(TemplateReply reply, ParseTemplateReply(received.bytes));
    if (!reply.error.empty()) return Fail(std::move(reply.error));
    return {};
}

}  // namespace cc
