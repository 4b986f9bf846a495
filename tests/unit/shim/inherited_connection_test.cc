// SPDX-License-Identifier: Apache-2.0
// A shim that has its connection from whoever started it.
#include <sys/socket.h>
#include <unistd.h>

#include "base/text.h"
#include "protocol/shim_start.h"
#include "tests/unit/shim/scripted_proxy.h"

namespace cc::test {
namespace {

constexpr uint16_t k3 = kClientVersion3;

struct InheritedShim {
    FdPair connection = MakeSocketPair(SOCK_STREAM).value();  // the proxy's end, the shim's
    FdPair out = MakePipe().value(), err = MakePipe().value(), start = MakePipe().value();
    Process process;

    void Start(std::vector<std::string> arguments) {
        arguments.insert(arguments.begin(), {"-c", "box", "--connection-fd", "4"});
        process = StartShim(arguments, {.out = out.second.get(),
                                        .err = err.second.get(),
                                        .start = start.first.get(),
                                        .connection = connection.second.get()});
        out.second.Reset();
        err.second.Reset();
        start.first.Reset();
        connection.second.Reset();
    }
    void Tell(const ShimStart& message) {
        REQUIRE(WriteAll(start.second.get(), Encode(message)));
        start.second.Reset();
    }
    // One line.
    std::string Complaint() {
        CHECK(WaitExit(process) == 1);
        const std::string text = ReadBytes(err.first.get(), 65536);
        CHECK(Split(text, '\n').size() == 2);
        return text;
    }
};

std::string Exited(int code) {
    return EncodeNotification(Notification::kProcessExited, Encode(ProcessEnd{code, 0}));
}

std::string Output(uint64_t offset, std::string_view bytes) {
    return EncodeStreamAt(StreamKind::kStdout, offset, bytes, false);
}

}  // namespace

TEST_CASE("an inherited connection needs no token and no URI") {
    TempDirectory directory;
    ScriptedProxy proxy(directory / "proxy.sock", k3);
    InheritedShim shim;
    shim.Start({});
    CHECK(proxy.AcceptOn(std::move(shim.connection.first)).token.empty());
    proxy.Send(Output(0, "hi"));
    CHECK(ReadBytes(shim.out.first.get(), 2) == "hi");
    proxy.Send(Exited(6));
    CHECK(WaitExit(shim.process) == 6);
    CHECK_FALSE(proxy.HasCaller(0));
}

TEST_CASE("when that proxy dies, the shim comes back with the token it was told, where it was") {
    TempDirectory directory;
    ScriptedProxy proxy(directory / "proxy.sock", k3);
    InheritedShim shim;
    shim.Start({"-u", "unix://" + (directory / "proxy.sock")});
    proxy.AcceptOn(std::move(shim.connection.first));
    proxy.Send(Output(0, "first"));
    CHECK(ReadBytes(shim.out.first.get(), 5) == "first");
    CHECK(proxy.NextWindow(StreamKind::kStdout).offset == 5);
    proxy.Hang();
    const auto again = proxy.Accept();  // checks the token
    CHECK(again.standard_output.offset == 5);
    proxy.Send(Exited(7));
    CHECK(WaitExit(shim.process) == 7);
}

TEST_CASE("without a URI the end of the connection is the shim's") {
    TempDirectory directory;
    ScriptedProxy proxy(directory / "proxy.sock", k3);
    InheritedShim shim;
    shim.Start({});
    proxy.AcceptOn(std::move(shim.connection.first));
    proxy.Hang();
    CHECK(shim.Complaint().find("no --uri") != std::string::npos);
}

TEST_CASE("a connection that is closed, or is none, is one clear error") {
    InheritedShim closed;
    closed.connection.first.Reset();
    closed.Start({});
    CHECK(closed.Complaint().find("by the inherited connection") != std::string::npos);

    InheritedShim missing;
    missing.connection.second.Reset();
    missing.Start({});
    CHECK(missing.Complaint().find("--connection-fd: descriptor 4 is not a connected") !=
          std::string::npos);

    InheritedShim pipe;
    pipe.connection.second = std::move(MakePipe()->first);
    pipe.Start({});
    CHECK(pipe.Complaint().find("not a connected UNIX stream socket") != std::string::npos);
}

TEST_CASE("the start message says whether the proxy has the connection's other end") {
    TempDirectory directory;
    ScriptedProxy proxy(directory / "proxy.sock", k3);
    const std::string uri = "unix://" + (directory / "proxy.sock");
    InheritedShim with;
    with.Start({"--start-fd", "3"});
    with.Tell({.token = kToken, .uri = uri, .connected = true});
    CHECK(proxy.AcceptOn(std::move(with.connection.first)).token == kToken);
    proxy.Send(Exited(1));
    CHECK(WaitExit(with.process) == 1);

    InheritedShim without;
    without.Start({"--start-fd", "3"});
    without.Tell({.token = kToken, .uri = uri});
    proxy.Accept();
    proxy.Send(Exited(2));
    CHECK(WaitExit(without.process) == 2);
}

TEST_CASE("a proxy that dies with the connection before it has answered is no loss") {
    TempDirectory directory;
    InheritedShim shim;
    shim.Start({"--start-fd", "3"});
    shim.connection.first.Reset();
    shim.Tell({.token = kToken, .uri = "unix://" + (directory / "proxy.sock"), .connected = true});
    ::usleep(200'000);
    ScriptedProxy next(directory / "proxy.sock", k3);
    next.Accept();
    CHECK(next.turned_away() == 0);
    next.Send(Exited(3));
    CHECK(WaitExit(shim.process) == 3);
}

}  // namespace cc::test
