// SPDX-License-Identifier: Apache-2.0
// What shims do: ConnectShim, DisconnectShim, Signal, standard input; and what they are sent.
#include <csignal>

#include "base/log.h"
#include "base/text.h"
#include "protocol/client_messages.h"
#include "proxy/client.h"
#include "proxy/router.h"
#include "proxy/session.h"
#include "proxy/shown.h"
#include "proxy/signal_names.h"
#include "proxy/vm.h"

namespace cc::proxy {

namespace {
constexpr int64_t kSignalLimit = 31;   // 3.0 takes signals below it
constexpr int64_t kMaxWindow = 65535;  // struct winsize has 16 bits
}  // namespace

void Client::HandleConnectShim(std::string_view payload) {
    const auto request = ParseConnectShim(payload, version_);
    if (!request) return RefuseBadJson(payload, request.error().message);
    if (session_ != nullptr) return Refuse("this connection serves another token already");
    if (!own_token_.empty() && !request->token.empty() && request->token != own_token_)
        return Refuse("this connection is for another token", ErrorCode::kUnknownToken);
    const Token* token =
        router_.tokens().Find(request->token.empty() ? own_token_ : request->token, user_);
    if (token == nullptr)
        return Refuse(Cat("unknown token: ", Shown(request->token)), ErrorCode::kUnknownToken);
    if (token->vm->lost())
        return Refuse(Cat("vm: unknown token ", token->text), ErrorCode::kVmLost);
    if (HoldForAdoption(token->vm->shared_from_this(), payload)) return;
    if (token->session == nullptr || token->session->shim() != nullptr)
        return Refuse(Cat("token already claimed: ", token->text), ErrorCode::kTokenInUse);
    // Without an agent that has offsets there are none to speak of: the shim is told as by a 3.0
    // proxy, and begins again with version 2.
    if (version_ == kClientVersion3 && !token->vm->linked())
        return Close("version 3 needs an agent with extension 2");
    shim_ = true;
    IgnoreDescriptors();
    session_ = token->session;
    ShimConnected answer{session_->input_window()};
    if (request->token.empty()) answer.token = token->text;
    Answer(version_ == kClientVersion3 ? Encode(answer) : "");
    session_->Attach(*this, *request);
}

void Client::HandleDisconnectShim() {
    if (!shim_) return Refuse("client isn't a shim");
    if (session_ != nullptr) {
        SetOverMark(false);
        Session* session = std::exchange(session_, nullptr);
        session->vm().RemoveSession(*session);
    }
    Close("DisconnectShim");  // no answer: that is how 3.0 does it
}

void Client::LeaveSession(std::string_view why) {
    if (session_ == nullptr) return;
    SetOverMark(false);
    session_ = nullptr;
    Close(why);
}

void Client::HandleSignal(std::string_view payload) {
    if (!shim_ || session_ == nullptr) return Refuse("client isn't a shim");
    const auto request = ParseSignal(payload, version_);
    if (!request) return RefuseBadJson(payload, request.error().message);
    const auto [number, columns, rows] = *request;
    if (number < 0 || number >= kSignalLimit) return Refuse(Cat("invalid signal number ", number));
    if (number == SIGWINCH) {
        if (columns <= 0 || rows <= 0 || columns > kMaxWindow || rows > kMaxWindow)
            return Refuse(
                Cat("received SIGWINCH but terminal size is invalid (", columns, ",", rows, ")"));
        return SendWinSize(columns, rows);
    }
    if (columns != 0 || rows != 0)
        return Refuse(Cat("received a terminal size (", columns, ",", rows, ") for signal ",
                          GoSignalName(number)));
    if (session_->started()) return SendSignal(number);
    const bool kills = number == SIGKILL || number == SIGTERM;
    // A command that is on its way to the agent may start the process yet: then the signal follows.
    if (kills && !session_->sent()) return EndUnstarted();
    held_signal_ = number;
    WaitFor(Wait::kProcess, kProcessDeadline, &Client::ProcessIsMissing);
}

// The process never was: its shim is told that it has ended, before it gets its answer (3.0's
// order).
void Client::EndUnstarted() {
    SendExit({});
    Answer({});
}

void Client::SendSignal(int64_t number) {
    Vm& vm = session_->vm();
    if (!vm.CanSignal(*session_))
        return Refuse(Cat("Could not send the signal ", GoSignalName(number),
                          ": Sending a signal to a process different from the initial container "
                          "process is not supported"));
    KillContainer kill{session_->container(), number, false, 0};
    if (session_->exec()) kill.process = session_->base();
    SendToAgent(vm.shared_from_this(), ControlCode::kKillContainer, Encode(kill), 0);
}

void Client::SendWinSize(int64_t columns, int64_t rows) {
    if (!session_->started()) {
        session_->SetWinSize(columns, rows);
        return Answer({});
    }
    SendToAgent(session_->vm().shared_from_this(), ControlCode::kWinSize,
                Encode(WinSize{session_->base(), rows, columns}), 0);
}

void Client::ProcessIsMissing() {
    if (input_ended_) return Gone();
    held_signal_ = -1;
    Refuse(Cat("timeout waiting for process with token ", session_->token()->text),
           ErrorCode::kTimeout);
}

void Client::HandleStdin(std::string_view payload) {
    if (session_ == nullptr) return Close("stdin before ConnectShim");
    if (session_->started()) return WriteStdin(payload);
    if (input_ended_) return;
    held_data_ = payload;
    held_signal_ = -1;
    WaitFor(Wait::kProcess);
}

void Client::WriteStdin(std::string_view payload) {
    if (session_->exited()) return;
    Vm& vm = session_->vm();
    std::string_view rest;
    if (vm.linked())
        rest = payload.substr(session_->SendInput(payload));
    else
        vm.WriteStdin(*session_, payload);
    // What waits for room comes here again.
    if (rest.empty() || rest.size() < payload.size())
        session_->counters().in.Count(payload.size() - rest.size());
    if (input_ended_ || (rest.empty() && !vm.io_full())) return;
    held_data_ = std::string(rest);
    WaitForRoom();
}

void Client::HandleInput(const ClientFrame& frame) {
    if (session_ == nullptr) return Close("stdin before ConnectShim");
    session_->counters().in.Count(frame.payload.size());
    if (auto sent = session_->ForwardInput(frame.offset, frame.payload, frame.end); !sent)
        return Close(sent.error().message);
    if (session_->vm().io_full() && !input_ended_) WaitForRoom();
}

void Client::WaitForRoom() {
    ++session_->counters().stdin_stalls;
    session_->vm().WantRoom();
    WaitFor(Wait::kRoom);
}

void Client::HandleWindow(std::string_view payload) {
    if (session_ == nullptr) return Close("a window before ConnectShim");
    const auto update = ParseWindowUpdate(payload);
    if (!update) return Close(update.error().message);
    if (auto taken = session_->ShimWindow(*update); !taken) Close(taken.error().message);
}

void Client::ProcessStarted() {
    if (wait_ != Wait::kProcess) return;
    GoOn();
    const int64_t number = std::exchange(held_signal_, -1);
    if (number >= 0)
        SendSignal(number);
    else
        WriteStdin(std::exchange(held_data_, {}));
}

void Client::ProcessFailed() {
    if (wait_ != Wait::kProcess) return;
    if (held_signal_ != SIGKILL && held_signal_ != SIGTERM) return;
    held_signal_ = -1;
    EndUnstarted();
}

void Client::AgentHasRoom() {
    if (wait_ != Wait::kRoom) return;
    GoOn();
    if (held_data_.empty()) return;
    const uint64_t stalls = session_->counters().stdin_stalls;
    WriteStdin(std::exchange(held_data_, {}));
    session_->counters().stdin_stalls = stalls;  // still the same one, if it is not over
}

void Client::SendOutput(StreamKind kind, std::string_view payload) {
    SendFrame([&](std::string& out) { AppendStreamHeader(out, kind, payload.size()); }, payload);
}

void Client::SendExit(const ProcessEnd& end) {
    Send(version_ == kClientVersion3 ? EncodeNotification(Notification::kProcessExited, Encode(end))
                                     : EncodeProcessExited(static_cast<uint8_t>(end.code)));
}

}  // namespace cc::proxy
