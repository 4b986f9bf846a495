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
    const auto request = ParseConnectShim(payload);
    if (!request) return RefuseBadJson(payload, request.error().message);
    if (session_ != nullptr) return Refuse("this connection serves another token already");
    const Token* token = router_.tokens().Find(request->token, user_);
    if (token == nullptr) return Refuse(Cat("unknown token: ", Shown(request->token)));
    if (token->vm->lost()) return Refuse(Cat("vm: unknown token ", token->text));
    if (token->session == nullptr || token->session->shim() != nullptr)
        return Refuse(Cat("token already claimed: ", token->text));
    shim_ = true;
    session_ = token->session;
    Answer({});
    session_->Attach(*this);
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
    const auto request = ParseSignal(payload);
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
    SendExit(0);
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
    Refuse(Cat("timeout waiting for process with token ", session_->token()->text));
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
    session_->counters().in.Count(payload.size());
    session_->vm().WriteStdin(*session_, payload);
    if (!session_->vm().io_full() || input_ended_) return;
    ++session_->counters().stdin_stalls;
    WaitFor(Wait::kRoom);
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
    if (wait_ == Wait::kRoom) GoOn();
}

void Client::SendOutput(StreamKind kind, std::string_view payload) {
    Send(EncodeStream(kind, payload));
}

void Client::SendExit(uint8_t status) {
    Send(EncodeProcessExited(status));
}

}  // namespace cc::proxy
