// SPDX-License-Identifier: Apache-2.0
// A VM's life: connecting, READY, the extension, the end.
#include "proxy/vm.h"

#include <algorithm>
#include <cctype>
#include <cerrno>

#include "base/log.h"
#include "base/text.h"
#include "proxy/client.h"
#include "proxy/router.h"

namespace cc::proxy {

namespace {

// Go's words for a failed connection, which 3.0 answers with; its error texts begin in lower case.
std::string DialError(const std::string& path, const Error& error) {
    if (path.empty()) return "dial unix: missing address";
    std::string why = error.message;
    if (const size_t colon = why.rfind(": "); error.code != 0 && colon != std::string::npos) {
        why = why.substr(colon + 2);
        why[0] = static_cast<char>(std::tolower(static_cast<unsigned char>(why[0])));
    }
    return Cat("dial unix ", path, ": connect: ", why);
}

}  // namespace

Vm::PortEndpoint::PortEndpoint(Vm& vm, Port port) : Endpoint(vm.router_), vm_(vm), port_(port) {}

void Vm::PortEndpoint::Data(std::string_view bytes) {
    if (port_ == Port::kControl)
        vm_.ControlData(bytes);
    else
        vm_.IoData(bytes);
}

void Vm::PortEndpoint::Ended(const Result<void>& how) {
    const std::string why = how ? "" : Cat(": ", how.error().message);
    if (port_ == Port::kControl)
        vm_.ControlEnded(Cat("its control port was closed", why));
    else
        vm_.Lose(Cat("its I/O port was closed", why));
}

void Vm::PortEndpoint::Written() {
    VmCounters& counters = vm_.counters_;
    (port_ == Port::kIo ? counters.io_queue : counters.control_queue).Saw(queued());
    if (port_ == Port::kIo) vm_.IoWritten();
}

Vm::Vm(Router& router, const RegisterVm& request, const Client& registrar)
    : router_(router),
      request_(request),
      id_(request.container_id),
      registrar_(registrar.number()),
      deadline_(router.deadlines()),
      born_(router.world().Now()),
      control_(*this, Port::kControl),
      io_(*this, Port::kIo),
      save_again_(router.deadlines()) {
    connect_until_ = router.After(kConnectDeadline);
}

Vm::Vm(Router& router, const VmRecord& record)
    : router_(router),
      request_(record.request),
      id_(record.request.container_id),
      registrar_(0),
      deadline_(router.deadlines()),
      born_(router.world().Now()),
      control_(*this, Port::kControl),
      io_(*this, Port::kIo),
      control_link_(record.marker),
      io_link_(record.marker),
      extension_(record.extension),
      offer_(record.offer),
      marker_(record.marker),
      epoch_(record.epoch),
      adopting_(true),
      record_name_(record.name),
      save_again_(router.deadlines()),
      next_base_(record.next_base) {
    unregistered_ = record.unregistered;
    connect_until_ = router.After(kConnectDeadline);
    for (const auto& session : record.sessions)
        AddSession(
            std::make_shared<Session>(*this, session, AddToken(session.token, session.user)));
    for (const auto& spent : record.spent) {
        Token* token = AddToken(spent.token, spent.user);
        token->request = spent.request;
        token->base = spent.base;
        spent_.push_back(token);
    }
}

Vm::~Vm() = default;

Result<bool> Vm::ConnectPort(Endpoint& port, const std::string& path) {
    if (port.open()) return true;
    auto stream =
        path.empty() ? Result<std::unique_ptr<Stream>>(Fail("")) : router_.world().Connect(path);
    if (stream) {
        port.Open(std::move(*stream));
        return true;
    }
    if (stream.error().code == EAGAIN && router_.world().Now() < connect_until_) return false;
    return Fail(DialError(path, stream.error()), stream.error().code);
}

void Vm::Connect() {
    std::vector<std::pair<Endpoint*, std::string>> ports{{&control_, request_.ctl_serial},
                                                         {&io_, request_.io_serial}};
    if (ConsoleLog::Wanted(request_.console)) ports.emplace_back(&console_, request_.console);
    for (const auto& [port, path] : ports) {
        const auto connected = ConnectPort(*port, path);
        // 3.0 refuses a VM for its console; one that runs already is worth more than its log.
        if (!connected && adopting_ && port == &console_) continue;
        // The VM and its directory were removed while there was no proxy.
        if (!connected && adopting_ && connected.error().code == ENOENT) {
            EndAdoption();
            return End();
        }
        if (!connected) return RegistrationFailed(connected.error().message);
        if (!*connected) return deadline_.Set(router_.After(kConnectRetry), [this] { Connect(); });
    }
    if (adopting_) return linked() ? StartEpoch() : Adopted();
    state_ = State::kWaitingReady;
    ExpectGuest(kReadyDeadline, [this] {
        RegistrationFailed(Cat("the agent of VM ", id_, " has not said READY within ",
                               kReadyDeadline.count() / 1000, " s"));
    });
}

bool Vm::paused() const {
    return router_.world().VmPaused(request_.ctl_serial);
}

void Vm::ExpectGuest(Milliseconds deadline, const Deadlines::Action& expired) {
    deadline_.Set(router_.After(deadline), [this, deadline, expired] {
        if (!paused()) return expired();
        ExpectGuest(deadline, expired);
    });
}

void Vm::HandleReady(std::string_view payload) {
    if (state_ != State::kWaitingReady) {
        Log(LogLevel::kDebug, "the agent says READY again", {{"vm", id_}});
        return;
    }
    offer_ = ParseReadyOffer(payload);
    if (offer_.extension == 0) return Registered();
    state_ = State::kNegotiating;
    ExpectGuest(kReplyDeadline, [this] {
        RegistrationFailed(Cat("the agent of VM ", id_, " has not answered VERSION within ",
                               kReplyDeadline.count() / 1000, " s"));
    });
    VersionAccept accept{std::min(offer_.extension, kAgentExtension)};
    if (accept.extension >= kLinkExtension) {
        auto token = router_.world().NewToken();
        if (!token) return RegistrationFailed(token.error().message);
        marker_ = token->substr(0, kMarkerSize);
        accept.marker = marker_;
    }
    (void)Send(ControlCode::kVersion, Encode(accept));
}

void Vm::Registered() {
    state_ = State::kRunning;
    deadline_.Cancel();
    Client* registrar = router_.FindClient(registrar_);
    if (registrar == nullptr) return RegistrationFailed("the runtime that registered it has gone");
    auto tokens = NewTokens(request_.num_io_streams, registrar->user());
    if (!tokens) return RegistrationFailed(tokens.error().message);
    router_.VmRegistered();
    Log(LogLevel::kInfo, "VM registered", {{"vm", id_}, {"extension", Cat(extension_)}});
    registrar_ = 0;
    Changed();
    registrar->Registered(shared_from_this(),
                          MakeIoResponse(std::move(*tokens), registrar->version()));
}

void Vm::RegistrarGone() {
    registrar_ = 0;
    RegistrationFailed("the runtime that registered it has gone");
}

// As if it had never been asked for.
void Vm::RegistrationFailed(std::string why) {
    if (state_ == State::kLost) return;
    if (adopting_) return Lose(std::move(why));
    Log(LogLevel::kWarn, "VM not registered", {{"vm", id_}, {"why", why}});
    Client* registrar = router_.FindClient(std::exchange(registrar_, 0));
    state_ = State::kLost;
    pending_.clear();  // VERSION at most
    End();
    if (registrar != nullptr) registrar->Refuse(why);
}

void Vm::Lose(std::string why) {
    if (state_ == State::kLost) return;
    if (!adopting_ && state_ != State::kRunning && state_ != State::kDraining)
        return RegistrationFailed(Cat("lost the VM ", id_, ": ", why));
    Log(LogLevel::kInfo, "VM lost", {{"vm", id_}, {"why", why}});
    state_ = State::kLost;
    if (why_lost_.empty()) why_lost_ = Cat("lost the VM ", id_, ": ", why);
    EndSessions(why_lost_);
    EndAdoption();
    if (unregistered_) End();
}

// A VM that dies closes both ports, and which one is noticed first is chance: the last output and
// the exit status may still be on their way.
void Vm::ControlEnded(const std::string& why) {
    if (state_ != State::kRunning) return Lose(why);
    state_ = State::kDraining;
    why_lost_ = Cat("lost the VM ", id_, ": ", why);
    FailCommands(why_lost_);
    deadline_.Set(router_.After(kDrainDeadline), [this, why] { Lose(why); });
}

void Vm::FailCommands(std::string_view why) {
    control_.Shut();
    for (const auto& pending : std::exchange(pending_, {}))
        if (Client* client = router_.FindClient(pending.client))
            client->Refuse(why, ErrorCode::kVmLost);
}

void Vm::EndSessions(std::string_view why) {
    deadline_.Cancel();
    FailCommands(why);
    io_.Shut();
    console_.Shut();
    for (auto& [base, session] : std::exchange(sessions_, {})) {
        session->VmLost(why);
        Retire(*session);
        router_.Bury(session);
    }
}

void Vm::Unregister() {
    if (adopting_)
        Lose("it was unregistered before its agent had answered");
    else if (state_ < State::kRunning)
        RegistrationFailed(Cat("the VM ", id_, " was unregistered before its agent was ready"));
    router_.VmServed();
    router_.UnregisterVm(*this);
    unregistered_ = true;
    Changed();
    if (state_ == State::kLost) return End();
    Log(LogLevel::kInfo, "VM unregistered", {{"vm", id_}});
    MaybeEnd();
}

// Processes of an unregistered VM are served to their end, and a command gets its answer.
void Vm::MaybeEnd() {
    if (!unregistered_ || lost()) return;
    for (const auto& pending : pending_)
        if (pending.client != 0) return;
    for (const auto& [base, session] : sessions_)
        if (session->shim() != nullptr && session->reserved()) return;
    End();
}

void Vm::End() {
    over_ = true;
    state_ = State::kLost;
    EndSessions(Cat("the VM ", id_, " was unregistered"));
    for (Token* token : std::exchange(spent_, {}))
        router_.tokens().Remove(token);
    Changed();
    router_.RemoveVm(*this);
}

}  // namespace cc::proxy
