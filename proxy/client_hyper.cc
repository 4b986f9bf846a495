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

void Client::HandleHyper(std::string_view payload) {
    const auto request = ParseHyper(payload);
    if (!request) return RefuseBadJson(payload, request.error().message);
    const auto& tokens = request->tokens;
    if (!vm_) return Refuse("client not attached to a vm");
    const auto code = ParseHyperName(request->hyper_name);
    if (!code) return Refuse(Cat("unknown command '", Shown(request->hyper_name), "'"));
    if (*code == ControlCode::kVersion) return Refuse("the proxy itself negotiates the version");
    if (!vm_->running()) return Refuse("No multicast available for CTL channel");
    if (*code == ControlCode::kNewContainer || *code == ControlCode::kExecCmd)
        return StartProcess(*code, tokens, request->data);
    if (!tokens.empty())
        return Refuse(Cat(request->hyper_name, " doesn't need tokens but ", tokens.size(),
                          " token(s) were given"));
    SendToAgent(vm_, *code, request->data, 0);
}

void Client::StartProcess(ControlCode code, const std::vector<std::string>& tokens,
                          std::string_view data) {
    if (tokens.size() > 1) return Refuse(Cat("expected 0 or 1 token, got ", tokens.size()));
    Session* session = nullptr;
    if (!tokens.empty()) {
        const Token* token = router_.tokens().Find(tokens[0], user_);
        if (token == nullptr || token->vm != vm_.get())
            return Refuse(Cat("unknown token ", Shown(tokens[0])));
        session = token->session;
        if (session == nullptr || session->reserved())
            return Refuse(Cat("token already used: ", Shown(tokens[0])));
    }
    const bool exec = code == ControlCode::kExecCmd;
    const Relocation relocation{session == nullptr ? kNullSession : session->base(),
                                vm_->extended()};
    auto relocated = RelocateProcess(exec, data, relocation);
    if (!relocated) return Refuse(relocated.error().message);
    if (auto fits = vm_->CheckSize(relocated->data); !fits) return Refuse(fits.error().message);
    if (session == nullptr) return SendToAgent(vm_, code, relocated->data, 0);

    session->Reserve(exec, std::move(relocated->container), number_);
    held_session_ = session->base();
    if (session->shim() != nullptr) return SendToAgent(vm_, code, relocated->data, held_session_);
    held_code_ = code;
    held_data_ = std::move(relocated->data);
    held_token_ = tokens[0];
    waits_for_ = vm_;
    WaitFor(Wait::kShim, kShimDeadline, &Client::ShimIsMissing);
}

void Client::ShimArrived() {
    if (wait_ != Wait::kShim) return;
    deadline_.Cancel();
    SendToAgent(waits_for_, held_code_, std::exchange(held_data_, {}), held_session_);
}

void Client::ShimIsMissing() {
    if (input_ended_) return Gone();
    waits_for_->StopWaitingForShim(held_session_);
    Refuse(Cat("timeout waiting for shim with token ", held_token_));
}

void Client::SendToAgent(const std::shared_ptr<Vm>& vm, ControlCode code, std::string_view data,
                         uint64_t session) {
    if (auto sent = vm->Send(code, data, number_, session); !sent) {
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
               " within ", kReplyDeadline.count() / 1000, " s"));
}

}  // namespace cc::proxy
