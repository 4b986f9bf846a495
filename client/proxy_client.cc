// SPDX-License-Identifier: Apache-2.0
#include "client/proxy_client.h"

#include <algorithm>
#include <array>
#include <thread>

#include <poll.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/text.h"
#include "client/wait_readable.h"

namespace cc {

namespace {

using std::chrono::milliseconds;
using TimePoint = std::chrono::steady_clock::time_point;

// A proxy starts in a few milliseconds; this is for a machine that is badly overloaded.
constexpr milliseconds kStartDeadline{10000};
// Between two tries to get a command to a proxy that dies each time.
constexpr milliseconds kRepeatPause{50};
// As long as a shim looks for a lost proxy (reference C1).
constexpr milliseconds kReplacementPatience{10000};
constexpr milliseconds kNone{0};
// How 3.0's proxy and ours word it (reference A5).
constexpr std::string_view kAlreadyRegistered = "already registered";
constexpr std::string_view kUnknownVm = "unknown containerID";

TimePoint EndOf(milliseconds deadline) {
    return std::chrono::steady_clock::now() + deadline;
}

Result<void> WaitFor(int fd, short events, TimePoint end, std::string_view what) {
    pollfd waiting{fd, events, 0};
    while (true) {
        const int count = ::poll(&waiting, 1, static_cast<int>(TimeLeft(end).count()));
        if (count > 0) return {};
        if (count == 0) return Fail(Cat(what, ": no answer in time"), ETIMEDOUT);
        if (errno != EINTR) return FailErrno(what);
    }
}

// All of `bytes`, to a descriptor that does not block.
Result<void> SendBefore(int fd, std::string_view bytes, TimePoint end) {
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

// The same with a descriptor beside them, which is not for long commands.
Result<void> SendBefore(int fd, std::string_view bytes, int descriptor, TimePoint end) {
    if (descriptor < 0) return SendBefore(fd, bytes, end);
    CC_TRY(WaitFor(fd, POLLOUT, end, "sending to cc-proxy"));
    return Context("sending to cc-proxy", SendWithFds(fd, bytes, {&descriptor, 1}));
}

// The proxy has gone, or threw us out: what it did with the command before, nobody knows.
bool IsLost(const Error& error) {
    return error.code == EPIPE || error.code == ECONNRESET;
}

Result<uint64_t> RandomId() {
    uint64_t id = 0;
    while (id == 0)
        if (::getrandom(&id, sizeof id, 0) != sizeof id)
            return FailErrno("getting a random request id");
    return id;
}

bool Says(std::string_view payload, std::string_view words) {
    return ParseErrorText(payload).find(words) != std::string::npos;
}

}  // namespace

Result<ProxyClient> ProxyClient::Connect(ProxyAddress address) {
    CC_ASSIGN(Fd fd, ConnectOrStart(address, kStartDeadline));
    CC_TRY(SetNonBlocking(fd.get()));
    return ProxyClient(std::move(address), std::move(fd));
}

Result<ProxyClient::Answer> ProxyClient::Call(ClientCommand command, std::string_view payload,
                                              TimePoint end, int descriptor) {
    if (!fd_) return Fail("the connection to cc-proxy was given up after an earlier error", EPIPE);
    if (payload.size() > kMaxCommandPayload)
        return Fail(Cat("a command of ", payload.size(), " bytes, cc-proxy takes at most ",
                        kMaxCommandPayload),
                    EMSGSIZE);
    auto answer = Exchange(command, payload, end, descriptor);
    // Unattached, a repeated Hyper would be for nobody.
    const bool repeatable = command != ClientCommand::kHyper || !vm_.empty();
    // Where somebody else starts the next proxy, such as systemd, it takes its time.
    const TimePoint give_up = std::min(end, Clock::now() + kReplacementPatience);
    const auto lost = [&] {
        if (answer || TimeLeft(end) == kNone) return false;
        return IsLost(answer.error()) || (NobodyListens(answer.error()) && Clock::now() < give_up);
    };
    if (!repeatable || !lost()) return answer;
    const std::string why = answer.error().message;
    for (milliseconds pause = kNone; lost(); pause = kRepeatPause) {
        std::this_thread::sleep_for(std::min(pause, TimeLeft(end)));
        auto again = Reconnect(command, end);
        answer = again ? Exchange(command, payload, end) : Failure(std::move(again.error()));
    }
    if (!answer) return Context(why, std::move(answer));
    answer->repeated = true;
    return answer;
}

// To the next proxy, in the state that the command needs.
Result<void> ProxyClient::Reconnect(ClientCommand command, TimePoint end) {
    CC_ASSIGN(Fd fd, ConnectOrStart(address_, std::min(TimeLeft(end), kStartDeadline)));
    CC_TRY(SetNonBlocking(fd.get()));
    fd_ = std::move(fd);
    decoder_ = ClientFrameDecoder();
    if (command != ClientCommand::kHyper) return {};
    CC_ASSIGN(const Answer attached,
              Exchange(ClientCommand::kAttachVm, Encode(cc::AttachVm{vm_, 0}), end));
    if (!attached.error) return {};
    fd_.Reset();
    return Fail(ParseErrorText(attached.payload));
}

Result<ProxyClient::Answer> ProxyClient::Exchange(ClientCommand command, std::string_view payload,
                                                  TimePoint end, int descriptor) {
    auto answer = Converse(command, payload, end, descriptor);
    // An answer that comes after all would be taken for that of the next command.
    if (!answer) fd_.Reset();
    return answer;
}

Result<ProxyClient::Answer> ProxyClient::Converse(ClientCommand command, std::string_view payload,
                                                  TimePoint end, int descriptor) {
    CC_TRY(SendBefore(fd_.get(), EncodeCommand(command, payload), descriptor, end));
    std::array<char, 16384> bytes{};
    while (true) {
        CC_ASSIGN(const auto frame, decoder_.Next());
        if (frame && frame->version == kClientVersion2 && frame->type == FrameType::kResponse &&
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
    const auto end = EndOf(deadline);
    CC_ASSIGN(const Answer answer, Call(ClientCommand::kRegisterVm, Encode(message), end));
    // The proxy that was lost had registered it, and the next one has it from there.
    if (answer.error && answer.repeated && Says(answer.payload, kAlreadyRegistered))
        return AttachVm({message.container_id, message.num_io_streams}, TimeLeft(end));
    if (answer.error) return Fail(ParseErrorText(answer.payload));
    vm_ = message.container_id;
    return ParseIoResponse(answer.payload);
}

Result<IoResponse> ProxyClient::AttachVm(const cc::AttachVm& message, milliseconds deadline,
                                         int connection) {
    cc::AttachVm request = message;
    request.connection = connection >= 0;
    CC_ASSIGN(const Answer answer,
              Call(ClientCommand::kAttachVm, Encode(request), EndOf(deadline), connection));
    if (answer.error) return Fail(ParseErrorText(answer.payload));
    vm_ = message.container_id;
    return ParseIoResponse(answer.payload);
}

Result<void> ProxyClient::UnregisterVm(const cc::UnregisterVm& message, milliseconds deadline) {
    CC_ASSIGN(const Answer answer,
              Call(ClientCommand::kUnregisterVm, Encode(message), EndOf(deadline)));
    if (answer.error && !(answer.repeated && Says(answer.payload, kUnknownVm)))
        return Fail(ParseErrorText(answer.payload));
    vm_.clear();
    return {};
}

Result<std::string> ProxyClient::Hyper(const HyperMessage& message, milliseconds deadline) {
    HyperMessage request = message;
    if (request.request_id == 0) {
        CC_ASSIGN(request.request_id, RandomId());
    }
    CC_ASSIGN(Answer answer, Call(ClientCommand::kHyper, Encode(request), EndOf(deadline)));
    if (answer.error) return Fail(ParseErrorText(answer.payload));
    return std::move(answer.payload);
}

}  // namespace cc
