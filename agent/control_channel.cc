// SPDX-License-Identifier: Apache-2.0
#include "agent/control_channel.h"

#include <ctime>

#include "base/log.h"
#include "base/text.h"

namespace cc::agent {

namespace {

// Parses a payload and hands it to a function, or replies with what is wrong with it.
template <class Message, class Function>
void With(Result<Message> message, const Pod::Reply& reply, Function&& function) {
    if (!message) return reply(Failure(message.error()));
    function(*message);
}

}  // namespace

int64_t BootTimeMs() {
    timespec now{};
    ::clock_gettime(CLOCK_BOOTTIME, &now);
    return int64_t{now.tv_sec} * 1000 + now.tv_nsec / 1000000;
}

ControlChannel::ControlChannel(Pod& pod, int64_t started_ms) : pod_(pod), started_ms_(started_ms) {}

Port::Callbacks ControlChannel::PortCallbacks() {
    return {.on_connect = [this] { OnConnect(); },
            .on_disconnect =
                [this] {
                    ++connection_;
                    decoder_.Clear();
                    port_->DropQueue();
                },
            .on_data = [this](std::string_view bytes) { OnData(bytes); },
            .on_room = [] {}};
}

void ControlChannel::Use(std::unique_ptr<Port> port) {
    port_ = std::move(port);
    ready_ms_ = BootTimeMs();
    port_->Start();
}

void ControlChannel::OnConnect() {
    decoder_.Clear();
    broken_ = false;
    const ReadyOffer offer{kAgentExtension, started_ms_, ready_ms_};
    port_->Write(EncodeControl(ControlCode::kReady, Encode(offer)));
}

void ControlChannel::OnData(std::string_view bytes) {
    if (broken_) return;
    decoder_.Push(bytes);
    RunCommands();
}

void ControlChannel::RunCommands() {
    if (dispatching_)
        return;  // a command that was answered at once: the loop below goes on by itself
    while (!busy_ && !broken_) {
        auto message = decoder_.Next();
        if (!message) {
            Log(LogLevel::kError,
                "control channel: ignoring everything until the host connects again",
                {{"error", message.error().message}});
            broken_ = true;
            port_->Write(EncodeControl(ControlCode::kError, message.error().message));
            return;
        }
        if (!*message) return;
        busy_ = true;
        dispatching_ = true;
        Dispatch(**message, [this, connection = connection_](Result<std::string> result) {
            Answer(connection, std::move(result));
        });
        dispatching_ = false;
        if (busy_) port_->PauseReading();
    }
}

void ControlChannel::Answer(uint64_t connection, Result<std::string> result) {
    busy_ = false;
    if (connection == connection_)
        port_->Write(result ? EncodeControl(ControlCode::kAck, *result)
                            : EncodeControl(ControlCode::kError, result.error().message));
    port_->ResumeReading();
    RunCommands();
}

void ControlChannel::Dispatch(const ControlMessage& message, Pod::Reply reply) {
    const std::string_view payload = message.payload;
    switch (message.code) {
        case ControlCode::kPing:
        case ControlCode::kReady:
            return reply(std::string());
        case ControlCode::kVersion:
            return With(ParseVersionAccept(payload), reply,
                        [&](const auto&) { reply(std::string()); });
        case ControlCode::kStartPod:
            return With(ParseStartPod(payload), reply,
                        [&](const auto& parsed) { pod_.Start(parsed, reply); });
        case ControlCode::kDestroyPod:
            return pod_.Destroy(std::move(reply));
        case ControlCode::kNewContainer:
            return With(ParseNewContainer(payload), reply,
                        [&](const auto& parsed) { pod_.NewContainer(parsed, reply); });
        case ControlCode::kExecCmd:
            return With(ParseExecCommand(payload), reply,
                        [&](const auto& parsed) { pod_.Exec(parsed, reply); });
        case ControlCode::kKillContainer:
            return With(ParseKillContainer(payload), reply,
                        [&](const auto& parsed) { reply(pod_.Kill(parsed)); });
        case ControlCode::kRemoveContainer:
            return With(ParseRemoveContainer(payload), reply,
                        [&](const auto& parsed) { pod_.Remove(parsed, reply); });
        case ControlCode::kWinSize:
            return With(ParseWinSize(payload), reply,
                        [&](const auto& parsed) { reply(pod_.Resize(parsed)); });
        case ControlCode::kPsContainer:
            return With(ParsePsContainer(payload), reply,
                        [&](const auto& parsed) { reply(pod_.ListProcesses(parsed)); });
        default:
            return reply(
                Fail(Cat("No callback found for command \"", HyperName(message.code), "\"")));
    }
}

}  // namespace cc::agent
