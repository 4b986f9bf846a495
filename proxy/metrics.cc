// SPDX-License-Identifier: Apache-2.0
#include "proxy/metrics.h"

#include <unordered_set>

#include "base/text.h"
#include "base/version.h"
#include "proxy/command_names.h"
#include "proxy/limits.h"

namespace cc::proxy {

namespace {

// A label's value. The format knows the escapes \\, \" and \n only, so the others of Quoted() are
// shown with their backslash.
std::string Label(std::string_view text) {
    const std::string quoted = Quoted(text, kMaxVmIdSize);
    std::string out;
    for (size_t i = 0; i < quoted.size(); ++i) {
        out += quoted[i];
        if (quoted[i] != '\\') continue;
        const char next = quoted[++i];
        if (next == 'x' || next == 't') out += '\\';
        out += next;
    }
    return out;
}

std::string Seconds(std::chrono::milliseconds time) {
    const std::string thousandths = Cat(1000 + time.count() % 1000);
    return Cat(time.count() / 1000, ".", thousandths.substr(1));
}

// The samples of one metric stand together in the text, under its description; so it is written
// metric by metric, each going over all VMs.
class Page {
  public:
    void Metric(std::string_view name, std::string_view type, std::string_view help) {
        name_ = Cat("cc_proxy_", name);
        text_ += Cat("# HELP ", name_, " ", help, "\n# TYPE ", name_, " ", type, "\n");
    }
    void Sample(std::string_view labels, std::string_view value) {
        text_ += labels.empty() ? Cat(name_, " ", value, "\n")
                                : Cat(name_, "{", labels, "} ", value, "\n");
    }
    void Sample(std::string_view labels, uint64_t value) { Sample(labels, Cat(value)); }
    void One(std::string_view name, std::string_view type, std::string_view help, uint64_t value) {
        Metric(name, type, help);
        Sample("", value);
    }
    std::string Take() { return std::move(text_); }

