// SPDX-License-Identifier: Apache-2.0
#include <cstdio>

#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/text.h"
#include "runtime/app.h"
#include "runtime/network/follow.h"
#include "runtime/oci/capabilities.h"
#include "runtime/oci/exec_process.h"
#include "runtime/oci/guest_message.h"
#include "runtime/sandbox/console.h"
#include "runtime/sandbox/exec_shim.h"
#include "runtime/sandbox/wait.h"
#include "runtime/verbs.h"

namespace cc::runtime {

namespace {

Result<ExecProcess> ReadProcess(const OciSpec& container, const CliValues& own) {
    if (const std::string file = own.Get("process"); !file.empty()) {
        CC_ASSIGN(const std::string text, ReadFile(file, kMaxSpecBytes));
        return Context(file, ReadExecProcess(text));
    }
    ExecRequest request;
    request.command = own.All("command");
    if (own.Has("cwd")) request.cwd = own.Get("cwd");
    request.env = own.All("env");
    request.tty = own.Has("tty");
    request.user = own.Get("user");
    request.additional_gids = own.All("additional-gids");
    request.capabilities = own.All("cap");
    request.no_new_privileges = own.Has("no-new-privs");
    return MakeExecProcess(container, request);
}

// `ps` tells of the shims that live.
Result<void> Remember(const Store& store, ContainerRecord& container, const Shim& shim) {
    std::erase_if(container.exec_shims, [](const ProcessId& known) { return !IsAlive(known); });
    container.exec_shims.push_back(Identify(shim.process().pid()));
    return store.Save(container);
}

// On standard error, as with runc, because who typed it looks there.
void WarnOfCapabilities(const std::vector<std::string>& names) {
    for (const auto& name : names) {
        if (IsCapability(name)) continue;
        const std::string line = Cat("--cap ", Quoted(name, 64), ": no such capability, left out");
        std::fprintf(stderr, "cc-runtime: warning: %s\n", line.c_str());
        Log(LogLevel::kWarn, line);
    }
}

// Checks, forks and starts, under the container's lock.
Result<Shim> Launch(App& app, const Store& store, const CliValues& own) {
    CC_ASSIGN(const RuntimeConfig config, app.LoadConfig());
    const std::string id = own.Get("container-id");
    CC_ASSIGN(const FileLock lock, store.LockContainer(id));
    CC_ASSIGN(ContainerRecord container, store.LoadContainer(id));
    // One that waits for its start has its namespaces already, unless an old guest image makes it
    // only then.
    if (const Status status = CurrentStatus(container, store);
        status == Status::kPaused || !IsInGuest(status, container))
        return Fail(Cat("cannot exec in a ", Name(status), " container"));
    CC_ASSIGN(const SandboxRecord sandbox, store.LoadSandbox(container.sandbox_id));
    // Who has just connected it to a network looks from inside.
    CatchUpWithNetwork(store, container, sandbox);
    CC_ASSIGN(const std::string text, store.LoadConfig(id));
    CC_ASSIGN(const OciSpec spec, ParseSpec(text));
    CC_ASSIGN(ExecProcess process, ReadProcess(spec, own));
    const bool detach = own.Has("detach");
    const ConsoleOptions console{own.Get("console"), own.Get("console-socket"), detach};
    CC_TRY(CheckConsole(console, process.process.terminal));
    if (const auto size = TerminalSize(STDIN_FILENO); size && process.process.terminal && !detach) {
        CC_ASSIGN(process, WithConsoleSize(std::move(process), size->rows, size->columns));
    }
    CC_ASSIGN(const std::string cgroup, SubCgroup(own.All("cgroup")));
    CC_ASSIGN(const std::string message,
              ExecMessage(process.process, process.json, container.id, cgroup));
    CC_ASSIGN(const Fd terminal, OpenConsole(console, static_cast<int>(process.process.rows),
                                             static_cast<int>(process.process.columns)));
    CC_ASSIGN(Shim shim, ForkExecShim(container, sandbox,
                                      {.executable = config.shim_path,
                                       .title = process.process.args,
                                       .terminal = process.process.terminal,
                                       .console = terminal.get(),
                                       .debug = app.debug || config.shim_debug}));
    auto started = StartInGuest(sandbox, message, shim, cgroup.empty() ? 0 : kSubCgroupExtension);
    if (!started && !cgroup.empty()) started = Context("--cgroup", std::move(started));
    if (started && !own.Get("pid-file").empty())
        started = Context("pid file", WriteFileAtomic(own.Get("pid-file"),
                                                      std::to_string(shim.process().pid()), 0644));
    if (started) started = Remember(store, container, shim);
    if (!started) {
        shim.Kill();
        return Failure(started.error());
    }
    return shim;
}

Result<int> Exec(App& app, const CliValues& own) {
    if (const std::string count = own.Get("preserve-fds", "0"); count != "0")
        return Fail(Cat("--preserve-fds ", Quoted(count),
                        ": descriptors of the host cannot be passed into a virtual machine"));
    for (const char* label : {"process-label", "apparmor"})
        if (own.Has(label))
            Log(LogLevel::kWarn, "ignored: the guest has no such security module",
                {{"option", label}});
    if (own.Get("process").empty()) WarnOfCapabilities(own.All("cap"));
    CC_ASSIGN(const Store store, app.OpenStore());
    const TerminalKeeper terminal;
    ForegroundWait foreground;
    CC_ASSIGN(const Shim shim,
              Context(Cat("exec in container ", Quoted(own.Get("container-id"), 64)),
                      Launch(app, store, own)));
    if (own.Has("detach")) return 0;
    return foreground.Wait(shim.process());
}

}  // namespace

CliCommand ExecVerb() {
    return {
        .name = "exec",
        .help = "run another process in a container",
        .options =
            {ContainerId(),
             {.names = "command",
              .value = "COMMAND",
              .help = "program and arguments",
              .many = true},
             {.names = "--console", .value = "PATH", .help = "terminal that becomes the process's"},
             {.names = "--console-socket",
              .value = "PATH",
              .help = "UNIX socket that is sent the master of the process's terminal"},
             {.names = "--cwd", .value = "DIR", .help = "working directory"},
             {.names = "-e,--env",
              .value = "NAME=VALUE",
              .help = "environment variable to add",
              .many = true},
             {.names = "-t,--tty", .value = "", .help = "give the process a terminal"},
             {.names = "-u,--user", .value = "UID[:GID]", .help = "user to run as"},
             {.names = "-g,--additional-gids",
              .value = "GID",
              .help = "additional group",
              .many = true},
             {.names = "-p,--process", .value = "FILE", .help = "OCI process object as JSON"},
             {.names = "-d,--detach", .value = "", .help = "do not wait for the process's end"},
             {.names = "--pid-file",
              .value = "FILE",
              .help = "file to write the pid of the shim to"},
             {.names = "-c,--cap", .value = "CAP", .help = "capability to add", .many = true},
             {.names = "--no-new-privs", .value = "", .help = "set no_new_privs"},
             {.names = "--preserve-fds",
              .value = "N",
              .help = "must be 0: descriptors cannot enter a virtual machine"},
             {.names = "--cgroup",
              .value = "PATH",
              .help = "cgroup to run in, which exists below the container's in the guest",
              .many = true},
             {.names = "--process-label",
              .value = "LABEL",
              .help = "ignored: the guest has no SELinux"},
             {.names = "--apparmor",
              .value = "PROFILE",
              .help = "ignored: the guest has no AppArmor"},
             {.names = "--ignore-paused",
              .value = "",
              .help = "refused when the container is paused: the process would be held before it "
                      "runs"},
             {.names = "--no-subreaper",
              .value = "",
              .help = "accepted for compatibility",
              .hidden = true}},
        .stop_at_positional = true,
        // As runc: to be told from an exit status of the process.
        .run = Run(Exec, 255)};
}

}  // namespace cc::runtime
