// SPDX-License-Identifier: Apache-2.0
// Shims that have inherited their connection, whose other end the proxy was passed.
#include <csignal>

#include <unistd.h>

#include "base/text.h"
#include "tests/integration/house.h"
#include "tests/noise.h"

namespace cc::test {

namespace {
const ProcessOptions kInherits{-1, {}, true};
}

TEST_CASE("a shim with an inherited connection serves its process, and no token is to be seen") {
    if (SkipWithoutRoot()) return;
    House house;
    Shim shim = house.Run("c", "cat; echo err >&2; exit 42", kInherits);
    const std::string line = ReadFile(Cat("/proc/", shim.process.pid(), "/cmdline"), 65536).value();
    CHECK(line.find("connection-fd") != std::string::npos);
    CHECK(line.find('=') == std::string::npos);  // with which every token ends
    const std::string sent = Noise(4 << 10);
    CHECK(WriteAll(shim.in.get(), sent));
    shim.in.Reset();
    CHECK((shim.Output() == sent));
    CHECK(shim.Errors() == "err\n");
    CHECK(shim.WaitExit() == 42);
    house.Remove("c");
}

TEST_CASE("it comes back to the next proxy, and its process goes on") {
    if (SkipWithoutRoot()) return;
    House house;
    Shim shim = house.Run("c", "echo on; read word; echo $word; exit 5", kInherits);
    char on[3];
    REQUIRE(::read(shim.out.get(), on, 3) == 3);
    house.ReplaceProxy(SIGKILL);
    CHECK(WriteAll(shim.in.get(), "word\n"));
    CHECK(shim.Output() == "word\n");
    CHECK(shim.WaitExit() == 5);
}

TEST_CASE("when it is killed the proxy knows whose connection it was, and ends the process") {
    if (SkipWithoutRoot()) return;
    House house;
    Shim first = house.Run("c", "cat");
    Shim shim = house.Exec("c", "echo on; exec sleep 1000", kInherits);
    char on[3];
    REQUIRE(::read(shim.out.get(), on, 3) == 3);
    CHECK(shim.process.Signal(SIGKILL));
    Shim witness =
        house.Exec("c", "while pidof sleep >/dev/null; do usleep 100000; done; echo gone");
    CHECK(witness.Output() == "gone\n");
    first.in.Reset();
    CHECK(first.WaitExit() == 0);
}

}  // namespace cc::test
