// SPDX-License-Identifier: Apache-2.0
#include "base/run_to_end.h"

#include <csignal>

#include <doctest/doctest.h>
#include <unistd.h>

#include "base/file.h"
#include "base/text.h"
#include "tests/scratch.h"

namespace cc {

using std::chrono::milliseconds;

namespace {

SpawnOptions ShellToEnd(const std::string& script) {
    SpawnOptions options;
    options.executable = "/bin/sh";
    options.arguments = {"sh", "-c", script};
    return options;
}

}  // namespace

TEST_CASE("a helper program gets its input, and success says nothing") {
    test::Scratch directory;
    const std::string input(100000, 'x');
    CHECK(RunToEnd(ShellToEnd(Cat("cat /dev/stdin >", directory / "copy", "; echo hello")), input,
                   std::nullopt));
    CHECK(ReadFile(directory / "copy", 1 << 20).value() == input);
    // One that does not care for its input is no trouble either.
    CHECK(RunToEnd(ShellToEnd("exec <&-; exit 0"), input, std::nullopt));
}

TEST_CASE("a helper program that fails is an error with its status and what it said") {
    const auto failed =
        RunToEnd(ShellToEnd("echo out; echo err >&2; exit 3"), "", milliseconds(60000));
    REQUIRE_FALSE(failed);
    CHECK(failed.error().message == "ended with status 3, saying \"out\\nerr\"");
    CHECK(RunToEnd(ShellToEnd("kill -9 $$"), "", std::nullopt).error().message ==
          "was ended by signal 9");
    const auto much =
        RunToEnd(ShellToEnd("head -c 1000000 /dev/zero; echo last; exit 1"), "", std::nullopt);
    CHECK(much.error().message.find("last") != std::string::npos);
    CHECK(much.error().message.size() < 5000);
    SpawnOptions missing;
    missing.executable = "/no/such/program";
    missing.arguments = {"x"};
    CHECK(RunToEnd(missing, "", std::nullopt).error().message.find("/no/such/program") !=
          std::string::npos);
}

TEST_CASE("a helper program that is late is killed with the processes it has started") {
    test::Scratch directory;
    const auto late =
        RunToEnd(ShellToEnd(Cat("sleep 1000 & echo $! >", directory / "pid", "; sleep 1000")), "",
                 milliseconds(500));
    REQUIRE_FALSE(late);
    CHECK(late.error().message == "did not end within 500 ms and was killed");
    CHECK_FALSE(
        RunToEnd(ShellToEnd("while :; do echo output without end; done"), "", milliseconds(200)));
    const auto text = ReadFile(directory / "pid", 100);
    if (!text) return;  // a very busy machine: it was killed before it got that far
    const auto pid = ParseNumber<pid_t>(Trim(*text));
    REQUIRE(pid);
    for (int i = 0; i < 1000 && StartTimeOf(*pid); ++i)
        ::usleep(10000);
    CHECK_FALSE(StartTimeOf(*pid));
}

TEST_CASE("a helper program that leaves a process behind with its output open is not waited for") {
    test::Scratch directory;
    CHECK(RunToEnd(ShellToEnd(Cat("sleep 1000 & echo $! >", directory / "pid")), "", std::nullopt));
    const auto pid = ParseNumber<pid_t>(Trim(ReadFile(directory / "pid", 100).value()));
    REQUIRE(pid);
    CHECK(::kill(*pid, SIGKILL) == 0);
}

}  // namespace cc
