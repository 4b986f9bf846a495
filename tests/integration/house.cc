// SPDX-License-Identifier: Apache-2.0
#include "tests/integration/house.h"

#include <csignal>

#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/text.h"
#include "protocol/agent_messages.h"
#include "protocol/shim_start.h"

namespace cc::test {

namespace {

using std::chrono::seconds;

// Generous: sanitizers, and a busy machine. Nothing here is a matter of speed.
constexpr seconds kPatience{60};

Process StartProxy(const std::string& socket) {
    auto ready = MakePipe().value();
    SpawnOptions options;
    options.executable = CC_BIN_DIR "/cc-proxy";
    // Tests leave the machine's settings alone.
    options.arguments = {"cc-proxy", "-socket-path", socket,       "-log", "error",
                         "-ksm",     "initial",      "--ready-fd", "3"};
    options.fds = {{STDERR_FILENO, STDERR_FILENO}, {ready.second.get(), 3}};
    auto proxy = Spawn(options);
    REQUIRE_MESSAGE(proxy, proxy.error().message);
    ready.second.Reset();
    REQUIRE(ReadAll(ready.first.get(), 4096).value() == "\n");
    return std::move(*proxy);
}

std::string VmName(int number) {
    return Cat("vm", number);
}

AgentProcess ShellProcess(const std::string& script, bool terminal) {
    AgentProcess process;
    process.user = "0";
    process.group = "0";
    process.terminal = terminal;
    process.args = {"sh", "-c", script};
    process.envs = {{"PATH", "/bin"}, {"TERM", "dumb"}};
    process.workdir = "/";
    return process;
}

}  // namespace

int Shim::WaitExit() {
    const auto ended = process.WaitEnd(kPatience);
    REQUIRE_MESSAGE(*ended, "the shim does not end");
    return ExitCodeOf(process.Reap().value());
}

std::string Shim::Output() {
    return ReadAll(out.get(), 64 << 20).value();
}
std::string Shim::Errors() {
    return ReadAll(err.get(), 64 << 20).value();
}

ProxyAddress House::Address() const {
    if (starts_ == Starts::kTest) return {socket_, "", "error"};
    return {socket_, CC_BIN_DIR "/cc-proxy", "error", "initial"};
}

House::House(Starts starts, int vms) : starts_(starts) {
    if (starts == Starts::kTest) proxy_ = StartProxy(socket_);
    auto connected = ProxyClient::Connect(Address());
    REQUIRE_MESSAGE(connected, connected.error().message);
    runtime_ = std::make_unique<ProxyClient>(std::move(*connected));
    for (int i = 0; i < vms; ++i) {
        const HostAgent& agent = *agents_.emplace_back(std::make_unique<HostAgent>());
        (void)ConnectEventually(agent.control());
        const auto registered =
            runtime_->RegisterVm({VmName(i), agent.control(), agent.io(), "", 0}, kPatience);
        REQUIRE_MESSAGE(registered, registered.error().message);
        const auto started =
            runtime_->Hyper({"startpod", {}, Encode(StartPod{"pod", "hyperShared"})}, kPatience);
        REQUIRE_MESSAGE(started, started.error().message);
    }
}

House::~House() {
    if (starts_ == Starts::kClients) CHECK(SignalServingProxy(SIGTERM));
    if (!proxy_) return;
    CHECK(proxy_.Signal(SIGTERM));
    const auto ended = proxy_.WaitEnd(kPatience);
    CHECK(ended.value_or(false));
    (void)proxy_.Reap();
}

void House::ReplaceProxy(int signal) {
    CHECK(proxy_.Signal(signal));
    CHECK(proxy_.WaitEnd(kPatience).value_or(false));
    (void)proxy_.Reap();
    proxy_ = StartProxy(socket_);
}

// The kernel knows who listens: the peer of whoever connects.
bool House::SignalServingProxy(int signal) const {
    const auto fd = ConnectUnix(socket_, SOCK_STREAM);
    ucred peer{};
    socklen_t size = sizeof peer;
    if (!fd || ::getsockopt(fd->get(), SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0) return false;
    return ::kill(peer.pid, signal) == 0;
}

Shim House::Start(const std::string& container, bool exec, const std::string& script,
                  const ProcessOptions& wanted) {
    FdPair connection = MakeSocketPair(SOCK_STREAM).value();
    const auto attached = runtime_->AttachVm(
        {VmName(wanted.vm), 1}, kPatience,
        wanted.inherits || starts_ == Starts::kClients ? connection.first.get() : -1);
    REQUIRE_MESSAGE(attached, attached.error().message);
    connection.first.Reset();
    const std::string token = attached->tokens.at(0);

    SpawnOptions options;
    options.executable = CC_BIN_DIR "/cc-shim";
    options.arguments = {"cc-shim", "-c", container, "-t", token, "-u", attached->url};
    if (wanted.inherits) {
        REQUIRE(attached->connection);
        options.arguments = {"cc-shim", "-c", container,    "--connection-fd",
                             "4",       "-u", attached->url};
    }
    options.arguments.insert(options.arguments.end(), wanted.shim_options.begin(),
                             wanted.shim_options.end());
    Shim shim;
    FdPair in = MakePipe().value(), out = MakePipe().value(), err = MakePipe().value();
    FdPair start = MakePipe().value();
    if (starts_ == Starts::kClients) {
        const ProxyAddress proxy = Address();
        options.arguments = {"cc-shim", "-c", container, "--start-fd", "3", "--connection-fd", "4"};
        REQUIRE(WriteAll(start.second.get(), Encode(ShimStart{.token = token,
                                                              .uri = attached->url,
                                                              .keeper = keeper_.socket(),
                                                              .proxy_executable = proxy.executable,
                                                              .proxy_log_level = proxy.log_level,
                                                              .proxy_ksm = proxy.ksm,
                                                              .connected = attached->connection})));
    }
    start.second.Reset();
    options.fds = {{in.first.get(), 0}, {out.second.get(), 1}, {err.second.get(), 2}};
    if (starts_ == Starts::kClients) options.fds.push_back({start.first.get(), 3});
    if (wanted.terminal >= 0)
        options.fds = {{wanted.terminal, 0}, {wanted.terminal, 1}, {wanted.terminal, 2}};
    if (wanted.inherits || starts_ == Starts::kClients)
        options.fds.push_back({connection.second.get(), 4});
    auto spawned = Spawn(options);
    REQUIRE_MESSAGE(spawned, spawned.error().message);
    shim.process = std::move(*spawned);
    shim.in = std::move(in.second);
    shim.out = std::move(out.first);
    shim.err = std::move(err.first);

    const AgentProcess process = ShellProcess(script, wanted.terminal >= 0);
    std::string data;
    if (exec) {
        data = Encode(ExecCommand{container, process, ""});
    } else {
        NewContainer message;
        message.id = container;
        message.image = "c";
        message.rootfs = "rootfs";
        message.process = process;
        data = Encode(message);
    }
    const auto made =
        runtime_->Hyper({exec ? "execcmd" : "newcontainer", {token}, data}, kPatience);
    REQUIRE_MESSAGE(made, made.error().message);
    return shim;
}

Shim House::Run(const std::string& container, const std::string& script,
                const ProcessOptions& options) {
    return Start(container, false, script, options);
}

Shim House::Exec(const std::string& container, const std::string& script,
                 const ProcessOptions& options) {
    return Start(container, true, script, options);
}

void House::Remove(const std::string& container) {
    const auto removed =
        runtime_->Hyper({"removecontainer", {}, Encode(RemoveContainer{container})}, kPatience);
    CHECK_MESSAGE(removed, removed.error().message);
}

}  // namespace cc::test
