// SPDX-License-Identifier: Apache-2.0
#include "client/proxy_client.h"

#include <array>

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/file.h"
#include "base/process.h"
#include "base/text.h"

namespace cc {

namespace {

using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

// A proxy starts in a few milliseconds; this is for a machine that is badly overloaded.
constexpr milliseconds kStartDeadline{10000};
constexpr int kReadyFd = 3;

Result<void> WaitFor(int fd, short events, Clock::time_point end, std::string_view what) {
    pollfd waiting{fd, events, 0};
    while (true) {
        const auto left = std::chrono::ceil<milliseconds>(end - Clock::now());
        const int count = ::poll(&waiting, 1, static_cast<int>(std::max<int64_t>(left.count(), 0)));
        if (count > 0) return {};
        if (count == 0) return Fail(Cat(what, ": no answer in time"), ETIMEDOUT);
        if (errno != EINTR) return FailErrno(what);
    }
}

// Starts a proxy that leaves its caller behind by itself (--on-demand) and waits until it listens.
Result<void> StartProxy(const ProxyAddress& address) {
    CC_ASSIGN(FdPair ready, MakePipe());
    SpawnOptions options;
    options.executable = address.executable;
    options.arguments = {"cc-proxy",        "-socket-path", address.socket, "-log",
                         address.log_level, "--on-demand",  "--ready-fd",   Cat(kReadyFd)};
    if (!address.ksm.empty())
        options.arguments.insert(options.arguments.end(), {"-ksm", address.ksm});
    options.fds = {{ready.second.get(), kReadyFd}};
    options.new_session = true;
    CC_ASSIGN(const Process proxy, Spawn(options));
    ready.second.Reset();
    std::string answer;
    const auto end = Clock::now() + kStartDeadline;
    while (true) {
        if (auto waited = WaitFor(ready.first.get(), POLLIN, end, "starting cc-proxy"); !waited) {
            proxy.Kill();
            return waited;
        }
        std::array<char, 4096> bytes{};
        const ssize_t count = ::read(ready.first.get(), bytes.data(), bytes.size());
        if (count < 0 && errno == EINTR) continue;
        if (count <= 0) break;
        answer.append(bytes.data(), static_cast<size_t>(count));
        if (answer.front() == '\n') return {};
    }
    proxy.Kill();  // it is of no use to anybody; reaped here
    return Fail(
        Cat("starting cc-proxy: ", answer.empty() ? "it ended without a word" : Trim(answer)));
}

// All of `bytes`, to a descriptor that does not block.
Result<void> SendBefore(int fd, std::string_view bytes, Clock::time_point end) {
    while (!bytes.empty()) {
        const ssize_t count = ::write(fd, bytes.data(), bytes.size());
        if (count >= 0) {
            bytes.remove_prefix(static_cast<size_t>(count));
            continue;
        }
        if (errno == EAGAIN)
            CC_TRY(WaitFor(fd, POLLOUT, end, "sending to cc-proxy"));
        else if (errno != EINTR)
            return FailErrno("sending to cc-proxy");
    }
    return {};
}

bool NobodyListens(const Error& error) {
    return error.code == ENOENT || error.code == ECONNREFUSED;
}

}  // namespace

Result<ProxyClient> ProxyClient::Connect(const ProxyAddress& address) {
    auto fd = ConnectUnix(address.socket, SOCK_STREAM);
    if (!fd && NobodyListens(fd.error()) && !address.executable.empty()) {
        // Of many clients that find nobody one starts the proxy; the others wait for the lock and
        // find it.
        CC_TRY(MakeDirectories(address.socket.substr(0, address.socket.rfind('/')), 0750));
        CC_ASSIGN(const FileLock lock,
                  FileLock::Acquire(address.socket + ".lock", FileLock::Mode::kExclusive,
                                    kStartDeadline));
        fd = ConnectUnix(address.socket, SOCK_STREAM);
        if (!fd && NobodyListens(fd.error())) {
            CC_TRY(StartProxy(address));
            fd = ConnectUnix(address.socket, SOCK_STREAM);
        }
    }
    if (!fd) return Context("connecting to cc-proxy", Result<ProxyClient>(Failure(fd.error())));
    CC_TRY(SetNonBlocking(fd->get()));
    return ProxyClient(std::move(*fd));
}

Result<std::string> ProxyClient::Call(ClientCommand command, std::string_view payload,
                                      milliseconds deadline) {
    if (!fd_) return Fail("the connection to cc-proxy was given up after an earlier error", EPIPE);
    auto answer = Exchange(command, payload, deadline);
    // An answer that comes after all would be taken for that of the next command.
    if (!answer) fd_.Reset();
    CC_TRY(answer);
    if (answer->error) return Fail(ParseErrorText(answer->payload));
    return std::move(answer->payload);
}

Result<ProxyClient::Answer> ProxyClient::Exchange(ClientCommand command, std::string_view payload,
                                                  milliseconds deadline) {
    const auto end = Clock::now() + deadline;
    CC_TRY(SendBefore(fd_.get(), EncodeCommand(command, payload), end));
    std::array<char, 16384> bytes{};
    while (true) {
        CC_ASSIGN(const auto frame, decoder_.Next());
        if (frame && frame->type == FrameType::kResponse &&
            frame->opcode == static_cast<uint8_t>(command))
            return Answer{frame->error, std::string(frame->payload)};
        if (frame) return Fail("cc-proxy sent a frame that was not asked for");
        CC_TRY(WaitFor(fd_.get(), POLLIN, end, "waiting for cc-proxy"));
        const ssize_t count = ::read(fd_.get(), bytes.data(), bytes.size());
        if (count < 0 && (errno == EINTR || errno == EAGAIN)) continue;
        if (count < 0) return FailErrno("reading from cc-proxy");
        if (count == 0) return Fail("cc-proxy closed the connection", ECONNRESET);
        decoder_.Push({bytes.data(), static_cast<size_t>(count)});
    }
}

Result<IoResponse> ProxyClient::RegisterVm(const cc::RegisterVm& message, milliseconds deadline) {
    CC_ASSIGN(const std::string payload,
              Call(ClientCommand::kRegisterVm, Encode(message), deadline));
    return ParseIoResponse(payload);
}

Result<IoResponse> ProxyClient::AttachVm(const cc::AttachVm& message, milliseconds deadline) {
    CC_ASSIGN(const std::string payload, Call(ClientCommand::kAttachVm, Encode(message), deadline));
    return ParseIoResponse(payload);
}

Result<void> ProxyClient::UnregisterVm(const cc::UnregisterVm& message, milliseconds deadline) {
    CC_TRY(Call(ClientCommand::kUnregisterVm, Encode(message), deadline));
    return {};
}

Result<std::string> ProxyClient::Hyper(const HyperMessage& message, milliseconds deadline) {
    return Call(ClientCommand::kHyper, Encode(message), deadline);
}

}  // namespace cc
