// SPDX-License-Identifier: Apache-2.0
#include "shim/main.h"

#include <csignal>
#include <cstdio>
#include <optional>

#include <fcntl.h>
#include <unistd.h>

#include "base/cli.h"
#include "base/memory.h"
#include "base/process_title.h"
#include "base/text.h"
#include "base/version.h"
#include "protocol/client_messages.h"
#include "protocol/shim_start.h"
#include "shim/engine_view.h"
#include "shim/manual.h"
#include "shim/relay.h"

namespace cc {

namespace {

constexpr std::string_view kUnixScheme = "unix://";
constexpr int kDefaultReconnectSeconds = 10, kMaxReconnectSeconds = 86400;
constexpr size_t kMaxStartMessage = 16384;

CliProgram Program() {
    CliProgram program;
    program.name = "cc-shim";
    program.help = "stands in on the host for one process of a container";
    program.version = Cat("shim version: ", kRelease, " (commit: ", kCommit, ")");
    program.options = {
        {.names = "-c,--container-id", .value = "ID", .help = "container the process belongs to"},
        {.names = "-t,--token", .value = "TOKEN", .help = "token of the process, from cc-proxy"},
        {.names = "-u,--uri", .value = "URI", .help = "cc-proxy's socket, unix://PATH"},
        {.names = "-r,--reconnect-timeout",
         .value = "SECONDS",
         .help = "how long to look for a lost cc-proxy (default 10)"},
        {.names = "-d,--debug", .value = "", .help = "send debug messages to cc-proxy's log"},
        {.names = "--start-fd",
         .value = "N",
         .help = "read token and URI from this descriptor, once they exist, instead of --token and "
                 "--uri"},
        {.names = "--connection-fd",
         .value = "N",
         .help = "connection whose other end cc-proxy has; token and URI are not needed for it"},
        {.names = "--host-mounts-fd",
         .value = "N",
         .help = "the working directory becomes the root directory; this descriptor is the mount "
                 "namespace in which cc-proxy is found"},
        {.names = "--no-terminal",
         .value = "",
         .help = "leave a terminal on standard input as it is: the process has none of its own"},
        {.names = "title",
         .value = "WORD",
         .help = "command line of the process, which ps then shows as this program's own",
         .many = true},
    };
    program.sections = shim::ManualSections;
    return program;
}

int Complain(std::string_view text) {
    std::fprintf(stderr, "cc-shim: %s\n", std::string(text).c_str());
    return 1;
}

// Waits for the runtime's message; nothing when it went away without one.
Result<std::optional<ShimStart>> ReceiveStart(std::string_view number) {
    const auto fd = ParseNumber<int>(number);
    if (!fd || *fd < 0) return Fail(Cat("--start-fd ", Quoted(number), " is not a descriptor"));
    const Fd from = Fd::Adopt(*fd);
    CC_ASSIGN(const std::string text, ReadAll(from.get(), kMaxStartMessage));
    if (text.empty()) return std::nullopt;
    CC_ASSIGN(ShimStart start, ParseShimStart(text));
    return std::optional(std::move(start));
}

// The connection that the starter made; none when it says that cc-proxy does not have its other
// end.
Result<Fd> InheritedConnection(const CliValues& values, const ShimStart& start) {
    if (!values.Has("connection-fd")) return Fd();
    const std::string number = values.Get("connection-fd");
    const auto fd = ParseNumber<int>(number);
    if (!fd || *fd < 0)
        return Fail(Cat("--connection-fd ", Quoted(number), " is not a descriptor"));
    CC_TRY(Context("--connection-fd", CheckUnixConnection(*fd)));
    Fd connection = Fd::Adopt(*fd);
    if (values.Has("start-fd") && !start.connected) return Fd();
    CC_TRY(SetCloseOnExec(connection.get(), true));
    return connection;
}

Result<shim::HostMounts> EnterRoot(const CliValues& values) {
    if (!values.Has("host-mounts-fd")) return shim::HostMounts();
    const std::string number = values.Get("host-mounts-fd");
    const auto fd = ParseNumber<int>(number);
    if (!fd || *fd < 0 || ::fcntl(*fd, F_SETFD, FD_CLOEXEC) < 0)
        return Fail(Cat("--host-mounts-fd ", Quoted(number), " is not a descriptor"));
    CC_TRY(shim::HostMounts::Leave());
    // Of an image that has no room for it: a container is worth more than a look at it.
    if (::getpid() == 1) (void)shim::ShowOwnProcess();
    return shim::HostMounts(Fd::Adopt(*fd));
}

std::chrono::seconds ReconnectTimeout(const CliValues& values) {
    const auto seconds = ParseNumber<int>(values.Get("reconnect-timeout"));
    if (!seconds || *seconds <= 0 || *seconds > kMaxReconnectSeconds)
        return std::chrono::seconds(kDefaultReconnectSeconds);  // as 3.0 takes it
    return std::chrono::seconds(*seconds);
}

// Until there is a process in the guest that could have them. What a process does not handle ends
// it, but not the first of a pid namespace.
void EndAtSignals() {
    for (const int signal : {SIGHUP, SIGINT, SIGQUIT, SIGTERM})
        ::signal(signal, [](int number) { ::_exit(128 + number); });
}

int Run(const CliValues& values) {
    if (::getpid() == 1) EndAtSignals();
    // Without it ps shows our own command line: no reason to fail.
    if (values.Has("title")) (void)SetProcessTitle("cc-shim", values.All("title"));
    ShimStart start{values.Get("token"), values.Get("uri")};
    if (values.Get("container-id").empty()) return Complain("Missing container ID");
    auto host = EnterRoot(values);
    if (!host) return Complain(host.error().message);
    if (values.Has("start-fd")) {
        auto message = ReceiveStart(values.Get("start-fd"));
        if (!message)
            return Complain(Cat("receiving the start message: ", message.error().message));
        if (!*message) return 1;
        start = **message;
    }
    auto connection = InheritedConnection(values, start);
    if (!connection) return Complain(connection.error().message);
    if (start.token.empty() && !*connection) return Complain("Missing token");
    if (start.uri.empty() && !*connection) return Complain("Missing URI");
    if (!IsWellFormedToken(start.token))
        return Complain(Cat("Invalid token ", Quoted(start.token)));
    if (!start.uri.empty() &&
        (!start.uri.starts_with(kUnixScheme) || start.uri.size() == kUnixScheme.size()))
        return Complain(Cat("Invalid URI ", Quoted(start.uri), ", expected unix://PATH"));

    shim::RelayOptions options;
    options.container_id = values.Get("container-id");
    if (!start.uri.empty()) options.link.proxy.socket = start.uri.substr(kUnixScheme.size());
    options.link.connection = std::move(*connection);
    options.link.keeper = start.keeper;
    options.link.proxy.executable = start.proxy_executable;
    options.link.proxy.ksm = start.proxy_ksm;
    if (!start.proxy_log_level.empty()) options.link.proxy.log_level = start.proxy_log_level;
    options.link.host = std::move(*host);
    options.link.token = start.token;
    options.link.reconnect_timeout = ReconnectTimeout(values);
    options.memory_cgroup = start.memory_cgroup;
    options.use_terminal = !values.Has("no-terminal");
    options.debug = values.Has("debug");
    uv::Loop loop;
    shim::Relay relay(loop, std::move(options));
    if (auto started = relay.Start(); !started) return Complain(started.error().message);
    DropProgramPages();  // it only waits from here on
    return relay.Run();
}

}  // namespace

int ShimMain(const std::vector<std::string>& arguments) {
    if (auto filled = shim::FillStandardFds(); !filled) return Complain(filled.error().message);
    CliProgram program = Program();
    program.run = Run;
    return RunCli(program, arguments);
}

}  // namespace cc
