// SPDX-License-Identifier: Apache-2.0
// The processes of a container. Engines ask for JSON and look the pids up on the host, where shims
// stand for processes and carry their command lines; people want to see what runs in the guest.
#include <cstdio>

#include "base/text.h"
#include "protocol/agent_messages.h"
#include "runtime/app.h"
#include "runtime/sandbox/agent_call.h"
#include "runtime/verbs.h"

namespace cc::runtime {

namespace {

// Of the table that the agent makes.
constexpr const char* kHeading = "UID          PID    PPID  C STIME TTY          TIME CMD\n";

std::string HostPids(const ContainerRecord& container) {
    std::vector<std::string> pids;
    if (IsAlive(container.shim)) pids.push_back(std::to_string(container.shim.pid));
    for (const auto& shim : container.exec_shims)
        if (IsAlive(shim)) pids.push_back(std::to_string(shim.pid));
    // As runc has it.
    return pids.empty() ? "null" : Cat("[", Join(pids, ","), "]");
}

// The guest has no ps program whose options could be had; its agent makes the table of `ps -ef`.
Result<void> CheckPsOptions(const std::vector<std::string>& options) {
    for (const auto& option : options)
        if (option != "-ef" && option != "-e" && option != "-f" && option != "ef")
            return Fail(Cat("ps option ", Quoted(option, 64),
                            ": only -ef is possible; for others run the container's own ps with "
                            "`exec`, if it has one"));
    return {};
}

Result<int> Ps(App& app, const CliValues& own) {
    const std::string id = own.Get("container-id");
    const std::string format = own.Get("format", "table");
    if (format != "table" && format != "json")
        return Fail(Cat("invalid format option: ", Quoted(format, 64)));
    CC_ASSIGN(const Store store, app.OpenStore());
    CC_ASSIGN(const ContainerRecord container, store.LoadContainer(id));
    if (format == "json") {
        std::printf("%s\n", HostPids(container).c_str());
        return 0;
    }
    CC_TRY(CheckPsOptions(own.All("ps-options")));
    const Status status = CurrentStatus(container, store);
    if (status == Status::kStopped) {
        std::fputs(kHeading, stdout);  // as with runc: nothing runs in it
        return 0;
    }
    if (!IsInGuest(status, container))
        return Fail(Cat("container ", Quoted(id, 64), ": container not running (it is ",
                        Name(status), ")"));
    CC_ASSIGN(const std::string table,
              Context(Cat("container ", Quoted(id, 64)),
                      CallGuest(store, container, ControlCode::kPsContainer,
                                Encode(PsContainer{id, "table", {}}))));
    std::fputs(table.c_str(), stdout);
    return 0;
}

}  // namespace

CliCommand PsVerb() {
    return {
        .name = "ps",
        .help = "list the processes of a container",
        .options = {ContainerId(),
                    {.names = "-f,--format",
                     .value = "FORMAT",
                     .help = "table (default): the processes in the guest, as ps -ef shows them; "
                             "json: pids on the host, of the shims that stand for processes"},
                    {.names = "ps-options",
                     .value = "OPTION",
                     .help = "only -ef, which is the default",
                     .many = true}},
        .stop_at_positional = false,
        .stop_after_first = true,
        .run = Run(Ps)};
}

}  // namespace cc::runtime
