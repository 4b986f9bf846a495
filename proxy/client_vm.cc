// SPDX-License-Identifier: Apache-2.0
// RegisterVM, AttachVM, UnregisterVM.
#include "base/text.h"
#include "protocol/client_messages.h"
#include "proxy/client.h"
#include "proxy/router.h"
#include "proxy/shown.h"
#include "proxy/vm.h"

namespace cc::proxy {

void Client::HandleRegisterVm(std::string_view payload) {
    const auto request = ParseRegisterVm(payload, version_);
    if (!request) return RefuseBadJson(payload, request.error().message);
    if (auto allowed = router_.CheckNewVm(request->container_id); !allowed)
        return Refuse(allowed.error().message);
    // The words are 3.0's, which goes on without a path and fails when it connects.
    if (request->ctl_serial.empty()) return Refuse("dial unix: missing address");
    if (request->container_id.empty() || request->io_serial.empty())
        return Refuse("malformed RegisterVM command");
    if (request->container_id.size() > kMaxVmIdSize)
        return Refuse(Cat("containerId has ", request->container_id.size(), " bytes, at most ",
                          kMaxVmIdSize, " are allowed"));
    if (request->num_io_streams > static_cast<int64_t>(kMaxTokensPerRequest))
        return Refuse(TooManyTokens(request->num_io_streams));
    const auto vm = std::make_shared<Vm>(router_, *request, *this);
    router_.AddVm(vm);
    waits_for_ = vm;
    WaitFor(Wait::kRegistration);  // the VM has the deadlines
    vm->Connect();
}

void Client::Registered(std::shared_ptr<Vm> vm, std::string_view response) {
    vm_ = std::move(vm);
    Answer(response);
}

void Client::HandleAttachVm(std::string_view payload) {
    const auto request = ParseAttachVm(payload, version_);
    if (!request) return RefuseBadJson(payload, request.error().message);
    const auto vm = router_.FindVm(request->container_id);
    if (!vm)
        return Refuse(Cat("unknown containerID: ", Shown(request->container_id)),
                      ErrorCode::kUnknownVm);
    if (HoldForAdoption(vm, payload)) return;
    auto connection = TakeConnection(*request, *vm);
    if (!connection) return Refuse(connection.error().message, ErrorCode::kBadRequest);
    auto tokens = vm->NewTokens(request->num_io_streams, user_);
    if (!tokens)
        return Refuse(tokens.error().message,
                      vm->lost() ? ErrorCode::kVmLost : ErrorCode::kTooMany);
    vm_ = vm;
    const bool taken =
        *connection && router_.AddClient(std::move(*connection), user_, tokens->front());
    Answer(vm->MakeIoResponse(std::move(*tokens), version_, taken));
}

Result<std::unique_ptr<Stream>> Client::TakeConnection(const AttachVm& request, const Vm& vm) {
    // Without an agent that has offsets the shim would have to begin again with version 2.
    if (!request.connection || !descriptor_ || request.num_io_streams != 1 || !vm.linked())
        return nullptr;
    return Context("the connection that came with AttachVM",
                   router_.world().TakeConnection(std::move(descriptor_)));
}

void Client::HandleUnregisterVm(std::string_view payload) {
    const auto request = ParseUnregisterVm(payload, version_);
    if (!request) return RefuseBadJson(payload, request.error().message);
    const auto vm = router_.FindVm(request->container_id);
    if (!vm)
        return Refuse(Cat("unknown containerID: ", Shown(request->container_id)),
                      ErrorCode::kUnknownVm);
    vm_ = nullptr;
    vm->Unregister();
    Answer({});
}

}  // namespace cc::proxy
