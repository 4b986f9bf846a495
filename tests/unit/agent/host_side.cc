// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/agent/host_side.h"

#include <poll.h>
#include <unistd.h>

namespace cc::agent {

namespace {
constexpr int kDeadlineMs = 60000;  // generous: sanitizers and busy machines
}

std::string ReadSome(int fd) {
    pollfd waiting{fd, POLLIN, 0};
    REQUIRE_MESSAGE(::poll(&waiting, 1, kDeadlineMs) == 1, "the agent did not answer in time");
    std::string bytes(1 << 18, '\0');
    const ssize_t count = ::read(fd, bytes.data(), bytes.size());
    REQUIRE_MESSAGE(count > 0, "the agent closed the channel");
    bytes.resize(static_cast<size_t>(count));
    return bytes;
}

HostSide::HostSide(const std::string& control, const std::string& io)
    : control_(test::ConnectEventually(control)), io_(test::ConnectEventually(io)) {}

Answer HostSide::Receive() {
    while (true) {
        auto message = control_decoder_.Next();
        REQUIRE(message);
        if (*message) return {(*message)->code, std::string((*message)->payload)};
        control_decoder_.Push(ReadSome(control_.get()));
    }
}

void HostSide::Send(ControlCode code, std::string_view payload) {
    REQUIRE(WriteAll(control_.get(), EncodeControl(code, payload)));
}

Answer HostSide::Call(ControlCode code, std::string_view payload) {
    Send(code, payload);
    return Receive();
}

std::string HostSide::CallFails(ControlCode code, std::string_view payload) {
    const Answer answer = Call(code, payload);
    CHECK(answer.code == ControlCode::kError);
    return answer.payload;
}

void HostSide::Input(uint64_t sequence, std::string_view bytes) {
    REQUIRE(WriteAll(io_.get(), EncodeIo(sequence, bytes)));
}

void HostSide::PumpOnce() {
    io_decoder_.Push(ReadSome(io_.get()));
    while (true) {
        const auto message = io_decoder_.Next();
        REQUIRE(message);
        if (!*message) return;
        const auto& [sequence, payload] = **message;
        if (payload.empty()) {
            streams_.ended.insert(sequence);
        } else if (streams_.ended.contains(sequence)) {
            CHECK(payload.size() == 1);
            streams_.exit_codes[sequence] = static_cast<unsigned char>(payload[0]);
        } else {
            CHECK(payload.size() + kIoHeaderSize <= kAgentIoChunk);
            streams_.output[sequence] += payload;
        }
    }
}

int HostSide::WaitExit(uint64_t sequence) {
    while (!streams_.exit_codes.contains(sequence))
        PumpOnce();
    return streams_.exit_codes[sequence];
}

void HostSide::WaitOutput(uint64_t sequence, std::string_view text) {
    while (streams_.output[sequence].find(text) == std::string::npos)
        PumpOnce();
}

HostSide HostAgent::StartPod() const {
    HostSide host = Connect();
    CHECK(host.Receive().code == ControlCode::kReady);
    const Answer answer =
        host.Call(ControlCode::kStartPod, Encode(cc::StartPod{"pod", "hyperShared"}));
    CHECK_MESSAGE(answer.code == ControlCode::kAck, answer.payload);
    return host;
}

}  // namespace cc::agent
