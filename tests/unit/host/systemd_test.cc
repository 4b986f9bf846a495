// SPDX-License-Identifier: Apache-2.0
#include "host/systemd.h"

#include <doctest/doctest.h>

#include "tests/unit/host/fake_systemd.h"

namespace cc {

using test::FakeSystemd;

namespace {

Systemd ConnectTo(const FakeSystemd& fake, bool bus = false) {
    auto systemd = Systemd::Connect({{fake.path(), bus}});
    REQUIRE_MESSAGE(systemd, systemd.error().message);
    return std::move(*systemd);
}

}  // namespace

TEST_CASE("a scope is started with its process, limited, and ended") {
    FakeSystemd fake;
    Systemd systemd = ConnectTo(fake);
    REQUIRE(systemd.StartScope({"web.scope", "machine.slice", "a container", 4711}));
    CHECK(fake.units.contains("web.scope"));
    const std::string body = fake.last().body;
    for (const char* text : {"machine.slice", "PIDs", "Delegate", "a container"})
        CHECK(body.find(text) != std::string::npos);
    CHECK(systemd.SetProperties("web.scope", {{"TasksMax", uint64_t{5}}}));
    CHECK(fake.last().signature == "sba(sv)");
    CHECK(systemd.SetProperties("web.scope", {}));
    CHECK(systemd.RemoveScope("web.scope"));
    CHECK(fake.calls() == std::vector<std::string>{"Subscribe", "StartTransientUnit web.scope",
                                                   "SetUnitProperties web.scope",
                                                   "StopUnit web.scope",
                                                   "ResetFailedUnit web.scope"});
    CHECK(systemd.RemoveScope("web.scope"));  // gone already
}

TEST_CASE("on a bus it introduces itself and asks for the signals") {
    FakeSystemd fake;
    Systemd systemd = ConnectTo(fake, true);
    const auto calls = fake.calls();
    REQUIRE(calls.size() == 3);
    CHECK(calls[0] == "Hello");
    CHECK(calls[1].starts_with("AddMatch type='signal'"));
    CHECK(calls[2] == "Subscribe");
}

TEST_CASE("a scope that has failed earlier gives way, one that runs does not") {
    FakeSystemd fake;
    fake.failed_units = {"old.scope"};
    fake.units = {"busy.scope"};
    Systemd systemd = ConnectTo(fake);
    CHECK(systemd.StartScope({"old.scope", "machine.slice", "", 1}));
    const auto refused = systemd.StartScope({"busy.scope", "machine.slice", "", 1});
    REQUIRE_FALSE(refused);
    CHECK(refused.error().message ==
          "starting busy.scope: Unit busy.scope already exists. "
          "(org.freedesktop.systemd1.UnitExists)");
    CHECK(fake.units.contains("busy.scope"));
}

TEST_CASE("a job that does not end well is an error, with its result") {
    FakeSystemd fake;
    fake.job_result = "canceled";
    Systemd systemd = ConnectTo(fake);
    const auto started = systemd.StartScope({"web.scope", "machine.slice", "", 1});
    REQUIRE_FALSE(started);
    CHECK(started.error().message.find("canceled") != std::string::npos);
}

TEST_CASE("the first address that answers is taken; when none does, all are named") {
    FakeSystemd fake, closed;
    closed.refuses_login = "yes";
    CHECK(Systemd::Connect(
        {{"/nowhere/private", false}, {closed.path(), false}, {fake.path(), true}}));
    const auto none = Systemd::Connect({{"/nowhere/private", false}, {closed.path(), true}});
    REQUIRE_FALSE(none);
    CHECK(none.error().message.find("/nowhere/private") != std::string::npos);
    CHECK(none.error().message.find("REJECTED") != std::string::npos);
}

}  // namespace cc
