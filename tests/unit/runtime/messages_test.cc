// SPDX-License-Identifier: Apache-2.0
// What people read: phases of a run, why a guest did not come up.
#include <csignal>

#include <doctest/doctest.h>

#include "base/text.h"
#include "runtime/sandbox/boot_failure.h"
#include "runtime/sandbox/interrupt.h"
#include "runtime/sandbox/phases.h"

namespace cc::runtime {

TEST_CASE("the last lines of a console are quoted, cut and in one line") {
    std::string console = "first\n";
    for (int i = 0; i < 20; ++i)
        console += Cat("line ", i, "\r\n\n");
    console += "\033[31mpanic: no init\nnot\x80utf";
    const std::string text =
        WithConsoleTail("the guest did not come up", console, "/v/console.log");
    CHECK(text.find('\n') == std::string::npos);
    CHECK(text.find('\033') == std::string::npos);
    CHECK(text.starts_with(
        "the guest did not come up; its console, /v/console.log, ended with: \"line 14\""));
    CHECK(text.ends_with("\"\\x1b[31mpanic: no init\" \"not\\x80utf\""));
    CHECK(WithConsoleTail("x", " \n\n", "/l").find("stayed empty") != std::string::npos);
    CHECK(WithConsoleTail("x", "a\n[1.5] Kernel panic - not syncing: b\n trace\n</TASK>\n", "/l")
              .ends_with("\"a\" \"[1.5] Kernel panic - not syncing: b\""));
    CHECK(WithConsoleTail("x", std::string(100000, 'a'), "/l").size() < 400);
}

TEST_CASE("steps of one phase are added up, and the guest's boot is split by its own clock") {
    Phases phases;
    phases.Mark("a", "prepare");
    phases.Mark("b", "prepare");
    phases.MarkBoot("boot", AgentInfo{1500, 1600});
    phases.Mark("c", "container");
    const auto lines = Split(phases.Table(), '\n');
    REQUIRE(lines.size() == 7);
    CHECK(lines[0].find("prepare") != std::string::npos);
    CHECK(lines[1].find("firmware") != std::string::npos);
    CHECK(lines[2].ends_with("1.500 s"));
    CHECK(lines[3].ends_with("0.100 s"));
    CHECK(lines[5].find("total") != std::string::npos);

    Phases unknown;
    unknown.MarkBoot("boot", std::nullopt);
    CHECK(unknown.Table().find("guest") != std::string::npos);
}

TEST_CASE("an interrupt during creation is told, and afterwards signals are what they were") {
    const auto before = ::signal(SIGTERM, SIG_IGN);
    {
        const InterruptGuard guard;
        CHECK(CheckInterrupted());
        ::raise(SIGTERM);
        CHECK(CheckInterrupted().error().message == Cat("interrupted by signal ", SIGTERM));
    }
    ::raise(SIGTERM);  // ignored again, or this test program would end here
    const bool ignored = ::signal(SIGTERM, before) == SIG_IGN;
    CHECK(ignored);
}

}  // namespace cc::runtime
