// SPDX-License-Identifier: Apache-2.0
#include "proxy/status.h"

#include <unistd.h>

#include "base/json_full.h"
#include "base/text.h"
#include "base/version.h"
#include "proxy/command_names.h"

namespace cc::proxy {

namespace {

Json FlowJson(const Flow& flow) {
    return {{"frames", flow.frames}, {"bytes", flow.bytes}};
}

Json SessionJson(const SessionSnapshot& session) {
    const auto& counters = session.counters;
    Json json{{"session", session.number},
              {"container", session.container},
              {"exec", session.exec},
              {"state", session.state},
              {"shim", session.has_shim}};
    if (session.shim_pid > 0) json["shimPid"] = session.shim_pid;
    json["queued"] = session.queued;
    json["queuedMax"] = counters.queue.most;
    json["stdin"] = FlowJson(counters.in);
    json["stdout"] = FlowJson(counters.out);
    json["stderr"] = FlowJson(counters.err);
    json["dropped"] = FlowJson(counters.dropped);
    json["stalls"] = counters.stalls;
    json["stdinStalls"] = counters.stdin_stalls;
    return json;
}

Json PortJson(const Flow& to_agent, const Flow& from_agent, size_t queued, const QueueMark& mark) {
    return {{"toAgent", FlowJson(to_agent)},
            {"fromAgent", FlowJson(from_agent)},
            {"queued", queued},
            {"queuedMax", mark.most}};
}

Json VmJson(const VmSnapshot& vm) {
    const auto& counters = vm.counters;
    Json json{{"id", vm.id},
              {"state", vm.registered ? vm.state : "leaving"},
              {"extension", vm.extension},
              {"ageMs", vm.age.count()},
              {"sessionCount", vm.session_count},
              {"control", PortJson(counters.control_out, counters.control_in, vm.control_queued,
                                   counters.control_queue)},
              {"io", PortJson(counters.io_out, counters.io_in, vm.io_queued, counters.io_queue)},
              {"commands", counters.commands},
              {"commandErrors", counters.command_errors},
              {"commandTimeouts", counters.timeouts},
              {"unanswered", vm.unanswered},
              {"stalls", counters.stalls},
              {"dropped", FlowJson(counters.strays)}};
    Json sessions = Json::array();
    for (const auto& session : vm.sessions)
        sessions.push_back(SessionJson(session));
    json["sessions"] = std::move(sessions);
    return json;
}

Json CommandsJson(const RouterCounters& counters) {
    Json json = Json::object();
    for (size_t i = 0; i < counters.commands.size(); ++i)
        if (const auto& count = counters.commands[i]; count.served > 0)
            json[CommandName(i)] = {{"served", count.served}, {"refused", count.refused}};
    return json;
}

}  // namespace

std::string StatusJson(const StatusHead& head, const Snapshot& snapshot) {
    const auto& counters = snapshot.counters;
    Json json{{"version", kRelease},
              {"pid", ::getpid()},
              {"socket", head.socket},
              {"mode", head.mode},
              {"uptimeMs", head.uptime.count()},
              {"clients", snapshot.clients},
              {"vmCount", snapshot.vm_count},
              {"sessionCount", snapshot.session_count},
              {"connections", counters.connections},
              {"connectionsRefused", counters.connections_refused},
              {"logLinesDropped", counters.log_lines_dropped},
              {"commands", CommandsJson(counters)}};
    Json vms = Json::array();
    for (const auto& vm : snapshot.vms)
        vms.push_back(VmJson(vm));
    json["vms"] = std::move(vms);
    return json.dump(-1, ' ', true, Json::error_handler_t::replace);
}

}  // namespace cc::proxy
