// SPDX-License-Identifier: Apache-2.0
// A VM's console in the log (reference A10).
#include "proxy/console_log.h"

#include "tests/unit/proxy/hub.h"
#include "tests/unit/proxy/link_hub.h"
#include "tests/unit/proxy/proxy_log.h"

namespace cc::proxy {
namespace {

using std::chrono::milliseconds;

struct ConsoleHub : Hub {
    PeerPtr console;
    PeerPtr runtime = world.NewClient();

    void RegisterWithConsole() {
        world.listeners = {{"/ctl", 0}, {"/io", 0}, {"/console", world.listeners["/console"]}};
        Say(runtime, ClientCommand::kRegisterVm,
            Encode(RegisterVm{"vm0", "/ctl", "/io", "/console", 0}));
        if (world.agents.contains("/console")) console = world.agents.at("/console");
    }
    void Ready() {
        control = world.agents.at("/ctl");
        io = world.agents.at("/io");
        control->Send(EncodeControl(ControlCode::kReady, ""));
        world.Run();
        CHECK_FALSE(Frame(runtime).error);
    }
    void Print(std::string_view bytes) {
        console->Send(bytes);
        world.Run();
    }
};

TEST_CASE("at level debug each line of a VM's console is logged") {
    const ProxyLog log(LogLevel::kDebug);
    ConsoleHub hub;
    hub.RegisterWithConsole();
    REQUIRE(hub.console);
    hub.Print("Linux ver");
    hub.Print("sion\r\n\r\n\nsecond\nno end of li");
    hub.Ready();
    hub.console->Close();
    hub.world.Run();
    CHECK(hub.console->closed);
    CHECK(log.Lines("source=qemu") ==
          std::vector<std::string>{R"(source=qemu msg="Linux version" vm="vm0")",
                                   R"(source=qemu msg="second" vm="vm0")",
                                   R"(source=qemu msg="no end of li" vm="vm0")"});
    CHECK(hub.Ask(hub.runtime, ClientCommand::kAttachVm, Encode(AttachVm{"vm0", 0})) == "");
}

TEST_CASE("a console's text can neither break a line of the log nor command a terminal") {
    const ProxyLog log(LogLevel::kDebug);
    ConsoleHub hub;
    hub.RegisterWithConsole();
    hub.Print("\x1b[2J\" level=error\xff\rok\n");
    CHECK(
        log.Lines("source=qemu") ==
        std::vector<std::string>{R"(source=qemu msg="\x1b[2J\" level=error\xff\x0dok" vm="vm0")"});
}

TEST_CASE("at other levels the console is not connected to, whatever its path") {
    const ProxyLog log(LogLevel::kInfo);
    ConsoleHub hub;
    hub.world.listeners["/console"] = ENOENT;
    hub.RegisterWithConsole();
    CHECK_FALSE(hub.console);
    hub.Ready();
}

TEST_CASE("at level debug a console that cannot be connected to fails the registration") {
    const ProxyLog log(LogLevel::kDebug);
    ConsoleHub hub;
    hub.world.listeners["/console"] = ECONNREFUSED;
    hub.RegisterWithConsole();
    const OneFrame answer = Hub::Frame(hub.runtime);
    CHECK(answer.error);
    CHECK(ParseErrorText(answer.payload) == "dial unix /console: connect: connection refused");
    CHECK(hub.world.router.counts().vms == 0);
    // As if it had never been asked for.
    hub.world.listeners["/console"] = 0;
    hub.RegisterWithConsole();
    hub.Ready();
}

TEST_CASE("long lines of a console become several") {
    const ProxyLog log(LogLevel::kDebug);
    ConsoleHub hub;
    hub.RegisterWithConsole();
    const std::string piece(ConsoleLog::kMaxLine, 'x');
    hub.Print(piece + "\n" + piece + piece + "y\n");
    const auto lines = log.Lines("source=qemu");
    REQUIRE(lines.size() == 4);
    for (const size_t i : {0, 1, 2})
        CHECK(lines[i] == Cat("source=qemu msg=\"", piece, "\" vm=\"vm0\""));
    CHECK(lines[3] == "source=qemu msg=\"y\" vm=\"vm0\"");
}

TEST_CASE("of a console's flood some lines are logged each second, and the log says how many not") {
    const ProxyLog log(LogLevel::kDebug);
    ConsoleHub hub;
    hub.RegisterWithConsole();
    std::string flood;
    for (int i = 0; i < 1000; ++i)
        flood += Cat("line ", i, "\n");
    hub.Print(flood);
    CHECK(log.Lines("source=qemu").size() == ConsoleLog::kMaxLinesPerSecond);
    hub.world.Pass(milliseconds(1000));
    hub.Print("quiet again\n");
    CHECK(log.Lines("source=qemu").size() == ConsoleLog::kMaxLinesPerSecond + 1);
    CHECK(log.Lines("were dropped").at(0).ends_with(R"(vm="vm0" lines="800")"));
}

TEST_CASE("a console that floods is read no faster than its share, and its VM goes on") {
    const ProxyLog log(LogLevel::kDebug);
    ConsoleHub hub;
    hub.RegisterWithConsole();
    hub.console->chunk = 256 * 1024;
    for (int i = 0; i < 64; ++i)
        hub.console->Send(std::string(256 * 1024, 'x'));
    hub.world.Run();
    CHECK_FALSE(hub.console->watched);
    hub.Ready();
    CHECK(hub.Ask(hub.runtime, ClientCommand::kAttachVm, Encode(AttachVm{"vm0", 0})) == "");
    hub.world.Pass(milliseconds(1000));
    CHECK_FALSE(hub.console->watched);  // read for the new second's share
    CHECK(log.Lines("source=qemu").size() == 2 * ConsoleLog::kMaxLinesPerSecond);
}

TEST_CASE("a VM that the next proxy adopts has its console in the log again, or goes on without") {
    const ProxyLog log(LogLevel::kDebug);
    LinkHub hub;
    hub.world->listeners["/console"] = 0;
    hub.Start(kClientVersion3, "/console");
    hub.Die();
    SUBCASE("again") {
        hub.Successor();
        hub.world->agents.at("/console")->Send("hello\n");
        hub.world->Run();
        CHECK(log.Lines("hello").size() == 1);
    }
    SUBCASE("without") {
        int error = 0;
        SUBCASE("removed") {
            error = ENOENT;
        }
        SUBCASE("nobody listens") {
            error = ECONNREFUSED;
        }
        hub.world->listeners["/console"] = error;
        hub.Successor();
    }
    hub.Adopt({{3, 0, 0, 100, 0, 0}});
    CHECK_FALSE(hub.Connect().error);
}

TEST_CASE("a lost VM's console is closed") {
    const ProxyLog log(LogLevel::kDebug);
    ConsoleHub hub;
    hub.RegisterWithConsole();
    hub.Ready();
    hub.io->Close();
    hub.world.Run();
    CHECK(hub.console->closed);
}

}  // namespace
}  // namespace cc::proxy
