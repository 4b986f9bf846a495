// SPDX-License-Identifier: Apache-2.0
#include "runtime/app.h"

#include <cstdio>

#include "base/log.h"
#include "base/text.h"

namespace cc::runtime {

namespace {

constexpr std::string_view kName = "cc-runtime";
constexpr std::string_view kDefaultRoot = "/run/clear-containers";

// The log's file is opened anew when debugging turns out to be wanted only after the configuration
// was read.
LogOptions log_options;

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
    return StartLog(log_options);
}

Result<App> MakeApp(const CliValues& global) {
    CC_TRY(SetUpLog(global));
    if (global.Has("systemd-cgroup"))
        return Fail(
            "--systemd-cgroup is not supported yet; set the engine's cgroup driver to cgroupfs");
    App app;
    app.root = global.Get("root", kDefaultRoot);
    while (app.root.size() > 1 && app.root.ends_with('/'))
        app.root.pop_back();
    app.config_path = global.Get("cc-config");
    app.debug = global.Has("debug");
    return app;
}

int Report(const Error& error) {
    // One line, whatever the message is made of.
    std::string line;
    for (const char c : error.message)
        line += c == '\n' || c == '\r' ? ' ' : c;
    std::fprintf(stderr, "cc-runtime: %s\n", line.c_str());
    if (!log_options.path.empty()) Log(LogLevel::kError, line);
    return 1;
}

}  // namespace

Result<RuntimeConfig> App::LoadConfig() {
    CC_ASSIGN(RuntimeConfig config, runtime::LoadConfig(config_path));
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
         .help = "manage cgroups through systemd (not supported yet)"},
        {.names = "--rootless",
         .value = "MODE",
         .help = "accepted for compatibility, ignored",
         .hidden = true},
    };
}

std::function<int(const CliValues&, const CliValues&)> Run(Verb verb) {
    return [verb = std::move(verb)](const CliValues& global, const CliValues& own) {
        auto app = MakeApp(global);
        if (!app) return Report(app.error());
        auto status = verb(*app, own);
        return status ? *status : Report(status.error());
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
    };
}

}  // namespace cc::runtime
