// SPDX-License-Identifier: Apache-2.0
// The processes of a container. Engines ask for JSON and look the pids up on the host, where shims
// stand for processes and carry their command lines; people want to see what runs in the guest.
#include <cstdio>

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/text.h"
#include "protocol/agent_messages.h"
#include "protocol/process_list.h"
#include "runtime/app.h"
#include "runtime/oci/spec.h"
#include "runtime/ps_options.h"
#include "runtime/sandbox/agent_call.h"
#include "runtime/verbs.h"

namespace cc::runtime {

namespace {

constexpr size_t kMostOfFile = 1 << 20;

std::string HostPids(const ContainerRecord& container) {
    std::vector<std::string> pids;
    if (IsAlive(container.shim)) pids.push_back(std::to_string(container.shim.pid));
    for (const auto& shim : container.exec_shims)
        if (IsAlive(shim)) pids.push_back(std::to_string(shim.pid));
    // As runc has it.
    return pids.empty() ? "null" : Cat("[", Join(pids, ","), "]");
}

// Names by number from a file of the container's image in the form of /etc/passwd. It is the
// container's to write, so it may be anything but what the host waits for.
std::map<uint32_t, std::string> NamesFrom(const std::string& root, const char* path) {
    std::map<uint32_t, std::string> names;
    const auto top = OpenFile(root, O_PATH | O_DIRECTORY);
    if (!top) return names;
    open_how how{};
    how.flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
    how.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
    const Fd file =
        Fd::Adopt(static_cast<int>(::syscall(SYS_openat2, top->get(), path, &how, sizeof how)));
    struct stat status {};
    if (!file || ::fstat(file.get(), &status) < 0 || !S_ISREG(status.st_mode)) return names;
    const auto text = ReadAll(file.get(), kMostOfFile);
    if (!text) return names;
    for (const auto& line : Split(*text, '\n')) {
        const auto fields = Split(line, ':');
        const auto id = fields.size() > 2 ? ParseNumber<uint32_t>(fields[2]) : std::nullopt;
        if (id && !fields[0].empty()) names.try_emplace(*id, fields[0]);
    }
    return names;
}

// Those that the container's own ps would show. In a user namespace its numbers are others than the
// guest's, and stay numbers.
ProcessNames NamesIn(const Store& store, const ContainerRecord& container) {
    const auto text = store.LoadConfig(container.id);
    const auto spec = text ? ParseSpec(*text) : Failure(text.error());
    if (!spec || spec->Namespace("user") != nullptr) return {};
    ProcessNames names{NamesFrom(container.rootfs, "etc/passwd"),
                       NamesFrom(container.rootfs, "etc/group")};
    names.users.try_emplace(0, "root");
    names.groups.try_emplace(0, "root");
    return names;
}

Result<std::string> AskGuest(const Store& store, const ContainerRecord& container,
                             const PsRequest& request) {
    CC_ASSIGN(const SandboxRecord sandbox, store.LoadSandbox(container.sandbox_id));
    CC_ASSIGN(Attached guest, Attach(sandbox, 0));
    PsContainer message{container.id, std::string(kProcessListFormat), {}};
    if (request.threads) message.ps_args.emplace_back(kThreadsArgument);
    const auto ask = [&] {
        return CallAgent(guest.client, ControlCode::kPsContainer, Encode(message));
    };
    if (guest.extension >= kProcessListExtension) {
        CC_ASSIGN(const std::string answer, ask());
        CC_ASSIGN(const ProcessList list, ParseProcessList(answer));
        if (list.omitted > 0)
            Log(LogLevel::kWarn, "there are more processes than can be told at once",
                {{"missing", std::to_string(list.omitted)}});
        return FormatProcesses(list, request.columns, NamesIn(store, container));
    }
    if (!request.usual)
        return Fail("the agent in the virtual machine is too old for other ps options than -ef");
    message.format = "table";
    return ask();
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
    CC_ASSIGN(const PsRequest request, ParsePsOptions(own.All("ps-options")));
    const Status status = CurrentStatus(container, store);
    if (status == Status::kStopped) {
        // As with runc: nothing runs in it.
        std::fputs(FormatProcesses({}, request.columns).c_str(), stdout);
        return 0;
    }
    if (!IsInGuest(status, container))
        return Fail(Cat("container ", Quoted(id, 64), ": container not running (it is ",
                        Name(status), ")"));
    CC_ASSIGN(const std::string table,
              Context(Cat("container ", Quoted(id, 64)), AskGuest(store, container, request)));
    std::fputs(table.c_str(), stdout);
    return 0;
}

}  // namespace

CliCommand PsVerb() {
    return {.name = "ps",
            .help = "list the processes of a container",
            .options = {ContainerId(),
                        {.names = "-f,--format",
                         .value = "FORMAT",
                         .help = "table (default): the processes in the guest, as ps shows them; "
                                 "json: pids on the host, of the shims that stand for processes"},
                        {.names = "ps-options",
                         .value = "OPTION",
                         .help = "of procps: -ef (default), -e, aux, -o LIST, -L, -T ...",
                         .many = true}},
            .stop_at_positional = false,
            .stop_after_first = true,
            .run = Run(Ps)};
}

}  // namespace cc::runtime
