// SPDX-License-Identifier: Apache-2.0
#include "base/process_title.h"

#include <doctest/doctest.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"

namespace cc {

TEST_CASE("ps shows the title of a process and nothing of the command line it covers") {
    // In a child, as the title replaces the command line for good.
    const pid_t child = ::fork();
    if (child == 0) {
        const std::string environment = ReadFile("/proc/self/environ", 1 << 20).value_or("");
        const bool set = SetProcessTitle("cc-test", {"a", "b"}).has_value();
        std::string line = ReadFile("/proc/self/cmdline", 1 << 20).value_or("");
        line.resize(line.find_last_not_of('\0') + 1);
        const bool shown = line == std::string_view("a\0b", 3) &&
                           ReadFile("/proc/self/comm", 64).value_or("") == "cc-test\n";
        const bool cut = SetProcessTitle("cc-test", {std::string(1 << 20, 'x')}).has_value() &&
                         ReadFile("/proc/self/environ", 1 << 20).value_or("") == environment;
        ::_exit(set && shown && cut ? 0 : 1);
    }
    int status = -1;
    REQUIRE(::waitpid(child, &status, 0) == child);
    CHECK(status == 0);
}

}  // namespace cc
