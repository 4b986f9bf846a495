// SPDX-License-Identifier: Apache-2.0
#include "proxy/session.h"

#include "base/log.h"
#include "base/text.h"
#include "protocol/link_frame.h"
#include "protocol/window.h"
#include "proxy/client.h"
#include "proxy/router.h"
#include "proxy/vm.h"

namespace cc::proxy {

Session::Session(Vm& vm, uint64_t base, Token* token)
    : vm_(vm),
      base_(base),
      token_(token),
      return_deadline_(vm.router().deadlines()),
      tell_deadline_(vm.router().deadlines()) {}

Session::Session(Vm& vm, const SessionRecord& record, Token* token)
    : Session(vm, record.base, token) {
    process_ = record.process;
    exec_ = record.exec;
    container_ = record.container;
    request_ = record.request;
}

SessionRecord Session::record() const {
    return {base_, token_->text, token_->user, process_, exec_, container_, request_};
}

void Session::Attach(Client& shim, const ConnectShim& request) {
    const bool again = sent() || started();
    Log(LogLevel::kInfo, again ? "shim connected again" : "shim connected",
        {{"vm", vm_.id()}, {"session", Cat(base_)}, {"client", Cat(shim.number())}});
    return_deadline_.Cancel();
    shim_ = &shim;
    shim_process_ = shim.peer_process();
    if (counters_.dropped.bytes > 0)
        Log(LogLevel::kWarn, "output was lost while the shim was away",
            {{"vm", vm_.id()}, {"session", Cat(base_)}, {"bytes", Cat(counters_.dropped.bytes)}});
    if (vm_.linked()) {
        const bool version3 = shim.version() == kClientVersion3;
        const auto from = [&](const OutputStream& stream, const StreamWindow& said) {
            const uint64_t offset = stream.window.offset;
            return version3 ? said : StreamWindow{offset, offset + kStreamWindow};
        };
        output_.Begin(from(output_, request.standard_output));
        error_.Begin(from(error_, request.standard_error));
        if (started()) OpenWindows();
    } else {
        shim.Send(std::exchange(kept_, {}));
        if (exit_) shim.SendExit(*exit_);
    }
    if (process_ == ProcessState::kReserved)
        if (Client* starter = vm_.router().FindClient(starter_)) starter->ShimArrived();
}

void Session::Detach() {
    Log(LogLevel::kInfo, "shim gone without a word",
        {{"vm", vm_.id()}, {"session", Cat(base_)}, {"container", container_}});
    // What has left for it is not sent again, should it come back.
    if (vm_.linked() && shim_->version() == kClientVersion2) TellAllTaken(shim_->queued());
    tell_deadline_.Cancel();
    shim_ = nullptr;
    if (exit_ && !vm_.linked()) return vm_.RemoveSession(*this);
    AwaitShim();
    if (!sent() && !started()) return;
    // A process that dies closes its connections first.
    if (shim_process_) shim_process_->Watch([this] { ShimDied(); });
}

void Session::AwaitShim() {
    if (sent() || started())
        return_deadline_.Set(vm_.router().After(kShimReturn), [this] { GiveUp(); });
    else
        return_deadline_.Set(vm_.router().After(kClaimDeadline), [this] { Unclaimed(); });
}

void Session::Unclaimed() {
    // Who started the process waits for its shim and has a deadline of its own.
    if (reserved()) return AwaitShim();
    Log(LogLevel::kWarn, "no shim came for a token: it is dropped",
        {{"vm", vm_.id()}, {"session", Cat(base_)}});
    vm_.RemoveSession(*this, Vm::TokenGoes::kForGood);
}

void Session::ShimDied() {
    const Router::Turn turn(vm_.router());
    if (sent() || started()) GiveUp();
}

// The shim does not come back, or has died. Its process must not outlive it.
void Session::GiveUp() {
    Log(LogLevel::kWarn, "a shim has died: killing its process",
        {{"vm", vm_.id()}, {"session", Cat(base_)}, {"container", container_}});
    if (!exit_) vm_.Kill(*this);
    vm_.RemoveSession(*this);
}

void Session::VmLost(std::string_view why) {
    return_deadline_.Cancel();
    if (process_ == ProcessState::kReserved)
        if (Client* starter = vm_.router().FindClient(starter_))
            starter->Refuse(why, ErrorCode::kVmLost);
    if (shim_ != nullptr) std::exchange(shim_, nullptr)->LeaveSession(why);
}

void Session::Reserve(bool exec, std::string container, uint64_t starter, uint64_t request) {
    process_ = ProcessState::kReserved;
    exec_ = exec;
    container_ = std::move(container);
    starter_ = starter;
    request_ = request;
    vm_.Changed(base_);
}

void Session::Sent() {
    if (started()) return;  // a repetition
    process_ = ProcessState::kSent;
    starter_ = 0;
    vm_.Changed(base_);
}

void Session::Failed() {
    if (process_ == ProcessState::kStarted) return;
    process_ = ProcessState::kNone;
    starter_ = 0;
    vm_.Changed(base_);
    if (shim_ != nullptr)
        shim_->ProcessFailed();
    else
        AwaitShim();
}

void Session::Started() {
    if (started()) return;
    process_ = ProcessState::kStarted;
    vm_.Changed(base_);
    if (vm_.linked() && shim_ != nullptr) OpenWindows();
    if (size_) {
        const auto [columns, rows] = *size_;
        (void)vm_.Send(ControlCode::kWinSize, Encode(WinSize{base_, rows, columns}));
    }
    if (shim_ != nullptr) shim_->ProcessStarted();
}

void Session::Receive(bool on_stderr, std::string_view payload) {
    if (exit_) return;
    // 3.0 takes both signs on stderr too, where no agent sends them and output of one byte would
    // be an exit code.
    if (!on_stderr && payload.empty()) {
        output_ended_ = true;
        return;
    }
    if (!on_stderr && output_ended_ && payload.size() == 1)
        return Exit(static_cast<uint8_t>(payload[0]));
    if (payload.empty()) return;
    (on_stderr ? counters_.err : counters_.out).Count(payload.size());
    const StreamKind kind = on_stderr ? StreamKind::kStderr : StreamKind::kStdout;
    if (shim_ != nullptr)
        shim_->SendOutput(kind, payload);
    else
        Keep(kind, payload);
}

void Session::Exit(uint8_t status) {
    exit_ = ProcessEnd{status, 0};
    Log(LogLevel::kDebug, "process ended",
        {{"vm", vm_.id()}, {"session", Cat(base_)}, {"status", Cat(status)}});
    if (shim_ != nullptr) shim_->SendExit(*exit_);
}

void Session::Keep(StreamKind kind, std::string_view payload) {
    if (kept_.size() + payload.size() > kMaxKeptOutput)
        counters_.dropped.Count(payload.size());
    else
        kept_ += EncodeStream(kind, payload);
    counters_.queue.Saw(kept_.size());
}

}  // namespace cc::proxy
