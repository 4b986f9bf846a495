// SPDX-License-Identifier: Apache-2.0
#include "proxy/client.h"

#include "base/log.h"
#include "base/text.h"
#include "base/version.h"
#include "protocol/client_messages.h"
#include "proxy/go_syntax.h"
#include "proxy/router.h"
#include "proxy/session.h"
#include "proxy/vm.h"

namespace cc::proxy {

namespace {
// A connection whose frame waits is read this much further, so that its end is noticed.
constexpr size_t kReadAhead = 16 * 1024;
}  // namespace

Client::Client(Router& router, uint64_t number, uid_t user, std::string token)
    : Endpoint(router),
      number_(number),
      user_(user),
      own_token_(std::move(token)),
      deadline_(router.deadlines()) {}

Client::~Client() {
    router_.CountBufferedInput(counted_input_, 0);
}

void Client::Data(std::string_view bytes) {
    if (closing_) return;
    decoder_.Lend(bytes);
    Serve();
    decoder_.Keep();
}

void Client::Serve() {
    int left = kFramesPerTurn;
    while (!closing_ && wait_ == Wait::kNothing) {
        const auto frame = decoder_.Next();
        if (!frame) return Close(frame.error().message);
        if (!*frame) break;
        const bool stream = (*frame)->type == FrameType::kStream && !(*frame)->Is(StreamKind::kLog);
        left -= stream ? 1 : kFramesPerCommand;
        Handle(**frame);
        if (wait_ != Wait::kNothing) break;
        if (!input_ended_ && QueueIsFull())
            WaitFor(Wait::kOwnQueue);
        else if (left <= 0)
            AwaitTurn();
    }
    // Only a frame that is not whole or not served yet, or that waits for its VM, may still want
    // it.
    if (wait_ == Wait::kNothing || wait_ == Wait::kTurn ? decoder_.buffered() == 0
                                                        : wait_ != Wait::kAdoption)
        descriptor_.Reset();
    if (closing_) return;
    CountInput();
    if (closing_) return;
    if (input_ended_ && wait_ == Wait::kNothing) return Gone();
    UpdateReading();
}

void Client::AwaitTurn() {
    WaitFor(Wait::kTurn, Milliseconds{0}, &Client::GoOn);
}

void Client::CountInput() {
    const size_t before = std::exchange(counted_input_, decoder_.buffered());
    router_.CountBufferedInput(before, counted_input_);
}

void Client::CloseForInput() {
    Close("all clients together hold too many unfinished frames, and those of its user most");
    decoder_ = {};
    CountInput();
}

void Client::Handle(const ClientFrame& frame) {
    version_ = frame.version;
    if (frame.type == FrameType::kCommand)
        HandleCommand(static_cast<ClientCommand>(frame.opcode), frame.payload);
    else if (frame.Is(StreamKind::kStdin))
        version_ == kClientVersion3 ? HandleInput(frame) : HandleStdin(frame.payload);
    else if (frame.Is(Notification::kWindow))
        HandleWindow(frame.payload);
    else if (frame.Is(StreamKind::kLog))
        HandleLog(frame.payload);
    else
        Close("it sent a frame that only the proxy sends");
}

void Client::HandleCommand(ClientCommand command, std::string_view payload) {
    command_ = command;
    ++router_.counters().Of(command).served;
    switch (command) {
        case ClientCommand::kRegisterVm:
            return HandleRegisterVm(payload);
        case ClientCommand::kUnregisterVm:
            return HandleUnregisterVm(payload);
        case ClientCommand::kAttachVm:
            return HandleAttachVm(payload);
        case ClientCommand::kHyper:
            return HandleHyper(payload);
        case ClientCommand::kConnectShim:
            return HandleConnectShim(payload);
        case ClientCommand::kDisconnectShim:
            return HandleDisconnectShim();
        case ClientCommand::kSignal:
            return HandleSignal(payload);
        case ClientCommand::kHello:
            return HandleHello(payload);
    }
}

void Client::HandleLog(std::string_view payload) {
    if (!MayLog()) return;
    const auto entry = ParseLogEntry(payload, version_);
    if (!entry) return Close(entry.error().message);
    Log(ParseLogLevel(entry->level).value_or(LogLevel::kInfo), entry->message,
        {{"source", entry->source}, {"container", entry->container_id}});
}

// Everything of a user's but root's is one, or more connections would be more lines.
bool Client::MayLog() {
    LogAllowance& allowance = user_ == 0 ? log_allowance_ : router_.LogAllowanceOf(user_);
    const auto second = std::chrono::floor<std::chrono::seconds>(router_.world().Now());
    if (second != allowance.second) allowance = {second, 0};
    if (++allowance.lines == kMaxLogLinesPerSecond + 1)
        Log(LogLevel::kWarn, "a client logs too much: the rest of this second is dropped",
            {{"client", Cat(number_)}, {"user", Cat(user_)}});
    if (allowance.lines > kMaxLogLinesPerSecond) ++router_.counters().log_lines_dropped;
    return allowance.lines <= kMaxLogLinesPerSecond;
}

void Client::HandleHello(std::string_view payload) {
    const auto hello = ParseHello(payload);
    if (!hello) return RefuseBadJson(payload, hello.error().message);
    Answer(Encode(Hello{
        "cc-proxy", std::string(kRelease), {"window", "resume", "request-id", "connection"}}));
}

bool Client::HoldForAdoption(const std::shared_ptr<Vm>& vm, std::string_view payload) {
    if (!vm->adopting()) return false;
    held_data_ = payload;
    waits_for_ = vm;
    WaitFor(Wait::kAdoption, kAdoptionDeadline, &Client::AdoptionIsMissing);
    return true;
}

void Client::AdoptionEnded(const Vm& vm) {
    if (wait_ != Wait::kAdoption || waits_for_.get() != &vm) return;
    GoOn();
    HandleCommand(command_, std::exchange(held_data_, {}));
}

void Client::AdoptionIsMissing() {
    held_data_.clear();
    Refuse(Cat("the agent of VM ", waits_for_->id(), " has not answered this new cc-proxy within ",
               kAdoptionDeadline.count() / 1000, " s"),
           ErrorCode::kTimeout);
}

void Client::Answer(std::string_view payload) {
    if (closing_) return;
    Send(EncodeResponse(command_, payload, false, version_));
    if (wait_ != Wait::kNothing) GoOn();
}

void Client::Refuse(std::string_view error, ErrorCode code) {
    if (closing_) return;
    ++router_.counters().Of(command_).refused;
    if (LogEnabled(LogLevel::kDebug))
        Log(LogLevel::kDebug, "refused a command",
            {{"client", Cat(number_)}, {"error", std::string(error)}});
    Send(EncodeResponse(command_, EncodeError(code, error, version_), true, version_));
    if (wait_ != Wait::kNothing) GoOn();
}

void Client::RefuseBadJson(std::string_view payload, std::string_view error) {
    const auto words = version_ == kClientVersion2 ? GoSyntaxError(payload) : std::nullopt;
    Refuse(words.value_or(std::string(error)), ErrorCode::kBadRequest);
}

void Client::WaitFor(Wait what, Milliseconds deadline, void (Client::*expired)()) {
    wait_ = what;
    if (expired != nullptr)
        deadline_.Set(router_.After(deadline), [this, what, deadline, expired] {
            // Nothing answers in a VM that is paused; of shims only the host is to blame.
            if (what != Wait::kShim && waits_for_ != nullptr && waits_for_->paused())
                return WaitFor(what, deadline, expired);
            (this->*expired)();
        });
}

void Client::GoOn() {
    wait_ = Wait::kNothing;
    waits_for_ = nullptr;
    deadline_.Cancel();
    router_.WillServe(*this);
}

void Client::UpdateReading() {
    SetReading(!closing_ && !input_ended_ &&
               (wait_ == Wait::kNothing || decoder_.buffered() < kReadAhead));
}

void Client::Written() {
    if (session_ != nullptr) session_->counters().queue.Saw(queued());
    if (session_ != nullptr && session_->vm().linked()) {
        // Windows bound what is on its way; a shim that opens them and does not read is no shim.
        if (queued() > kMaxClientQueue) return Close("it does not read what it has asked for");
        if (version_ == kClientVersion2) session_->ShimTook(queued());
    } else if (session_ != nullptr && !over_mark_ && queued() > kHighWater) {
        SetOverMark(true);
    }
    if (over_mark_ && queued() <= kLowWater) SetOverMark(false);
    if (wait_ == Wait::kOwnQueue && queued() <= kLowWater) AwaitTurn();
    if (closing_ && queued() == 0) Gone();
}

void Client::SetOverMark(bool over) {
    if (over == over_mark_) return;
    over_mark_ = over;
    if (over) ++session_->counters().stalls;
    session_->vm().ShimOverMark(over);
}

void Client::Ended(const Result<void>&) {
    const bool nothing_left = decoder_.buffered() == 0 || wait_ == Wait::kNothing;
    if (closing_ || nothing_left || session_ == nullptr || wait_ == Wait::kOwnQueue) return Gone();
    // What a shim has said before its end counts: the last may be the signal that kills the
    // process. From here on it waits for nothing but answers, and not for a second one that fails.
    input_ended_ = true;
    UpdateReading();
    const bool stdin_waits = wait_ == Wait::kProcess && held_signal_ < 0;
    if (wait_ == Wait::kRoom) held_data_.clear();
    if (stdin_waits || wait_ == Wait::kRoom) GoOn();
}

// A dead shim whose input the process does not take must be noticed. What it had sent beyond the
// frames that are here is lost: the process will not outlive it.
void Client::HungUp() {
    Ended({});
}

void Client::Close(std::string_view why) {
    if (closing_) return;
    Log(LogLevel::kDebug, "closing a client's connection",
        {{"client", Cat(number_)}, {"why", std::string(why)}});
    LeaveEverything();
    closing_ = true;
    SetReading(false);
    descriptor_.Reset();
    if (queued() == 0) return Gone();
    deadline_.Set(router_.After(kLinger), [this] { Gone(); });
}

void Client::Gone() {
    LeaveEverything();
    closing_ = true;
    Shut();
    router_.RemoveClient(*this);
}

void Client::LeaveEverything() {
    deadline_.Cancel();
    const auto vm = std::exchange(waits_for_, nullptr);
    const Wait wait = std::exchange(wait_, Wait::kNothing);
    if (wait == Wait::kRegistration) vm->RegistrarGone();
    if (wait == Wait::kReply) vm->StopWaiting(number_);
    if (wait == Wait::kShim) vm->StopWaitingForShim(held_session_);
    if (session_ == nullptr) return;
    SetOverMark(false);
    std::exchange(session_, nullptr)->Detach();
}

}  // namespace cc::proxy
