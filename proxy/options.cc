// SPDX-License-Identifier: Apache-2.0
#include "proxy/options.h"

#include <cstdlib>

#include <unistd.h>

#include "base/syslog.h"
#include "base/text.h"
#include "base/version.h"

namespace cc::proxy {

namespace {

constexpr std::string_view kUriScheme = "unix://";
constexpr int kFirstActivationFd = 3;  // sd_listen_fds(3)

std::string Environment(const char* name) {
    const char* value = std::getenv(name);
    return value == nullptr ? "" : value;
}

// The socket that systemd (or anything that does as it does) has opened for us.
Result<int> ActivationFd() {
    if (ParseNumber<pid_t>(Environment("LISTEN_PID")) != ::getpid()) return -1;
    const auto count = ParseNumber<int>(Environment("LISTEN_FDS")).value_or(0);
    if (count > 1) return Fail(Cat("LISTEN_FDS is ", count, ": cc-proxy serves one socket only"));
    return count == 1 ? kFirstActivationFd : -1;
}

// 3.0's default is auto. A proxy that a runtime starts leaves the machine's settings alone unless
// it is told otherwise, as the one that 3.0's runtime starts, which is in pod mode.
Result<KsmMode> KsmModeOf(const CliValues& values, const Options& options) {
    const auto fallback = options.on_demand ? KsmMode::kInitial : KsmMode::kAuto;
    const std::string text = values.Get("ksm", KsmModeName(fallback));
    const auto mode = ParseKsmMode(text);
    if (!mode) return Fail(Cat("-ksm ", Quoted(text), ": use off, initial or auto"));
    return options.pod ? KsmMode::kInitial : *mode;
}

Result<void> ParseLogOptions(const CliValues& values, Options& options) {
    std::string level = Environment("CC_PROXY_LOG_LEVEL");
    if (level.empty()) level = values.Get("log", "warn");
    const auto parsed = ParseLogLevel(level);
    if (!parsed) return Fail(Cat("log level ", Quoted(level), ": use debug, info, warn or error"));
    options.log_level = *parsed;
    const std::string format = values.Get("log-format", "text");
    const auto parsed_format = ParseLogFormat(format);
    if (!parsed_format) return Fail(Cat("log format ", Quoted(format), ": use text or json"));
    options.log_format = *parsed_format;
    options.log_file = values.Get("log-file");
    if (values.Has("syslog") || options.pod) options.syslog = SyslogSockets();
    if (values.Has("syslog-socket")) options.syslog = {values.Get("syslog-socket")};
    return {};
}

// Those of 3.0's Go profiler, of which there is none here. Scripts that give them shall go on.
constexpr std::string_view kProfilerOptions[] = {"pprof", "pprof-host", "pprof-port"};

}  // namespace

CliProgram MakeProgram() {
    CliProgram program;
    program.name = "cc-proxy";
    program.help = "Routes commands and streams between runtimes, shims and virtual machines.";
    program.version = Cat("Version: ", kRelease);
    program.single_dash_long = true;
    program.options = {
        {.names = "--socket-path",
         .value = "PATH",
         .help = Cat("UNIX socket to listen on (", kDefaultSocket, ")")},
        {.names = "--uri",
         .value = "unix://PATH",
         .help = "Pod mode: serve one VM on this socket and end with it"},
        {.names = "--log",
         .value = "LEVEL",
         .help = "debug, info, warn, error; CC_PROXY_LOG_LEVEL in the environment wins (warn)"},
        {.names = "--ksm",
         .value = "MODE",
         .help = "Kernel same-page merging: off, initial (leave it alone; with --uri and\n"
                 "--on-demand), auto (faster after each start of a VM; otherwise)"},
        {.names = "--ksm-root",
         .value = "DIR",
         .help = "The kernel's files for it (/sys/kernel/mm/ksm)"},
        {.names = "--log-format", .value = "FORMAT", .help = "text or json (text)"},
        {.names = "--log-file",
         .value = "PATH",
         .help = "Append the log to this file instead of standard error"},
        {.names = "--syslog",
         .value = "",
         .help = "Log to the host's syslog, too; pod mode does so anyway"},
        {.names = "--syslog-socket",
         .value = "PATH",
         .help = "As --syslog, with this socket of the daemon"},
        {.names = "--status",
         .value = "",
         .help = "Show the VMs and sessions of the proxy that serves the socket, and end"},
        {.names = "--json", .value = "", .help = "With --status: as JSON"},
        {.names = "--on-demand",
         .value = "",
         .help = "Started by a client: leave its session, cgroups, namespaces behind, log to\n"
                 "proxy.log beside the socket, end when there is nothing to serve"},
        {.names = "--ready-fd",
         .value = "N",
         .help = "Write a newline to this descriptor when listening, or why not"},
    };
    for (const auto name : kProfilerOptions)
        program.options.push_back({.names = Cat("--", name),
                                   .value = name == "pprof" ? "" : "VALUE",
                                   .help = "3.0's profiler: ignored, with a warning",
                                   .hidden = true});
    return program;
}

Result<Options> ParseOptions(const CliValues& values) {
    Options options;
    options.ready_fd = ParseNumber<int>(values.Get("ready-fd", "-1")).value_or(-1);
    options.on_demand = values.Has("on-demand");
    if (const std::string uri = values.Get("uri"); !uri.empty()) {
        options.pod = true;
        options.socket_path = uri.starts_with(kUriScheme) ? uri.substr(kUriScheme.size()) : uri;
    }
    if (const std::string path = values.Get("socket-path"); !path.empty()) {
        options.pod = false;
        options.socket_path = path;
    }
    if (!options.socket_path.starts_with('/'))
        return Fail(Cat("the socket path ", options.socket_path, " must begin with a slash"));
    CC_ASSIGN(options.ksm, KsmModeOf(values, options));
    options.ksm_root = values.Get("ksm-root");
    CC_TRY(ParseLogOptions(values, options));
    options.status = values.Has("status");
    options.json = values.Has("json");
    if (options.json && !options.status) return Fail("--json belongs to --status");
    for (const auto name : kProfilerOptions)
        if (values.Has(name)) options.ignored.push_back(Cat('-', name));
    CC_ASSIGN(options.listen_fd, ActivationFd());
    return options;
}

}  // namespace cc::proxy
