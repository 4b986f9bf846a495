// SPDX-License-Identifier: Apache-2.0
#include "client/proxy_start.h"

#include <array>

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/text.h"
#include "client/wait_readable.h"

namespace cc {

namespace {

using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

constexpr int kReadyFd = 3;

// It leaves its caller behind by itself (--on-demand).
Result<Process> SpawnProxy(const ProxyAddress& address, int ready) {
    SpawnOptions options;
    options.executable = address.executable;
    options.arguments = {"cc-proxy",        "-socket-path", address.socket, "-log",
                         address.log_level, "--on-demand",  "--ready-fd",   Cat(kReadyFd)};
    if (!address.ksm.empty())
        options.arguments.insert(options.arguments.end(), {"-ksm", address.ksm});
    options.fds = {{ready, kReadyFd}};
    options.new_session = true;
    return Spawn(options);
}

}  // namespace

bool NobodyListens(const Error& error) {
    return error.code == ENOENT || error.code == ECONNREFUSED;
}

Result<std::optional<ProxyStart>> ProxyStart::Begin(const ProxyAddress& address,
                                                    milliseconds patience) {
    CC_TRY(MakeDirectories(address.socket.substr(0, address.socket.rfind('/')), 0750));
    CC_ASSIGN(FileLock lock,
              FileLock::Acquire(address.socket + ".lock", FileLock::Mode::kExclusive, patience));
    // Whoever held the lock before may have started one.
    const auto found = ConnectUnix(address.socket, SOCK_STREAM | SOCK_NONBLOCK);
    if (found || !NobodyListens(found.error())) return std::nullopt;
    CC_ASSIGN(FdPair ready, MakePipe());
    CC_TRY(SetNonBlocking(ready.first.get()));
    auto process = SpawnProxy(address, ready.second.get());
    // Without its code: a program that is missing is not a proxy that is.
    if (!process) return Fail(Cat("starting cc-proxy: ", process.error().message));
    return ProxyStart(std::move(lock), std::move(*process), std::move(ready.first));
}

ProxyStart::~ProxyStart() {
    if (state_ != State::kStarting || !ready_) return;  // or it was moved from
    if (const auto up = Listens(); up && !*up) process_.Kill();
}

Result<bool> ProxyStart::Listens() {
    if (state_ == State::kUp) return true;
    while (true) {
        std::array<char, 4096> bytes{};
        const ssize_t count = ::read(ready_.get(), bytes.data(), bytes.size());
        if (count < 0 && errno == EINTR) continue;
        if (count < 0 && errno == EAGAIN) return false;
        if (count <= 0) break;
        words_.append(bytes.data(), static_cast<size_t>(count));
        if (words_.front() == '\n') {
            state_ = State::kUp;
            lock_.reset();
            return true;
        }
    }
    process_.Kill();  // it is of no use to anybody; reaped here
    state_ = State::kFailed;
    lock_.reset();
    if (words_.empty()) return Fail("starting cc-proxy: it ended without a word", ECONNRESET);
    return Fail(Cat("starting cc-proxy: ", Trim(words_)));
}

namespace {

Result<void> WaitUntilUp(ProxyStart& start, Clock::time_point end) {
    while (true) {
        CC_ASSIGN(const bool up, start.Listens());
        if (up) return {};
        pollfd waiting{start.ready_fd(), POLLIN, 0};
        const int count = ::poll(&waiting, 1, static_cast<int>(TimeLeft(end).count()));
        if (count == 0) return Fail("starting cc-proxy: no answer in time", ETIMEDOUT);
        if (count < 0 && errno != EINTR) return FailErrno("starting cc-proxy");
    }
}

}  // namespace

Result<Fd> ConnectOrStart(const ProxyAddress& address, milliseconds deadline) {
    const auto end = Clock::now() + deadline;
    while (true) {
        auto fd = ConnectUnix(address.socket, SOCK_STREAM);
        const bool start_one = !fd && NobodyListens(fd.error()) && !address.executable.empty();
        if (!start_one || Clock::now() >= end)
            return Context("connecting to cc-proxy", std::move(fd));
        // Of many clients that find nobody one starts the proxy; the others wait for the lock and
        // find it.
        CC_ASSIGN(auto start, ProxyStart::Begin(address, TimeLeft(end)));
        if (start) CC_TRY(WaitUntilUp(*start, end));
    }
}

}  // namespace cc
