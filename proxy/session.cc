// SPDX-License-Identifier: Apache-2.0
#include "proxy/session.h"

#include "base/log.h"
#include "base/text.h"
#include "proxy/client.h"
#include "proxy/router.h"
#include "proxy/vm.h"

namespace cc::proxy {

Session::Session(Vm& vm, uint64_t base, Token* token)
    : vm_(vm), base_(base), token_(token), return_deadline_(vm.router().deadlines()) {}

void Session::Attach(Client& shim) {
    const bool again = process_ == Process::kSent || process_ == Process::kStarted;
    Log(LogLevel::kInfo, again ? "shim connected again" : "shim connected",
        {{"vm", vm_.id()}, {"session", Cat(base_)}, {"client", Cat(shim.number())}});
    return_deadline_.Cancel();
    shim_ = &shim;
    shim_process_ = shim.peer_process();
    if (counters_.dropped.bytes > 0)
        Log(LogLevel::kWarn, "output was lost while the shim was away",
            {{"vm", vm_.id()}, {"session", Cat(base_)}, {"bytes", Cat(counters_.dropped.bytes)}});
    shim.Send(std::exchange(kept_, {}));
    if (exit_) shim.SendExit(*exit_);
    if (process_ == Process::kReserved)
        if (Client* starter = vm_.router().FindClient(starter_)) starter->ShimArrived();
}

void Session::Detach() {
    Log(LogLevel::kInfo, "shim gone without a word",
        {{"vm", vm_.id()}, {"session", Cat(base_)}, {"container", container_}});
    shim_ = nullptr;
    if (exit_) return vm_.RemoveSession(*this);
    if (process_ != Process::kSent && process_ != Process::kStarted) return;
    return_deadline_.Set(vm_.router().After(kShimReturn), [this] { GiveUp(); });
    // A process that dies closes its connections first.
    if (shim_process_) shim_process_->Watch([this] { ShimDied(); });
}

void Session::ShimDied() {
    const Router::Turn turn(vm_.router());
    if (process_ == Process::kSent || process_ == Process::kStarted) GiveUp();
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
    if (process_ == Process::kReserved)
        if (Client* starter = vm_.router().FindClient(starter_)) starter->Refuse(why);
    if (shim_ != nullptr) std::exchange(shim_, nullptr)->LeaveSession(why);
}

void Session::Reserve(bool exec, std::string container, uint64_t starter) {
    process_ = Process::kReserved;
    exec_ = exec;
    container_ = std::move(container);
    starter_ = starter;
}

void Session::Sent() {
    process_ = Process::kSent;
    starter_ = 0;
}

void Session::Failed() {
    if (process_ == Process::kStarted) return;
    process_ = Process::kNone;
    starter_ = 0;
    return_deadline_.Cancel();
    if (shim_ != nullptr) shim_->ProcessFailed();
}

void Session::Started() {
    process_ = Process::kStarted;
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
    exit_ = status;
    Log(LogLevel::kDebug, "process ended",
        {{"vm", vm_.id()}, {"session", Cat(base_)}, {"status", Cat(status)}});
    if (shim_ != nullptr) shim_->SendExit(status);
}

void Session::Keep(StreamKind kind, std::string_view payload) {
    if (kept_.size() + payload.size() > kMaxKeptOutput)
        counters_.dropped.Count(payload.size());
    else
        kept_ += EncodeStream(kind, payload);
    counters_.queue.Saw(kept_.size());
}

}  // namespace cc::proxy
