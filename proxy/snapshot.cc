// SPDX-License-Identifier: Apache-2.0
#include "proxy/snapshot.h"

#include <algorithm>
#include <tuple>

#include "proxy/client.h"
#include "proxy/router.h"
#include "proxy/session.h"
#include "proxy/shown.h"
#include "proxy/vm.h"

namespace cc::proxy {

SessionSnapshot Session::TakeSnapshot() const {
    SessionSnapshot shown;
    shown.number = base_;
    shown.container = Shown(container_);
    shown.exec = exec_;
    shown.has_shim = shim_ != nullptr;
    switch (process_) {
        case ProcessState::kNone:
            shown.state = shown.has_shim ? "claimed" : "allocated";
            break;
        case ProcessState::kReserved:
            shown.state = "waiting";
            break;
        case ProcessState::kSent:
            shown.state = "starting";
            break;
        case ProcessState::kStarted:
            shown.state = "running";
            break;
    }
    if (exit_) shown.state = "exited";
    if (shown.has_shim && shim_process_) shown.shim_pid = shim_process_->pid();
    shown.queued = shown.has_shim ? shim_->queued() : kept_.size();
    shown.counters = counters_;
    return shown;
}

std::string_view Vm::StateName() const {
    switch (state_) {
        case State::kConnecting:
            return "connecting";
        case State::kWaitingReady:
            return "booting";
        case State::kNegotiating:
            return "negotiating";
        case State::kGreeting:
        case State::kListing:
            return adopting_ ? "adopting" : "negotiating";
        case State::kRunning:
            return "running";
        case State::kDraining:
            return "ending";
        case State::kLost:
            return "lost";
    }
    return "lost";
}

VmSnapshot Vm::TakeSnapshot(size_t max_sessions) const {
    VmSnapshot shown;
    shown.id = id_;
    shown.state = StateName();
    shown.registered = !unregistered_;
    shown.extension = extension_;
    shown.age = router_.world().Now() - born_;
    shown.session_count = sessions_.size();
    shown.unanswered = pending_.size();
    shown.control_queued = control_.queued();
    shown.io_queued = io_.queued();
    shown.counters = counters_;
    std::vector<const Session*> sessions;
    for (const auto& [base, session] : sessions_)
        sessions.push_back(session.get());
    std::sort(sessions.begin(), sessions.end(),
              [](const Session* a, const Session* b) { return a->base() < b->base(); });
    sessions.resize(std::min(sessions.size(), max_sessions));
    for (const Session* session : sessions)
        shown.sessions.push_back(session->TakeSnapshot());
    return shown;
}

Snapshot Router::TakeSnapshot() const {
    Snapshot shown;
    shown.clients = clients_.size();
    shown.tokens = tokens_.size();
    shown.vm_count = vms_.size();
    shown.counters = counters_;
    std::vector<const Vm*> vms;
    for (const auto& [vm, owner] : vms_) {
        vms.push_back(vm);
        shown.session_count += vm->session_count();
    }
    std::sort(vms.begin(), vms.end(), [](const Vm* a, const Vm* b) {
        return std::tuple(a->unregistered(), std::string_view(a->id())) <
               std::tuple(b->unregistered(), std::string_view(b->id()));
    });
    vms.resize(std::min(vms.size(), kMaxListedVms));
    size_t room = kMaxListedSessions;
    for (const Vm* vm : vms) {
        shown.vms.push_back(vm->TakeSnapshot(room));
        room -= shown.vms.back().sessions.size();
    }
    return shown;
}

}  // namespace cc::proxy
