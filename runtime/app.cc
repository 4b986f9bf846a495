// SPDX-License-Identifier: Apache-2.0
#include "runtime/app.h"

#include <cstdio>

#include <unistd.h>

#include "base/log.h"
#include "base/text.h"

namespace cc::runtime {

namespace {

constexpr std::string_view kName = "cc-runtime";
constexpr std::string_view kDefaultRoot = "/run/clear-containers";

// The log's file is opened anew when debugging turns out to be wanted only after the configuration
// was read.
LogOptions log_options;

// Before that there is no log to repeat an error in.
bool log_started = false;

Result<void> SetUpLog(const CliValues& global) {
    log_options.name = kName;
    log_options.path = global.Get("log");
    const bool debug = global.Has("debug");
    log_options.level = debug ? LogLevel::kDebug : LogLevel::kInfo;
    // Without --log the log is for debugging only: errors are on standard error anyway.
    if (log_options.path.empty() && !debug) log_options.path = "/dev/null";
    const auto format = ParseLogFormat(global.Get("log-format", "text"));
    if (!format)
        return Fail(Cat("--log-format ", Quoted(global.Get("log-format")), ": text or json"));
    log_options.format = *format;
    CC_TRY(StartLog(log_options));
    log_started = true;
    return {};
}

Result<void> CheckRootless(const CliValues& global) {
    const std::string mode = global.Get("rootless", "auto");
    if (mode == "auto" || mode == "false") return {};
    if (mode != "true") return Fail(Cat("--rootless ", Quoted(mode, 32), ": true, false or auto"));
    if (::geteuid() == 0) return {};
    return Fail(
        "--rootless true: virtual machines, their mounts and their namespaces need root on the "
        "host");
}

Result<App> MakeApp(const CliValues& global) {
    CC_TRY(SetUpLog(global));
    CC_TRY(CheckRootless(global));
    App app;
    app.root = global.Get("root", kDefaultRoot);
    while (app.root.size() > 1 && app.root.ends_with('/'))
        app.root.pop_back();
    app.config_path = global.Get("cc-config");
    app.debug = global.Has("debug");
    app.systemd_cgroup = global.Has("systemd-cgroup");
    return app;
}

int Report(const Error& error, int status) {
    // One line, whatever the message is made of.
    std::string line;
    for (const char c : error.message)
        line += c == '\n' || c == '\r' ? ' ' : c;
    std::fprintf(stderr, "cc-runtime: %s\n", line.c_str());
    if (log_started && !log_options.path.empty()) Log(LogLevel::kError, line);
    return status;
}

}  // namespace

Result<RuntimeConfig> App::LoadConfig() {
    CC_ASSIGN(RuntimeConfig config, runtime::LoadConfig(config_path));
    for (const auto& warning : config.warnings) {
        Log(LogLevel::kWarn, warning);
        // For a person only: what is not a terminal may become the container's standard error.
        if (::isatty(STDERR_FILENO) == 1)
            std::fprintf(stderr, "cc-runtime: warning: %s\n", warning.c_str());
    }
    if (config.debug && !debug) {
        debug = true;
        log_options.level = LogLevel::kDebug;
        CC_TRY(StartLog(log_options));
    }
    return config;
}

std::vector<CliOption> GlobalOptions() {
    return {
        {.names = "--root",
         .value = "DIR",
         .help = "where state is kept (default /run/clear-containers)"},
        {.names = "--log", .value = "FILE", .help = "append the log to this file (default: none)"},
        {.names = "--log-format",
         .value = "FORMAT",
         .help = "format of the log: text (default) or json"},
        {.names = "--debug", .value = "", .help = "log more; without --log, to standard error"},
        {.names = "--cc-config",
         .value = "FILE",
         .help = "configuration file to use instead of the default ones"},
        {.names = "--cc-show-default-config-paths",
         .value = "",
         .help = "print where configuration files are looked for, and exit"},
        {.names = "--systemd-cgroup",
         .value = "",
         .help = "make cgroups through systemd; cgroupsPath is \"slice:prefix:name\" then"},
        {.names = "--rootless",
         .value = "true|false|auto",
         .help = "without root: not supported, so only true makes a difference, and is refused"},
        {.names = "--criu",
         .value = "PATH",
         .help = "accepted for compatibility: there are no checkpoints",
         .hidden = true},
    };
}

std::vector<CliSection> ManualSections() {
    return {
        {"DESCRIPTION",
         "cc-runtime has the command line of runc, and engines call it as they call that (see "
         "setup):\nits containers run in virtual machines, those of a pod in one together. What a "
         "container's\nconfig.json asks for holds in the guest; what cannot is an error or a "
         "warning.\n\n"
         "Each call is a process of its own that ends with its command. What stays of a container "
         "are\nits shims (cc-shim), one a process, the keeper of its machine (cc-vmm) and, for all "
         "of them,\ncc-proxy, which the first container starts where no service manager has."},
        {"EXIT STATUS",
         "0 on success, 1 on failure, with one line on standard error that says what, where and "
         "why. run and exec\nexit with the status of the process, 128 + N when signal N ended it; "
         "exec exits with 255 when\nthe process could not be started."},
        {"FILES",
         "  /etc/clear-containers/configuration.toml\n"
         "  /usr/share/defaults/clear-containers/configuration.toml\n"
         "The first that exists is read; its comments explain every key. Without one everything\n"
         "has its default.\n\n"
         "  /run/clear-containers\n"
         "State of containers (see --root), directories of virtual machines, and cc-proxy's socket "
         "and log.\n\n"
         "  /etc/docker/daemon.json\n  /etc/containerd/config.toml\n"
         "  /etc/containers/containers.conf.d/cc-runtime.conf\n"
         "  /etc/crio/crio.conf.d/50-cc-runtime.conf\n"
         "What setup edits. Of daemon.json, which has no comments, setup keeps a copy,\n"
         "daemon.json.before-cc-runtime, until --undo."},
        {"SEE ALSO", "cc-proxy(8), cc-shim(8), cc-vmm(8), cc-agent(8)"},
    };
}

std::function<int(const CliValues&, const CliValues&)> Run(Verb verb, int failure) {
    return [verb = std::move(verb), failure](const CliValues& global, const CliValues& own) {
        auto app = MakeApp(global);
        if (!app) return Report(app.error(), failure);
        auto status = verb(*app, own);
        return status ? *status : Report(status.error(), failure);
    };
}

CliOption ContainerId() {
    return {
        .names = "container-id", .value = "ID", .help = "name of the container", .required = true};
}

std::vector<CliOption> CreateOptions() {
    return {
        // Not required for the parser, because --list-steps goes without.
        {.names = "container-id", .value = "ID", .help = "name of the container"},
        {.names = "-b,--bundle",
         .value = "DIR",
         .help = "directory with config.json (default: the current one)"},
        {.names = "--console", .value = "PATH", .help = "terminal that becomes the container's"},
        {.names = "--console-socket",
         .value = "PATH",
         .help = "UNIX socket that is sent the master of the container's terminal"},
        {.names = "--pid-file",
         .value = "FILE",
         .help = "file to write the pid of the container's shim to"},
        {.names = "--no-pivot",
         .value = "",
         .help = "accepted for compatibility: the guest's root is always pivoted"},
        {.names = "--no-new-keyring",
         .value = "",
         .help = "accepted for compatibility: keys stay in the guest"},
        {.names = "--preserve-fds",
         .value = "N",
         .help = "must be 0: descriptors cannot enter a virtual machine"},
        {.names = "--fail-after",
         .value = "STEP",
         .help = "for tests: fail after this step",
         .hidden = true},
        {.names = "--kill-after",
         .value = "STEP",
         .help = "for tests: be killed after this step",
         .hidden = true},
        {.names = "--list-steps",
         .value = "",
         .help = "for tests: print the steps of creation",
         .hidden = true},
        {.names = "--list-join-steps",
         .value = "",
         .help = "for tests: print those of a creation that joins a sandbox",
         .hidden = true},
    };
}

}  // namespace cc::runtime
