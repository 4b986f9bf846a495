// SPDX-License-Identifier: Apache-2.0
// A session's streams with an agent of extension 2. The agent keeps what has not been acknowledged,
// a shim of version 3 knows how far it is, and this is the wire between them: whoever dies, the two
// ends agree again. For a shim of version 2 the proxy stands in: what the shim's socket has taken
// is acknowledged.
#include "base/log.h"
#include "base/text.h"
#include "protocol/link_frame.h"
#include "protocol/window.h"
#include "proxy/client.h"
#include "proxy/router.h"
#include "proxy/session.h"
#include "proxy/vm.h"

namespace cc::proxy {

// The agent is to go on where the shim is.
void Session::OpenWindows() {
    vm_.SendWindow(base_, output_.window, kLinkRewind);
    vm_.SendWindow(base_ + 1, error_.window, kLinkRewind);
    if (input_end_) vm_.SendData(base_, *std::exchange(input_end_, {}), {}, true);
}

bool Session::Resume(const AgentSession* known) {
    if (known == nullptr) {
        // The command had not reached the agent, or failed there: it may be repeated. A process
        // that ran and is not known any more has gone with its agent's memory.
        if (started()) return false;
        process_ = ProcessState::kNone;
        AwaitShim();
        return true;
    }
    process_ = ProcessState::kStarted;
    input_ = {known->stdin_taken, known->stdin_limit};
    input_sent_ = known->stdin_received;
    output_.Begin({known->stdout_acknowledged, known->stdout_acknowledged});
    error_.Begin({known->stderr_acknowledged, known->stderr_acknowledged});
    AwaitShim();
    return true;
}

Result<void> Session::ReceiveData(bool on_stderr, uint64_t offset, std::string_view payload,
                                  bool end) {
    (on_stderr ? counters_.err : counters_.out).Count(payload.size());
    OutputStream& stream = on_stderr ? error_ : output_;
    if (offset > stream.may_reach || payload.size() > stream.may_reach - offset)
        return Fail(Cat("its agent sent more of session ", base_, " than it may"));
    if (shim_ == nullptr) return {};  // it says where to go on when it comes
    const bool whole = offset <= stream.received;
    const std::string_view fresh = stream.TakeNew(offset, payload);
    // Nothing more comes before the shim has taken some of it.
    if (!fresh.empty() && stream.received == stream.may_reach) ++counters_.stalls;
    const bool ends = end && whole && !std::exchange(stream.ended, true);
    const StreamKind kind = on_stderr ? StreamKind::kStderr : StreamKind::kStdout;
    if (shim_->version() == kClientVersion3) {
        if (!fresh.empty() || ends)
            shim_->SendFrame(
                [&](std::string& out) {
                    AppendStreamHeaderAt(out, kind, stream.received - fresh.size(), fresh.size(),
                                         ends);
                },
                fresh);
    } else {
        if (!fresh.empty()) shim_->SendOutput(kind, fresh);
        if (ends) ShimTook(shim_->queued());
    }
    return {};
}

void Session::ReceiveEnd(const ProcessEnd& end, bool early) {
    if (shim_ == nullptr) return;  // said again when one comes
    if (early) {
        if (shim_->version() == kClientVersion3)
            shim_->Send(EncodeNotification(Notification::kProcessEnded, Encode(end)));
        return;
    }
    if (!exit_)
        Log(LogLevel::kDebug, "process ended",
            {{"vm", vm_.id()}, {"session", Cat(base_)}, {"status", Cat(end.code)}});
    exit_ = end;
    shim_->SendExit(end);
}

void Session::ReceiveInputWindow(const StreamWindow& window) {
    if (window.offset < input_.offset || window.limit < input_.limit) return;
    input_ = window;
    if (shim_ == nullptr) return;
    if (shim_->version() == kClientVersion3)
        shim_->Send(EncodeNotification(Notification::kWindow,
                                       Encode(WindowUpdate{StreamKind::kStdin, window})));
    else
        shim_->AgentHasRoom();
}

Result<void> Session::ShimWindow(const WindowUpdate& update) {
    if (update.stream == StreamKind::kStdin) return Fail("a window for its own standard input");
    const bool on_stderr = update.stream == StreamKind::kStderr;
    OutputStream& stream = on_stderr ? error_ : output_;
    if (!stream.Grow(update.window)) return Fail("a window that goes back, or beyond what it has");
    if (started()) vm_.SendWindow(base_ + (on_stderr ? 1 : 0), stream.window, 0);
    return {};
}

Result<void> Session::ForwardInput(uint64_t offset, std::string_view payload, bool end) {
    if (offset > input_.limit || payload.size() > input_.limit - offset)
        return Fail("standard input beyond its window");
    // The agent opens the window once the process runs; its word that it does comes through the
    // other port, perhaps later.
    const bool runs = started() || input_.limit > 0;
    if (runs && !exit_) vm_.SendData(base_, offset, payload, end);
    if (!runs && end) input_end_ = offset;
    return {};
}

void Session::ShimTook(size_t queued) {
    if (!started() || shim_ == nullptr) return;
    if (output_.Due(queued)) TellTaken(output_, queued);
    if (error_.Due(queued)) TellTaken(error_, queued);
    if (output_.Owed(queued) + error_.Owed(queued) > 0 && !tell_deadline_.set())
        tell_deadline_.Set(vm_.router().After(kAcknowledgeWithin), [this] {
            tell_deadline_.Cancel();
            if (shim_ != nullptr) TellAllTaken(shim_->queued());
        });
}

void Session::TellAllTaken(size_t queued) {
    if (!started()) return;
    for (OutputStream* stream : {&output_, &error_})
        if (stream->Owed(queued) > 0) TellTaken(*stream, queued);
}

void Session::TellTaken(OutputStream& stream, size_t queued) {
    stream.Tell(queued);
    vm_.SendWindow(base_ + (&stream == &error_ ? 1 : 0), stream.window, 0);
}

size_t Session::SendInput(std::string_view bytes) {
    if (bytes.empty()) {
        vm_.SendData(base_, input_sent_, {}, true);
        return 0;
    }
    const size_t allowed = input_.limit > input_sent_ ? input_.limit - input_sent_ : 0;
    const size_t count = std::min(bytes.size(), allowed);
    if (count > 0) vm_.SendData(base_, input_sent_, bytes.substr(0, count), false);
    input_sent_ += count;
    return count;
}

}  // namespace cc::proxy