  private:
    std::string name_;
    std::string text_;
};

struct LabelledSession {
    std::string labels;
    const SessionSnapshot* session;
};
struct LabelledVm {
    std::string labels;
    const VmSnapshot* vm;
    std::vector<LabelledSession> sessions;
};

// Two samples of the same labels make a text invalid. An unregistered VM whose sessions still end
// may have the name of a new one; the new one comes first.
std::vector<LabelledVm> LabelAll(const Snapshot& snapshot) {
    std::unordered_set<std::string> seen;
    std::vector<LabelledVm> all;
    for (const auto& vm : snapshot.vms) {
        LabelledVm labelled{Cat("vm=", Label(vm.id)), &vm, {}};
        if (!seen.insert(labelled.labels).second) continue;
        for (const auto& session : vm.sessions)
            labelled.sessions.push_back({Cat(labelled.labels, ",session=\"", session.number,
                                             "\",container=", Label(session.container)),
                                         &session});
        all.push_back(std::move(labelled));
    }
    return all;
}

void WriteProxy(Page& page, const Snapshot& snapshot, size_t listed_sessions,
                std::chrono::milliseconds uptime) {
    page.Metric("info", "gauge", "The proxy's version.");
    page.Sample(Cat("version=", Label(kRelease)), 1);
    page.Metric("uptime_seconds", "gauge", "Time since the proxy started.");
    page.Sample("", Seconds(uptime));
    page.One("clients", "gauge", "Connections of runtimes and shims.", snapshot.clients);
    page.One("vms", "gauge", "Virtual machines.", snapshot.vm_count);
    page.One("sessions", "gauge", "Sessions of all virtual machines.", snapshot.session_count);
    page.One("sessions_unlisted", "gauge", "Sessions without samples of their own below.",
             snapshot.session_count - listed_sessions);
    page.One("tokens", "gauge", "Tokens that are known, spent ones included.", snapshot.tokens);
    const auto& counters = snapshot.counters;
    page.One("connections_total", "counter", "Connections taken.", counters.connections);
    page.One("connections_refused_total", "counter", "Connections beyond the limits.",
             counters.connections_refused);
    page.One("log_lines_dropped_total", "counter", "Lines of clients that log too much.",
             counters.log_lines_dropped);
    page.Metric("commands_total", "counter", "Commands of clients.");
    for (size_t i = 0; i < counters.commands.size(); ++i)
        if (counters.commands[i].served > 0)
            page.Sample(Cat("command=", Label(CommandName(i))), counters.commands[i].served);
    page.Metric("command_errors_total", "counter", "Commands of clients answered with an error.");
    for (size_t i = 0; i < counters.commands.size(); ++i)
        if (counters.commands[i].served > 0)
            page.Sample(Cat("command=", Label(CommandName(i))), counters.commands[i].refused);
}

void WritePorts(Page& page, const std::vector<LabelledVm>& vms) {
    const auto flows = [&](uint64_t Flow::*value) {
        for (const auto& [labels, vm, sessions] : vms) {
            const auto& counters = vm->counters;
            const std::pair<std::string_view, const Flow*> ports[] = {
                {",port=\"control\",direction=\"to_agent\"", &counters.control_out},
                {",port=\"control\",direction=\"from_agent\"", &counters.control_in},
                {",port=\"io\",direction=\"to_agent\"", &counters.io_out},
                {",port=\"io\",direction=\"from_agent\"", &counters.io_in}};
            for (const auto& [port, flow] : ports)
                page.Sample(Cat(labels, port), flow->*value);
        }
    };
    page.Metric("vm_frames_total", "counter", "Messages to and from the agent.");
    flows(&Flow::frames);
    page.Metric("vm_bytes_total", "counter", "Payload of messages to and from the agent.");
    flows(&Flow::bytes);
    const auto queues = [&](size_t control, size_t io, std::string_view labels) {
        page.Sample(Cat(labels, ",port=\"control\""), control);
        page.Sample(Cat(labels, ",port=\"io\""), io);
    };
    page.Metric("vm_queued_bytes", "gauge", "Bytes that the agent has not taken yet.");
    for (const auto& [labels, vm, sessions] : vms)
        queues(vm->control_queued, vm->io_queued, labels);
    page.Metric("vm_queued_bytes_max", "gauge", "The most that ever waited for the agent.");
    for (const auto& [labels, vm, sessions] : vms)
        queues(vm->counters.control_queue.most, vm->counters.io_queue.most, labels);
}

void WriteVms(Page& page, const std::vector<LabelledVm>& vms) {
    page.Metric("vm_state", "gauge", "1, the state as a label.");
    for (const auto& [labels, vm, sessions] : vms)
        page.Sample(Cat(labels, ",state=\"", vm->state, "\",extension=\"", vm->extension, "\""), 1);
    page.Metric("vm_age_seconds", "gauge", "Time since RegisterVM.");
    for (const auto& [labels, vm, sessions] : vms)
        page.Sample(labels, Seconds(vm->age));
    const auto write = [&](std::string_view name, std::string_view type, std::string_view help,
                           auto value) {
        page.Metric(name, type, help);
        for (const auto& [labels, vm, sessions] : vms)
            page.Sample(labels, value(*vm));
    };
    using Shown = const VmSnapshot&;
    write("vm_sessions", "gauge", "Sessions.", [](Shown vm) { return vm.session_count; });
    write("vm_stalls_total", "counter", "Times the I/O port was held back by a slow shim.",
          [](Shown vm) { return vm.counters.stalls; });
    write("vm_dropped_frames_total", "counter", "Messages that belong to no session.",
          [](Shown vm) { return vm.counters.strays.frames; });
    write("vm_commands_total", "counter", "Commands sent to the agent.",
          [](Shown vm) { return vm.counters.commands; });
    write("vm_command_errors_total", "counter", "Commands the agent answered with an error.",
          [](Shown vm) { return vm.counters.command_errors; });
    write("vm_command_timeouts_total", "counter", "Commands whose client has given up.",
          [](Shown vm) { return vm.counters.timeouts; });
    write("vm_commands_unanswered", "gauge", "Commands the agent has not answered.",
          [](Shown vm) { return vm.unanswered; });
}

void WriteSessions(Page& page, const std::vector<LabelledVm>& vms) {
    const auto each = [&](const auto& write) {
        for (const auto& vm : vms)
            for (const auto& [labels, session] : vm.sessions)
                write(labels, *session);
    };
    using Shown = const SessionSnapshot&;
    const auto flows = [&](uint64_t Flow::*value) {
        each([&](const std::string& labels, Shown session) {
            page.Sample(Cat(labels, ",stream=\"stdin\""), session.counters.in.*value);
            page.Sample(Cat(labels, ",stream=\"stdout\""), session.counters.out.*value);
            page.Sample(Cat(labels, ",stream=\"stderr\""), session.counters.err.*value);
        });
    };
    const auto write = [&](std::string_view name, std::string_view type, std::string_view help,
                           auto value) {
        page.Metric(name, type, help);
        each(
            [&](const std::string& labels, Shown session) { page.Sample(labels, value(session)); });
    };
    page.Metric("session_frames_total", "counter", "Pieces of a process's streams.");
    flows(&Flow::frames);
    page.Metric("session_bytes_total", "counter", "Bytes of a process's streams.");
    flows(&Flow::bytes);
    write("session_queued_bytes", "gauge", "Bytes that the shim has not taken yet.",
          [](Shown session) { return session.queued; });
    write("session_queued_bytes_max", "gauge", "The most that ever waited for the shim.",
          [](Shown session) { return session.counters.queue.most; });
    write("session_dropped_bytes_total", "counter", "Output lost while the shim was away.",
          [](Shown session) { return session.counters.dropped.bytes; });
    page.Metric("session_stalls_total", "counter", "Times the writer of a stream was held back.");
    each([&](const std::string& labels, Shown session) {
        page.Sample(Cat(labels, ",stream=\"stdin\""), session.counters.stdin_stalls);
        page.Sample(Cat(labels, ",stream=\"output\""), session.counters.stalls);
    });
}

}  // namespace

std::string PrometheusText(const Snapshot& snapshot, std::chrono::milliseconds uptime) {
    const auto vms = LabelAll(snapshot);
    size_t listed_sessions = 0;
    for (const auto& vm : vms)
        listed_sessions += vm.sessions.size();
    Page page;
    WriteProxy(page, snapshot, listed_sessions, uptime);
    WritePorts(page, vms);
    WriteVms(page, vms);
    WriteSessions(page, vms);
    return page.Take();
}

}  // namespace cc::proxy
