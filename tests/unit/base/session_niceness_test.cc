// SPDX-License-Identifier: Apache-2.0
#include "base/session_niceness.h"

#include <cstdio>

#include <doctest/doctest.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"

namespace cc {

TEST_CASE("a session leaves the processor to others") {
    if (::access("/proc/self/autogroup", F_OK) < 0) {
        std::puts("SKIPPED: this kernel does not share the processor between sessions");
        return;
    }
    const pid_t child = ::fork();
    if (child == 0) {
        ::setsid();
        SetSessionNiceness(7);
        const auto group = ReadFile("/proc/self/autogroup", 256);
        ::_exit(group && group->ends_with("nice 7\n") ? 0 : 1);
    }
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    CHECK(status == 0);
}

}  // namespace cc
