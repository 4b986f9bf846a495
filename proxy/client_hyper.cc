// SPDX-License-Identifier: Apache-2.0
// Hyper: a command for the agent of the VM that the connection is attached to (reference A8).
#include "base/text.h"
#include "protocol/agent_messages.h"
#include "protocol/client_messages.h"
#include "proxy/client.h"
#include "proxy/router.h"
#include "proxy/session.h"
#include "proxy/shown.h"
#include "proxy/vm.h"

namespace cc::proxy {

namespace {

// Whether the command that has used this token may come again: the agent will know it by its id.
// An older proxy's record does not say which that was.
bool MayRepeat(Session& session, const HyperMessage& request) {
    return request.request_id != 0 && session.vm().linked() &&
           (session.sent() || session.started()) &&
           (session.request() == 0 || session.request() == request.request_id);
}

// The command whose answer an earlier proxy did not live to pass on, and whose process has come and
// gone since.
bool IsDone(const Token& token, const HyperMessage& request) {
    return token.session == nullptr && request.request_id != 0 &&
           token.request == request.request_id;
}

}  // namespace

void Client::HandleHyper(std::string_view payload) {
    const auto request = ParseHyper(payload, version_);
    if (!request) return RefuseBadJson(payload, request.error().message);
    const auto& tokens = request->tokens;
    if (!vm_) return Refuse("client not attached to a vm");
    const auto code = ParseHyperName(request->hyper_name);
    if (!code) return Refuse(Cat("unknown command '", Shown(request->hyper_name), "'"));
    if (*code == ControlCode::kVersion) return Refuse("the proxy itself negotiates the version");
    if (!vm_->running())
        return Refuse("No multicast available for CTL channel", ErrorCode::kVmLost);
    if (NeedsExtension(*code) && !vm_->extended())
        return Refuse(
            Cat("the agent in the virtual machine is one of Clear Containers 3.0, which "
                "does not know the command ",
                request->hyper_name));
    if (*code == ControlCode::kNewContainer || *code == ControlCode::kExecCmd)
        return StartProcess(*code, *request);
    if (!tokens.empty())
        return Refuse(Cat(request->hyper_name, " doesn't need tokens but ", tokens.size(),
                          " token(s) were given"));
    SendToAgent(vm_, *code, request->data, 0, request->request_id);
}

void Client::StartProcess(ControlCode code, const HyperMessage& request) {
    const auto& tokens = request.tokens;
    if (tokens.size() > 1) return Refuse(Cat("expected 0 or 1 token, got ", tokens.size()));
    Session* session = nullptr;
    if (!tokens.empty()) {
        const Token* token = router_.tokens().Find(tokens[0], user_);
        if (token == nullptr || token->vm != vm_.get())
            return Refuse(Cat("unknown token ", Shown(tokens[0])), ErrorCode::kUnknownToken);
        session = token->session;
        if (IsDone(*token, request)) return Answer({});
        if (session == nullptr || (session->reserved() && !MayRepeat(*session, request)))
            return Refuse(Cat("token already used: ", Shown(tokens[0])), ErrorCode::kTokenInUse);
    }
    const bool exec = code == ControlCode::kExecCmd;
    const Relocation relocation{session == nullptr ? kNullSession : session->base(),
                                vm_->extended()};
    auto relocated = RelocateProcess(exec, request.data, relocation);
    if (!relocated) return Refuse(relocated.error().message);
    if (auto fits = vm_->CheckSize(relocated->data); !fits) return Refuse(fits.error().message);
    held_session_ = session == nullptr ? 0 : session->base();
    if (session == nullptr || session->reserved())
        return SendToAgent(vm_, code, relocated->data, held_session_, request.request_id);

    session->Reserve(exec, std::move(relocated->container), number_, request.request_id);
    if (session->shim() != nullptr)
        return SendToAgent(vm_, code, relocated->data, held_session_, request.request_id);
    held_code_ = code;
    held_data_ = std::move(relocated->data);
    held_request_ = request.request_id;
    held_token_ = tokens[0];
    waits_for_ = vm_;
    WaitFor(Wait::kShim, kShimDeadline, &Client::ShimIsMissing);
}

void Client::ShimArrived() {
    if (wait_ != Wait::kShim) return;
    deadline_.Cancel();
    SendToAgent(waits_for_, held_code_, std::exchange(held_data_, {}), held_session_,
                held_request_);
}

void Client::ShimIsMissing() {
    if (input_ended_) return Gone();
    waits_for_->StopWaitingForShim(held_session_);
    Refuse(Cat("timeout waiting for shim with token ", held_token_), ErrorCode::kTimeout);
}

void Client::SendToAgent(const std::shared_ptr<Vm>& vm, ControlCode code, std::string_view data,
                         uint64_t session, uint64_t request_id) {
    if (auto sent = vm->Send(code, data, number_, session, request_id); !sent) {
        if (session != 0) vm->StopWaitingForShim(session);
        return Refuse(sent.error().message);
    }
    held_code_ = code;
    if (waits_for_ != vm) waits_for_ = vm;  // `vm` may be a reference to it
    WaitFor(Wait::kReply, kReplyDeadline, &Client::ReplyIsMissing);
}

void Client::ReplyIsMissing() {
    if (input_ended_) return Gone();
    const auto vm = waits_for_;
    ++vm->counters().timeouts;
    vm->StopWaiting(number_);
    Refuse(Cat("the agent of VM ", vm->id(), " has not answered ", HyperName(held_code_),
               " within ", kReplyDeadline.count() / 1000, " s"),
           ErrorCode::kTimeout);
}

}  // namespace cc::proxy
