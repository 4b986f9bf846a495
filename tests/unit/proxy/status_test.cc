// SPDX-License-Identifier: Apache-2.0
// What --status prints.
#include "proxy/status.h"

#include <algorithm>

#include <unistd.h>

#include "base/json_full.h"
#include "tests/unit/proxy/hub.h"

namespace cc::proxy {
namespace {

using std::chrono::milliseconds;

std::string JsonOf(Hub& hub) {
    return StatusJson({"/run/p.sock", "system", milliseconds(3'725'000)},
                      hub.world.router.TakeSnapshot());
}
std::string TableOf(Hub& hub) {
    const auto table = StatusTable(JsonOf(hub));
    REQUIRE_MESSAGE(table, table.error().message);
    return *table;
}

TEST_CASE("the table of a proxy that serves nobody is its head") {
    Hub hub;
    const std::string table = TableOf(hub);
    CHECK(table.starts_with("cc-proxy "));
    CHECK(table.find(Cat("(system mode), pid ", ::getpid(),
                         ", up 1 h 2 min, on /run/p.sock\n0 clients, 0 VMs, 0 sessions\n")) !=
          std::string::npos);
}

TEST_CASE("the table shows VMs and below each its sessions, and no token") {
    Hub hub;
    const auto runtime = hub.Register(0, "web");
    const std::string token = hub.Token(0, "web");
    const auto shim = hub.Shim(token);
    hub.Start(runtime, token, "web");
    hub.Output(3, std::string(1536, 'x'));
    shim->Send(EncodeStream(StreamKind::kStdin, "ls\n"));
    hub.world.Run();
    const std::string exec = hub.Token(0, "web");
    const auto other = hub.Register(0, "db");
    hub.world.Pass(milliseconds(65'000));
    const std::string table = TableOf(hub);
    const std::string body = table.substr(table.find("\n\n") + 2);
    const VmCounters io = hub.world.router.TakeSnapshot().vms.at(1).counters;
    const std::string in = Cat(io.control_out.bytes + io.io_out.bytes, " B");
    CHECK(body ==
          Cat("VM   STATE    AGENT  AGE        SESSIONS  UNANSWERED  IN",
              std::string(in.size(), ' '),
              "OUT      QUEUED\n"
              "    SESSION  CONTAINER  STATE      SHIM  IN   OUT      QUEUED  STALLS  LOST\n"
              "db   running  3.0    1 min 5 s  0         0 of 0      0 B",
              std::string(in.size() - 1, ' '),
              "0 B      0 B\n"
              "web  running  3.0    1 min 5 s  2         0 of 1      ",
              in,
              "  1.5 KiB  0 B\n"
              "    3        web        running    4711  3 B  1.5 KiB  0 B     0       0 B\n"
              "    5        -          allocated  -     0 B  0 B      0 B     0       0 B\n"));
    for (const auto& secret : {token, exec}) {
        CHECK(table.find(secret) == std::string::npos);
        CHECK(JsonOf(hub).find(secret) == std::string::npos);
    }
}

TEST_CASE("states of sessions are told apart") {
    Hub hub;
    const auto runtime = hub.Register();
    const std::string token = hub.Token();
    const auto state = [&] {
        return std::string(hub.world.router.TakeSnapshot().vms.at(0).sessions.at(0).state);
    };
    CHECK(state() == "allocated");
    hub.Say(runtime, ClientCommand::kHyper,
            hub.Hyper("newcontainer", {token}, R"({"id":"c","process":{}})"));
    CHECK(state() == "waiting");
    const auto shim = hub.Shim(token);
    CHECK(state() == "starting");
    hub.Ack();
    CHECK(state() == "running");
    hub.Output(3, "");
    hub.Output(3, std::string(1, '\7'));
    CHECK(state() == "exited");
    shim->Close();
    hub.world.Run();
    CHECK(hub.world.router.TakeSnapshot().session_count == 0);
    const auto claims = hub.Shim(hub.Token());
    CHECK(state() == "claimed");
}

TEST_CASE("a VM that is unregistered but still serves is shown as leaving, a lost one as lost") {
    Hub hub;
    const auto runtime = hub.Register();
    const std::string token = hub.Token();
    const auto shim = hub.Shim(token);
    hub.Start(runtime, token);
    CHECK(hub.Ask(runtime, ClientCommand::kUnregisterVm, Encode(UnregisterVm{"vm0"})) == "");
    CHECK(TableOf(hub).find("vm0  leaving") != std::string::npos);
    hub.Register(0, "vm1");
    hub.io->Close();
    hub.world.Run();
    CHECK(TableOf(hub).find("vm1  lost") != std::string::npos);
}

TEST_CASE("names that clients choose reach neither JSON nor table as commands for a terminal") {
    Hub hub;
    const std::string hostile = "a b\n\x1b[2J\x7f\xc2\x9b";
    hub.Register(0, hostile);
    const auto printable = [](const std::string& text) {
        return std::all_of(text.begin(), text.end(),
                           [](char c) { return c == '\n' || (c >= ' ' && c < 0x7f); });
    };
    CHECK(printable(JsonOf(hub)));
    const std::string table = TableOf(hub);
    CHECK(table.find(R"("a b\n\x1b[2J\x7f\xc2\x9b")") != std::string::npos);
    CHECK(printable(table));
}

TEST_CASE("sizes and ages are in a person's units") {
    SessionSnapshot session;
    session.number = 3;
    session.state = "running";
    session.counters.out = {9, uint64_t{5} << 40};
    session.counters.in = {9, 1023};
    session.queued = 3 * 1024 * 1024 + 700 * 1024;
    VmSnapshot vm;
    vm.id = "vm";
    vm.state = "running";
    vm.extension = 2;
    vm.age = std::chrono::hours(50);
    vm.sessions.push_back(session);
    Snapshot snapshot;
    snapshot.vms.push_back(vm);
    const std::string table =
        StatusTable(StatusJson({"/s", "pod", milliseconds(999)}, snapshot)).value();
    for (const char* shown :
         {"up 0 s", "2 d 2 h", "5.0 TiB", "1023 B", "3.6 MiB", "(pod mode)", "extension 2"})
        CHECK_MESSAGE(table.find(shown) != std::string::npos, shown);
}

TEST_CASE("a text that is no status is an error") {
    CHECK_FALSE(StatusTable("<html>"));
    CHECK_FALSE(StatusTable(R"({"vms":[{"sessions":7}]})"));
    CHECK(StatusTable("{}"));
}

}  // namespace
}  // namespace cc::proxy
