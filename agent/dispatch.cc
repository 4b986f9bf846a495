// SPDX-License-Identifier: Apache-2.0
#include "agent/dispatch.h"

#include "base/text.h"
#include "protocol/pod_network.h"

namespace cc::agent {

namespace {

// Parses a payload and hands it to a function, or replies with what is wrong with it.
template <class Message, class Function>
void With(Result<Message> message, const Pod::Reply& reply, Function&& function) {
    if (!message) return reply(Failure(message.error()));
    function(*message);
}

}  // namespace

void Dispatch(Pod& pod, const ControlMessage& message, const Pod::Reply& reply) {
    const std::string_view payload = message.payload;
    switch (message.code) {
        case ControlCode::kPing:
        case ControlCode::kReady:
            return reply(std::string());
        case ControlCode::kStartPod:
            return With(ParseStartPod(payload), reply,
                        [&](const auto& parsed) { pod.Start(parsed, reply); });
        case ControlCode::kRehearse:
            return pod.Rehearse(reply);
        case ControlCode::kDestroyPod:
            return pod.Destroy(reply);
        case ControlCode::kUpdateNetwork:
            return With(ParseUpdateNetwork(payload), reply,
                        [&](const auto& parsed) { pod.ChangeNetwork(parsed, reply); });
        case ControlCode::kSetupInterface:
            return With(ParseSetupInterface(payload), reply,
                        [&](const auto& parsed) { reply(pod.SetupInterface(parsed)); });
        case ControlCode::kSetupRoute:
            return With(ParseSetupRoute(payload), reply,
                        [&](const auto& parsed) { reply(pod.SetupRoutes(parsed)); });
        case ControlCode::kNewContainer:
            return With(ParseNewContainer(payload), reply,
                        [&](const auto& parsed) { pod.NewContainer(parsed, payload, reply); });
        case ControlCode::kStartContainer:
            return With(ParseStartContainer(payload), reply,
                        [&](const auto& parsed) { pod.StartContainer(parsed, reply); });
        case ControlCode::kExecCmd:
            return With(ParseExecCommand(payload), reply,
                        [&](const auto& parsed) { pod.Exec(parsed, reply); });
        case ControlCode::kKillContainer:
            return With(ParseKillContainer(payload), reply,
                        [&](const auto& parsed) { reply(pod.Kill(parsed)); });
        case ControlCode::kRemoveContainer:
            return With(ParseRemoveContainer(payload), reply,
                        [&](const auto& parsed) { pod.Remove(parsed, reply); });
        case ControlCode::kWinSize:
            return With(ParseWinSize(payload), reply,
                        [&](const auto& parsed) { reply(pod.Resize(parsed)); });
        case ControlCode::kPsContainer:
            return With(ParsePsContainer(payload), reply,
                        [&](const auto& parsed) { reply(pod.ListProcesses(parsed)); });
        case ControlCode::kPauseContainer:
            return With(ParseOneContainer(payload), reply,
                        [&](const auto& parsed) { pod.Pause(parsed, reply); });
        case ControlCode::kResumeContainer:
            return With(ParseOneContainer(payload), reply,
                        [&](const auto& parsed) { pod.Resume(parsed, reply); });
        case ControlCode::kContainerStats:
            return With(ParseOneContainer(payload), reply,
                        [&](const auto& parsed) { reply(pod.Stats(parsed)); });
        case ControlCode::kUpdateContainer:
            return With(ParseUpdateContainer(payload), reply,
                        [&](const auto& parsed) { reply(pod.Update(parsed)); });
        default:
            return reply(
                Fail(Cat("No callback found for command \"", HyperName(message.code), "\"")));
    }
}

bool TakesOwnership(ControlCode code) {
    return code == ControlCode::kStartPod || code == ControlCode::kNewContainer ||
           code == ControlCode::kExecCmd;
}

}  // namespace cc::agent
