// SPDX-License-Identifier: Apache-2.0
// RegisterVM, AttachVM, UnregisterVM and Hyper: what they answer (reference A5), and in what order.
#include <algorithm>

#include "tests/unit/proxy/hub.h"
#include "tests/unit/proxy/proxy_log.h"

namespace cc::proxy {
namespace {

constexpr auto kRegister = ClientCommand::kRegisterVm;
constexpr auto kAttach = ClientCommand::kAttachVm;
constexpr auto kHyper = ClientCommand::kHyper;

TEST_CASE("a VM is registered once its agent is ready") {
    Hub hub;
    hub.world.listeners = {{"/c", 0}, {"/i", 0}};
    const auto runtime = hub.world.NewClient();
    hub.Say(runtime, kRegister, Encode(RegisterVm{"vm0", "/c", "/i", "", 2}));
    CHECK(runtime->received.empty());
    hub.world.agents.at("/c")->Send(EncodeControl(ControlCode::kReady, ""));
    hub.world.Run();
    const auto response = ParseIoResponse(Hub::Frame(runtime).payload).value();
    CHECK(response.url == "unix:///run/cc/vms/p.sock");
    CHECK(response.tokens.size() == 2);
    CHECK_FALSE(response.agent);
}

TEST_CASE("an agent with the extension is told so before anybody else, and its times passed on") {
    Hub hub;
    const auto runtime = hub.Register(kPlainExtension);
    hub.Say(runtime, kAttach, Encode(AttachVm{"vm0", 0}));
    const auto response = ParseIoResponse(Hub::Frame(runtime).payload).value();
    REQUIRE(response.agent);
    CHECK(response.agent->started_ms == 900);
    CHECK(response.agent->ready_ms == 950);
}

TEST_CASE("registrations that cannot be fail with 3.0's words and leave nothing") {
    Hub hub;
    const auto runtime = hub.Register();
    auto& world = hub.world;
    auto ask = [&](const RegisterVm& request) {
        return hub.Ask(runtime, kRegister, Encode(request));
    };
    CHECK(ask({"vm0", "x", "y", "", 0}) == "vm0: container already registered");
    CHECK(ask({"", "", "", "", 0}) == "dial unix: missing address");
    CHECK(ask({"", "/c", "/i", "", 0}) == "malformed RegisterVM command");
    CHECK(ask({"a", "/nope", "/nope", "", 0}) ==
          "dial unix /nope: connect: no such file or directory");
    world.listeners["/refuses"] = ECONNREFUSED;
    CHECK(ask({"a", "/refuses", "/i", "", 0}) == "dial unix /refuses: connect: connection refused");
    CHECK(ask({"a", "/c", "/i", "", 1 << 20}).find("at most") != std::string::npos);
    CHECK(ask({std::string(5000, 'x'), "/c", "/i", "", 0}).find("at most") != std::string::npos);
    CHECK(world.router.counts().vms == 1);

    world.listeners["/c"] = 0;
    world.listeners["/i"] = 0;
    hub.Say(runtime, kRegister, Encode(RegisterVm{"a", "/c", "/i", "", 0}));
    world.agents.at("/c")->Send(EncodeControl(ControlCode::kError, "panic"));
    world.Run();
    CHECK(ParseErrorText(Hub::Frame(runtime).payload) ==
          "CMD ID received 10 not matching expected 8, control msg received : panic");
    CHECK(world.agents.at("/c")->closed);
    CHECK(world.agents.at("/i")->closed);
    CHECK(world.router.counts().vms == 1);
}

TEST_CASE("a VM whose socket is busy is tried again until the deadline names it") {
    Hub hub;
    hub.world.listeners = {{"/c", EAGAIN}, {"/i", 0}};
    const auto runtime = hub.world.NewClient();
    hub.Say(runtime, kRegister, Encode(RegisterVm{"a", "/c", "/i", "", 0}));
    hub.world.Pass(kConnectRetry);
    CHECK(runtime->received.empty());
    SUBCASE("it has room in the end") {
        hub.world.listeners["/c"] = 0;
        hub.world.Pass(kConnectRetry);
        CHECK(hub.world.agents.contains("/i"));
    }
    SUBCASE("it never has") {
        hub.world.Pass(kConnectDeadline);
        CHECK(Hub::Frame(runtime).error);
        CHECK(hub.world.router.counts().vms == 0);
    }
}

TEST_CASE(
    "a guest that never comes up is an error in the end, and a runtime that leaves undoes it") {
    Hub hub;
    hub.world.listeners = {{"/c", 0}, {"/i", 0}};
    const auto runtime = hub.world.NewClient();
    hub.Say(runtime, kRegister, Encode(RegisterVm{"a", "/c", "/i", "", 0}));
    SUBCASE("deadline") {
        hub.world.Pass(kReadyDeadline);
        CHECK(ParseErrorText(Hub::Frame(runtime).payload) ==
              "the agent of VM a has not said READY within 300 s");
    }
    SUBCASE("the runtime leaves") {
        runtime->Close();
        hub.world.Run();
        CHECK(hub.world.router.counts().clients == 0);
    }
    SUBCASE("the VM dies") {
        hub.world.agents.at("/c")->Close();
        hub.world.Run();
        CHECK(ParseErrorText(Hub::Frame(runtime).payload) ==
              "lost the VM a: its control port was closed");
    }
    SUBCASE("somebody unregisters it meanwhile") {
        const auto other = hub.world.NewClient();
        CHECK(hub.Ask(other, ClientCommand::kUnregisterVm, Encode(UnregisterVm{"a"})) == "");
        CHECK(Hub::Frame(runtime).error);
    }
    CHECK(hub.world.router.counts().vms == 0);
    CHECK(hub.world.router.counts().registered_vms == 0);
    CHECK(hub.world.agents.at("/i")->closed);
}

TEST_CASE("the errors of Hyper are 3.0's") {
    Hub hub;
    const auto runtime = hub.Register();
    const std::string token = hub.Token();
    auto ask = [&](const std::string& payload) { return hub.Ask(runtime, kHyper, payload); };
    CHECK(hub.Ask(hub.world.NewClient(), kHyper, hub.Hyper("ping")) ==
          "client not attached to a vm");
    CHECK(ask(hub.Hyper("bogus")) == "unknown command 'bogus'");
    CHECK(ask(hub.Hyper("ping", {token})) == "ping doesn't need tokens but 1 token(s) were given");
    CHECK(ask(hub.Hyper("execcmd", {token, token}, "{}")) == "expected 0 or 1 token, got 2");
    CHECK(ask(hub.Hyper("newcontainer", {"AAAA"}, R"({"process":{}})")) == "unknown token AAAA");
    CHECK(ask(hub.Hyper("newcontainer", {token}, R"({"process":{"stdio":9}})")) ==
          "expected process.Stdio to be 0, got 9");
    CHECK(ask(hub.Hyper("newcontainer", {token}, R"({"process":{"stderr":4}})")) ==
          "expected process.Stderr to be 0, got 4");
    CHECK(ask(hub.Hyper("newcontainer", {token}, "{}")).find("process") != std::string::npos);
    const std::string big(10233, 'x');
    CHECK(ask(hub.Hyper("startpod", {}, Cat("\"", big, "\""))) == "message too long 10243");
    CHECK(ask("{nope") == "invalid character 'n' looking for beginning of object key string");
    CHECK(ask("") == "unexpected end of JSON input");
    CHECK(hub.control->received.empty());
    // None of them has cost anything: the token works, and so does the next command.
    hub.Shim(token);
    hub.Start(runtime, token);
    hub.Say(runtime, kHyper, hub.Hyper("ping"));
    hub.Ack("pong");
    CHECK(Hub::Frame(runtime).payload == "pong");
}

TEST_CASE("a long command goes to an agent with the extension only") {
    for (const int extension : {0, kPlainExtension}) {
        Hub hub;
        const auto runtime = hub.Register(extension);
        hub.Say(runtime, kHyper,
                hub.Hyper("startpod", {}, Cat("\"", std::string(50000, 'x'), "\"")));
        CHECK(hub.control->received.empty() == (extension == 0));
        CHECK(runtime->received.empty() == (extension > 0));
    }
}

TEST_CASE("commands of our own go to an agent with the extension only") {
    for (const int extension : {0, kPlainExtension}) {
        Hub hub;
        const auto runtime = hub.Register(extension);
        const std::string data = R"({"container":"web"})";
        hub.Say(runtime, kHyper, hub.Hyper("pausecontainer", {}, data));
        if (extension > 0) {
            CHECK(hub.control->Take() == EncodeControl(ControlCode::kPauseContainer, data));
            continue;
        }
        CHECK(hub.control->received.empty());
        CHECK(
            ParseErrorText(Hub::Frame(runtime).payload) ==
            "the agent in the virtual machine is one of Clear Containers 3.0, which does not know "
            "the command pausecontainer");
    }
}

TEST_CASE("replies find the clients that asked, first in first out, also when one has given up") {
    Hub hub;
    const auto first = hub.Register();
    std::vector<PeerPtr> clients;
    for (int i = 0; i < 3; ++i) {
        clients.push_back(hub.world.NewClient());
        CHECK(hub.Ask(clients.back(), kAttach, Encode(AttachVm{"vm0", 0})) == "");
        hub.Say(clients.back(), kHyper, hub.Hyper("ping"));
    }
    clients[1]->Close();
    hub.world.Run();
    for (const char* reply : {"0", "1", "2"})
        hub.Ack(reply);
    CHECK(Hub::Frame(clients[0]).payload == "0");
    CHECK(Hub::Frame(clients[2]).payload == "2");
}

TEST_CASE(
    "an agent that does not answer costs its client an error, and its late reply is dropped") {
    Hub hub;
    const auto runtime = hub.Register();
    hub.Say(runtime, kHyper, hub.Hyper("startpod", {}, "{}"));
    hub.world.Pass(kReplyDeadline);
    CHECK(ParseErrorText(Hub::Frame(runtime).payload) ==
          "the agent of VM vm0 has not answered startpod within 60 s");
    hub.Say(runtime, kHyper, hub.Hyper("ping"));
    hub.Ack("late");
    CHECK(runtime->received.empty());
    hub.Ack("in time");
    CHECK(Hub::Frame(runtime).payload == "in time");
}

TEST_CASE("the deadline of a command stands still while its VM is paused") {
    Hub hub;
    const auto runtime = hub.Register();
    hub.world.paused.insert("/ctl-vm0");
    hub.Say(runtime, kHyper, hub.Hyper("startpod", {}, "{}"));
    for (int i = 0; i < 5; ++i)
        hub.world.Pass(kReplyDeadline);
    CHECK(runtime->received.empty());
    hub.world.paused.clear();
    hub.Ack("at last");
    CHECK(Hub::Frame(runtime).payload == "at last");
    hub.Say(runtime, kHyper, hub.Hyper("ping"));
    hub.world.Pass(kReplyDeadline);
    CHECK(ParseErrorText(Hub::Frame(runtime).payload) ==
          "the agent of VM vm0 has not answered ping within 60 s");
}

TEST_CASE("answers come in the order of the commands though the first has to wait") {
    Hub hub;
    const auto runtime = hub.Register();
    runtime->Send(EncodeCommand(kHyper, hub.Hyper("ping")) +
                  EncodeCommand(kAttach, Encode(AttachVm{"nope", 0})));
    hub.world.Run();
    CHECK(runtime->received.empty());
    hub.Ack("first");
    CHECK(Hub::Frame(runtime).payload == "first");
    CHECK(ParseErrorText(Hub::Frame(runtime).payload) == "unknown containerID: nope");
}

TEST_CASE("an agent's error, event and NEXT are told apart") {
    Hub hub;
    const auto runtime = hub.Register();
    hub.Say(runtime, kHyper, hub.Hyper("removecontainer", {}, R"({"container":"x"})"));
    hub.control->Send(EncodeControl(ControlCode::kNext, "    "));
    hub.control->Send(EncodeControl(ControlCode::kProcessAsyncEvent, "{}"));
    hub.control->Send(EncodeControl(ControlCode::kError, "no\nsuch \"x\""));
    hub.world.Run();
    CHECK(ParseErrorText(Hub::Frame(runtime).payload) ==
          "ERROR received from VM agent, control msg received : no\nsuch \"x\"");
}

TEST_CASE("an agent that breaks the protocol loses its VM, and everybody who waits hears it") {
    for (const std::string& garbage :
         {EncodeControl(static_cast<ControlCode>(77), ""),
          std::string("\0\0\0\x09\xff\xff\xff\xff", 8), std::string("\0\0\0\x09\0\0\0\x01", 8)}) {
        Hub hub;
        const auto runtime = hub.Register();
        const auto shim = hub.Shim(hub.Token());
        hub.Say(runtime, kHyper, hub.Hyper("ping"));
        hub.control->Send(garbage);
        hub.world.Run();
        CHECK(Hub::Frame(runtime).error);
        CHECK(shim->closed);
        CHECK(hub.control->closed);
        CHECK(hub.io->closed);
        CHECK(hub.Ask(runtime, kHyper, hub.Hyper("ping")) ==
              "No multicast available for CTL channel");
    }
}

TEST_CASE("an answer that nobody asked for loses the VM") {
    Hub hub;
    hub.Register();
    hub.Ack();
    CHECK(hub.control->closed);
}

TEST_CASE("a lost VM keeps its name until it is unregistered") {
    Hub hub;
    const auto runtime = hub.Register();
    const std::string unused = hub.Token();
    const std::string waited_for = hub.Token();
    const auto waiting = hub.world.NewClient();
    CHECK(hub.Ask(waiting, kAttach, Encode(AttachVm{"vm0", 0})) == "");
    hub.Say(waiting, kHyper, hub.Hyper("newcontainer", {waited_for}, R"({"process":{}})"));
    SUBCASE("control") {
        hub.control->Close();
        hub.world.Run();
        CHECK(hub.Ask(runtime, kHyper, hub.Hyper("ping")) ==
              "No multicast available for CTL channel");
        hub.world.Pass(kDrainDeadline);
    }
    SUBCASE("I/O") {
        hub.io->Close();
    }
    hub.world.Run();
    CHECK(ParseErrorText(Hub::Frame(waiting).payload).starts_with("lost the VM vm0: its "));
    CHECK(hub.Ask(runtime, kAttach, Encode(AttachVm{"vm0", 0})) == "");
    CHECK(hub.Ask(runtime, kAttach, Encode(AttachVm{"vm0", 1})).starts_with("lost the VM vm0"));
    const auto shim = hub.world.NewClient();
    CHECK(hub.Ask(shim, ClientCommand::kConnectShim, Encode(ConnectShim{unused})) ==
          Cat("vm: unknown token ", unused));
    CHECK(hub.Ask(runtime, ClientCommand::kUnregisterVm, Encode(UnregisterVm{"vm0"})) == "");
    CHECK(hub.Ask(shim, ClientCommand::kConnectShim, Encode(ConnectShim{unused})) ==
          Cat("unknown token: ", unused));
    CHECK(hub.world.router.counts().vms == 0);
    CHECK(hub.world.router.counts().tokens == 0);
}

TEST_CASE("an unregistered VM serves its shims to their end") {
    Hub hub;
    const auto runtime = hub.Register();
    const std::string token = hub.Token();
    const auto shim = hub.Shim(token);
    hub.Start(runtime, token);
    CHECK(hub.Ask(runtime, ClientCommand::kUnregisterVm, Encode(UnregisterVm{"vm0"})) == "");
    CHECK(hub.Ask(runtime, kAttach, Encode(AttachVm{"vm0", 0})) == "unknown containerID: vm0");
    CHECK(hub.Ask(runtime, kHyper, hub.Hyper("ping")) == "client not attached to a vm");
    hub.Output(3, "still here");
    CHECK(Hub::Frame(shim).payload == "still here");
    SUBCASE("the shim leaves") {
        hub.Say(shim, ClientCommand::kDisconnectShim, "");
    }
    SUBCASE("the VM goes") {
        hub.io->Close();
        hub.world.Run();
    }
    CHECK(shim->closed);
    CHECK(hub.control->closed);
    CHECK(hub.world.router.counts().vms == 0);
    CHECK(hub.world.router.counts().tokens == 0);
}

TEST_CASE("the null session can be used again and again, and its output is nobody's") {
    Hub hub;
    const auto runtime = hub.Register();
    for (int i = 0; i < 2; ++i) {
        hub.Say(runtime, kHyper, hub.Hyper("newcontainer", {}, R"({"id":"p","process":{}})"));
        CHECK(hub.Command().second == R"({"id":"p","process":{"stdio":1,"stderr":2}})");
        hub.Ack();
        CHECK_FALSE(Hub::Frame(runtime).error);
    }
    hub.Output(1, "x");
    hub.Output(2, "x");
    hub.Output(99, "x");
    hub.Output(0, "x");
    CHECK_FALSE(hub.control->closed);
}

TEST_CASE("clients beyond the limit of a user are closed, root's are not") {
    Hub hub;
    std::vector<PeerPtr> clients;
    for (size_t i = 0; i < kMaxClientsPerUser; ++i)
        clients.push_back(hub.world.NewClient(1000));
    CHECK(hub.world.NewClient(1000)->closed);
    CHECK_FALSE(hub.world.NewClient(1001)->closed);
    CHECK_FALSE(hub.world.NewClient(0)->closed);
    clients[0]->Close();
    hub.world.Run();
    CHECK_FALSE(hub.world.NewClient(1000)->closed);
}

TEST_CASE("of the connections that are refused in a second one is logged") {
    const ProxyLog log(LogLevel::kWarn);
    Hub hub;
    std::vector<PeerPtr> clients;
    for (size_t i = 0; i < kMaxClientsPerUser + 1000; ++i)
        clients.push_back(hub.world.NewClient(1000));
    CHECK(log.Lines("refused").size() == 1);
    hub.world.Pass(std::chrono::seconds(1));
    CHECK(hub.world.NewClient(1000)->closed);
    CHECK(log.Lines("refused").size() == 2);
}

TEST_CASE("a client that does not read its answers is not served beyond a bound") {
    Hub hub;
    const auto client = hub.world.NewClient();
    client->reads = false;
    std::string flood;
    const std::string one = EncodeCommand(kAttach, Encode(AttachVm{std::string(200, 'x'), 0}));
    for (int i = 0; i < 10000; ++i)
        flood += one;
    client->chunk = 256 * 1024;
    client->Send(flood);
    hub.world.Run();
    CHECK(client->unread.size() < kLowWater + 64 * 1024);
    CHECK_FALSE(client->watched);
    client->reads = true;
    hub.world.Run();
    CHECK(client->received.size() > 10000 * kClientHeaderSize);  // every command has its answer
    CHECK_FALSE(client->closed);
}

TEST_CASE("frames no client may send close its connection, and only that") {
    Hub hub;
    const auto runtime = hub.Register();
    for (const std::string& bad :
         {std::string("\0\x02\x03\0\0\0\0\x03\xff\xff\xff\xff", 12),  // 4 GiB
          std::string("\0\x02\0\0\0\0\0\x03\0\0\0\0", 12),            // header of 0 words
          std::string("\0\x04\x03\0\0\0\0\x03\0\0\0\0", 12),          // version 4
          EncodeStream(StreamKind::kStdin, "x"), EncodeStream(StreamKind::kLog, "{}"),
          EncodeProcessExited(0)}) {
        const auto client = hub.world.NewClient();
        client->Send(bad);
        hub.world.Run();
        CHECK(client->closed);
    }
    CHECK(hub.Ask(runtime, kAttach, Encode(AttachVm{"vm0", 0})) == "");
}

TEST_CASE("unfinished frames of all clients together are bounded, and cost him who holds most") {
    Hub hub;
    const auto honest = hub.world.NewClient(7);
    const std::string attach = EncodeCommand(kAttach, Encode(AttachVm{"vm0", 0}));
    honest->Send(attach.substr(0, attach.size() - 1));
    std::string head("\0\x02\x03\0\0\0\0\x03\0\x3f\xff\xff", 12);
    SUBCASE("in a few large ones") {
        head.append(4'000'000, 'x');
    }
    SUBCASE("in many small ones") {
        head.append(100'000, 'x');
    }
    std::vector<PeerPtr> clients;
    const size_t fit = kMaxBufferedInput / head.size();
    for (size_t i = 0; i < fit + 4; ++i) {
        clients.push_back(hub.world.NewClient(1000));
        clients.back()->Send(head);
        hub.world.Run();
    }
    const auto closed = [](const PeerPtr& client) { return client->closed; };
    CHECK(std::count_if(clients.begin(), clients.end(), closed) == 4);
    CHECK_FALSE(honest->closed);
    honest->Send(attach.substr(attach.size() - 1));
    hub.world.Run();
    CHECK_FALSE(honest->received.empty());
}

TEST_CASE("who sends many commands at once is served a few of them in each turn") {
    Hub hub;
    const auto flooder = hub.world.NewClient();
    const auto other = hub.world.NewClient();
    const std::string one = EncodeCommand(kAttach, Encode(AttachVm{"no", 0}));
    std::string flood;
    for (int i = 0; i < 10000; ++i)
        flood += one;
    flooder->Send(flood);
    other->Send(one);
    hub.world.Step();
    const size_t answer = other->received.size();
    CHECK(answer > 0);
    CHECK(flooder->received.size() == answer * kFramesPerTurn / kFramesPerCommand);
    hub.world.Run();
    CHECK(flooder->received.size() == answer * 10000);
}

TEST_CASE("what a user logs is bounded, over how many connections he may") {
    Hub hub;
    const ProxyLog log(LogLevel::kInfo);
    const std::string line =
        EncodeStream(StreamKind::kLog, R"({"level":"info","source":"shim","msg":"words"})");
    const auto say = [&](uid_t user) {
        const auto client = hub.world.NewClient(user);
        for (int i = 0; i < 2 * kMaxLogLinesPerSecond; ++i)
            client->Send(line);
        hub.world.Run();
    };
    say(1000);
    say(1000);
    CHECK(log.Lines("words").size() == kMaxLogLinesPerSecond);
    CHECK(log.Lines("logs too much").size() == 1);
    say(1001);
    CHECK(log.Lines("words").size() == 2 * kMaxLogLinesPerSecond);
    say(0);
    say(0);
    CHECK(log.Lines("words").size() == 4 * kMaxLogLinesPerSecond);
    hub.world.Pass(std::chrono::seconds(1));
    say(1000);
    CHECK(log.Lines("words").size() == 5 * kMaxLogLinesPerSecond);
}

}  // namespace
}  // namespace cc::proxy
