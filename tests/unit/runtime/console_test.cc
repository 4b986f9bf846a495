// SPDX-License-Identifier: Apache-2.0
#include "runtime/sandbox/console.h"

#include <thread>

#include <doctest/doctest.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/unit/runtime/temp_directory.h"

namespace cc::runtime {

using test::TempDirectory;

TEST_CASE("terminals and console sockets go together as runc has it") {
    const auto good = [](bool terminal, bool detach, const char* socket, const char* console = "") {
        return CheckConsole({console, socket, detach}, terminal).has_value();
    };
    CHECK(good(false, false, ""));
    CHECK(good(false, true, ""));
    CHECK(good(true, false, ""));
    CHECK(good(true, true, "/s"));
    CHECK(good(true, true, "", "/dev/pts/1"));
    CHECK_FALSE(good(true, true, ""));
    CHECK_FALSE(good(false, true, "/s"));
    CHECK_FALSE(good(true, false, "/s"));
    CHECK_FALSE(good(true, true, "/s", "/dev/pts/1"));
    CHECK(CheckConsole({"", "", true}, true).error().message ==
          "cannot allocate tty if cc-runtime will detach without setting console socket");
}

TEST_CASE("the console socket gets the master of the terminal that the shim gets") {
    TempDirectory directory;
    const Fd listener = ListenUnix(directory / "console.sock", SOCK_STREAM, 0600).value();
    const auto slave = OpenConsole({"", directory / "console.sock", true}, 30, 90);
    REQUIRE_MESSAGE(slave, slave.error().message);
    const Fd peer = Fd::Adopt(::accept(listener.get(), nullptr, nullptr));
    auto received = ReceiveWithFds(peer.get(), 4096);
    REQUIRE(received);
    REQUIRE(received->fds.size() == 1);
    CHECK(::isatty(slave->get()) == 1);
    const auto size = TerminalSize(slave->get());
    REQUIRE(size);
    CHECK(size->rows == 30);
    CHECK(size->columns == 90);
    REQUIRE(WriteAll(slave->get(), "line\n"));
    char text[16];
    CHECK(::read(received->fds[0].get(), text, sizeof text) == 5);
    CHECK(
        OpenConsole({"", directory / "none.sock", true}, 0, 0).error().message.find("none.sock") !=
        std::string::npos);
}

}  // namespace cc::runtime
