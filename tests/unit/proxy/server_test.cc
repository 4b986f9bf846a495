// SPDX-License-Identifier: Apache-2.0
// The server on real sockets, with fake agents in both flavours.
#include <fcntl.h>

#include "tests/fakes/fake_agent.h"
#include "tests/unit/proxy/real_server.h"

namespace cc::proxy {
namespace {

using test::FakeAgent;
using test::FakeAgentOptions;

constexpr size_t kMegabyte = 1 << 20;

void Register(RealClient& runtime, const std::string& vm, const FakeAgent& agent) {
    CHECK(runtime.Ask(ClientCommand::kRegisterVm,
                      Encode(RegisterVm{vm, agent.control_path(), agent.io_path(), "", 0})) == "");
}

// A container in `vm` and its shim.
std::unique_ptr<RealClient> Start(RealServer& server, RealClient& runtime, const std::string& vm,
                                  const std::string& id, const std::vector<std::string>& args) {
    const std::string token = runtime.NewToken(vm);
    auto shim = std::make_unique<RealClient>(server.socket);
    CHECK(shim->Ask(ClientCommand::kConnectShim, Encode(ConnectShim{token})) == "");
    CHECK(runtime.Hyper("newcontainer", {token}, ContainerOf(id, args)) == "");
    return shim;
}

std::string Flooded(size_t size) {
    std::string bytes(size, '\0');
    for (size_t i = 0; i < size; ++i)
        bytes[i] = FakeAgent::FloodByte(i);
    return bytes;
}

TEST_CASE("a container lives and ends, with an agent of 3.0 and with ours") {
    for (const int extension : {0, 1}) {
        RealServer server;
        FakeAgent agent(server.folder.path, {.extension = extension});
        RealClient runtime(server.socket);
        Register(runtime, "vm", agent);
        CHECK(runtime.Hyper("startpod", {}, Encode(StartPod{"vm", "hyperShared"})) == "");
        CHECK(runtime.Hyper("startpod", {}, Encode(StartPod{"vm", "hyperShared"})) ==
              "ERROR received from VM agent, control msg received : Pod already started, "
              "impossible to start again");
        const auto shim = Start(server, runtime, "vm", "c", {"script", "42"});
        shim->Send(EncodeStream(StreamKind::kStdin, ""));
        const Heard heard = Listen(*shim);
        CHECK(heard.out == "stdout-data\n");
        CHECK(heard.err == "stderr-data\n");
        CHECK(heard.status == 42);
        shim->Send(EncodeCommand(ClientCommand::kDisconnectShim, ""));
        CHECK_FALSE(shim->Next());
        CHECK(runtime.Hyper("removecontainer", {}, Encode(RemoveContainer{"c"})) == "");
        CHECK(runtime.Hyper("destroypod", {}, "") == "");
        CHECK(runtime.Ask(ClientCommand::kUnregisterVm, Encode(UnregisterVm{"vm"})) == "");
        const auto counts = server.Stop();
        CHECK(counts.vms == 0);
        CHECK(counts.tokens == 0);
    }
}

TEST_CASE("the extension is agreed with an agent that offers it, and nobody else") {
    for (const int extension : {0, 1}) {
        RealServer server;
        FakeAgent agent(server.folder.path, {.extension = extension});
        RealClient runtime(server.socket);
        Register(runtime, "vm", agent);
        const auto commands = agent.commands();
        REQUIRE(commands.size() == (extension > 0 ? 1 : 0));
        if (extension > 0) CHECK(commands[0].code == ControlCode::kVersion);
    }
}

TEST_CASE("megabytes of output and input arrive whole") {
    RealServer server;
    FakeAgent agent(server.folder.path);
    RealClient runtime(server.socket);
    Register(runtime, "vm", agent);
    for (const char* message : {"700", "1024", "32768"}) {
        const auto shim = Start(server, runtime, "vm", Cat("out", message),
                                {"flood", Cat(8 * kMegabyte), message});
        const Heard heard = Listen(*shim);
        CHECK(heard.status == 0);
        CHECK((heard.out == Flooded(8 * kMegabyte)));
    }
    const auto shim = Start(server, runtime, "vm", "in", {"sink"});
    const std::string bytes = Flooded(20 * kMegabyte);
    for (size_t at = 0; at < bytes.size(); at += kMaxStreamPayload)
        shim->Send(EncodeStream(StreamKind::kStdin, bytes.substr(at, kMaxStreamPayload)));
    shim->Send(EncodeStream(StreamKind::kStdin, ""));
    CHECK(Listen(*shim).out == Cat(bytes.size(), " ", FakeAgent::HashOf(bytes), "\n"));
}

TEST_CASE("a shim that stops reading loses nothing, and costs a neighbour in another VM nothing") {
    RealServer server;
    TemporaryFolder other_folder;
    FakeAgent agent(server.folder.path);
    FakeAgent other(other_folder.path);
    RealClient runtime(server.socket);
    Register(runtime, "vm", agent);
    Register(runtime, "other", other);
    const auto slow = Start(server, runtime, "vm", "slow", {"flood", Cat(4 * kMegabyte), "32768"});
    const auto fast =
        Start(server, runtime, "other", "fast", {"flood", Cat(8 * kMegabyte), "32768"});
    CHECK(Listen(*fast).out.size() == 8 * kMegabyte);
    // Commands to the slow one's VM go through as well.
    CHECK(runtime.Ask(ClientCommand::kAttachVm, Encode(AttachVm{"vm", 0})) == "");
    CHECK(runtime.Hyper("ping", {}, "") == "");
    const Heard heard = Listen(*slow);
    CHECK((heard.out == Flooded(4 * kMegabyte)));
    CHECK(heard.status == 0);
}

TEST_CASE("a process that does not read its stdin holds its shim back, and can be killed") {
    RealServer server;
    FakeAgent agent(server.folder.path);
    RealClient runtime(server.socket);
    Register(runtime, "vm", agent);
    const auto shim = Start(server, runtime, "vm", "c", {"sleep"});
    agent.SetReadingStdin(false);
    REQUIRE(SetNonBlocking(shim->fd()));
    const std::string frame = EncodeStream(StreamKind::kStdin, std::string(32768, 'x'));
    size_t sent = 0;
    // Bounded by the sockets' buffers and the marks: it ends long before this.
    for (int quiet = 0; quiet < 20 && sent < 64 * kMegabyte;) {
        const ssize_t count = ::send(shim->fd(), frame.data(), frame.size(), MSG_NOSIGNAL);
        if (count > 0) {
            sent += static_cast<size_t>(count);
            quiet = 0;
            continue;
        }
        ++quiet;
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    CHECK(sent < 8 * kMegabyte);
    CHECK(runtime.Hyper("killcontainer", {}, Encode(KillContainer{"c", 9, false, 0})) == "");
    const int flags = ::fcntl(shim->fd(), F_GETFL);
    ::fcntl(shim->fd(), F_SETFL, flags & ~O_NONBLOCK);
    CHECK(Listen(*shim).status == 137);
}

TEST_CASE("an exec process gets its signal where the agent can do it") {
    RealServer server;
    FakeAgent agent(server.folder.path, {.extension = 1});
    RealClient runtime(server.socket);
    Register(runtime, "vm", agent);
    const auto shim = Start(server, runtime, "vm", "c", {"sleep"});
    const std::string token = runtime.NewToken("vm");
    RealClient exec(server.socket);
    CHECK(exec.Ask(ClientCommand::kConnectShim, Encode(ConnectShim{token})) == "");
    ExecCommand command;
    command.container = "c";
    command.process.args = {"sleep"};
    CHECK(runtime.Hyper("execcmd", {token}, Encode(command)) == "");
    exec.Send(EncodeCommand(ClientCommand::kSignal, Encode(SignalMessage{15, 0, 0})));
    CHECK(Listen(exec).status == 143);
    shim->Send(EncodeCommand(ClientCommand::kSignal, Encode(SignalMessage{9, 0, 0})));
    CHECK(Listen(*shim).status == 137);
}

TEST_CASE("a VM that dies answers everyone who waits, and its neighbours go on") {
    RealServer server;
    TemporaryFolder other_folder;
    FakeAgent agent(server.folder.path);
    FakeAgent other(other_folder.path);
    RealClient runtime(server.socket);
    Register(runtime, "vm", agent);
    Register(runtime, "other", other);
    const auto shim = Start(server, runtime, "vm", "c", {"sleep"});
    const auto neighbour = Start(server, runtime, "other", "n", {"echo"});
    CHECK(runtime.Ask(ClientCommand::kAttachVm, Encode(AttachVm{"vm", 0})) == "");
    agent.SetAnswering(false);
    runtime.Send(EncodeCommand(ClientCommand::kHyper, Encode(HyperMessage{"ping", {}, ""})));
    REQUIRE(agent.WaitFor(ControlCode::kPing));
    agent.HangUp();
    const auto answer = runtime.Next();
    REQUIRE(answer);
    CHECK(ParseErrorText(answer->payload).starts_with("lost the VM vm: its "));
    CHECK_FALSE(shim->Next());
    neighbour->Send(EncodeStream(StreamKind::kStdin, "still here"));
    CHECK(neighbour->Next()->payload == "still here");
}

TEST_CASE("an agent that sends garbage loses its VM only") {
    RealServer server;
    TemporaryFolder other_folder;
    FakeAgent agent(server.folder.path);
    FakeAgent other(other_folder.path);
    RealClient runtime(server.socket);
    Register(runtime, "vm", agent);
    Register(runtime, "other", other);
    const auto shim = Start(server, runtime, "vm", "c", {"sleep"});
    SUBCASE("control") {
        agent.SendControl(std::string(100, '\xff'));
    }
    SUBCASE("I/O") {
        agent.SendIo(std::string(100, '\xff'));
    }
    CHECK_FALSE(shim->Next());
    CHECK(runtime.Ask(ClientCommand::kAttachVm, Encode(AttachVm{"other", 0})) == "");
    CHECK(runtime.Hyper("ping", {}, "") == "");
}

TEST_CASE("many containers at once keep their streams apart") {
    RealServer server;
    FakeAgent agent(server.folder.path);
    RealClient runtime(server.socket);
    Register(runtime, "vm", agent);
    std::vector<std::unique_ptr<RealClient>> shims;
    for (int i = 0; i < 50; ++i)
        shims.push_back(Start(server, runtime, "vm", Cat("c", i), {"echo"}));
    for (int i = 0; i < 50; ++i)
        shims[static_cast<size_t>(i)]->Send(EncodeStream(StreamKind::kStdin, Cat("text ", i)) +
                                            EncodeStream(StreamKind::kStdin, ""));
    for (int i = 0; i < 50; ++i)
        CHECK(Listen(*shims[static_cast<size_t>(i)]).out == Cat("text ", i));
}

TEST_CASE("a server with nothing to serve ends and leaves no socket") {
    RealServer server(std::chrono::milliseconds(30));
    { RealClient client(server.socket); }
    server.Join();
    CHECK(server.ended);
    CHECK_FALSE(Exists(server.socket));
    CHECK_FALSE(Exists(server.socket + ".leaving"));
}

TEST_CASE("a server with a client or a VM does not end") {
    RealServer server(std::chrono::milliseconds(20));
    FakeAgent agent(server.folder.path);
    {
        RealClient runtime(server.socket);
        std::this_thread::sleep_for(std::chrono::milliseconds(60));
        Register(runtime, "vm", agent);
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(60));
    CHECK_FALSE(server.ended);
    {
        RealClient runtime(server.socket);
        CHECK(runtime.Ask(ClientCommand::kUnregisterVm, Encode(UnregisterVm{"vm"})) == "");
    }
    server.Join();
    CHECK(server.ended);
}

TEST_CASE("a server does not leave while somebody holds its lock") {
    RealServer server(std::chrono::milliseconds(20));
    {
        const auto lock = FileLock::Acquire(server.socket + ".lock", FileLock::Mode::kExclusive,
                                            std::chrono::milliseconds(1000));
        REQUIRE(lock);
        std::this_thread::sleep_for(std::chrono::milliseconds(80));
        CHECK_FALSE(server.ended);
        CHECK(Exists(server.socket));
    }
    server.Join();
    CHECK(server.ended);
}

}  // namespace
}  // namespace cc::proxy
