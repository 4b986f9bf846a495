// SPDX-License-Identifier: Apache-2.0
#include <csignal>

#include <doctest/doctest.h>
#include <unistd.h>

#include "base/text.h"
#include "protocol/shim_start.h"
#include "shim/manual.h"
#include "tests/unit/shim/scripted_proxy.h"

namespace cc::test {

namespace {

struct Ended {
    int status;
    std::string error;
};

Ended RunShim(const std::vector<std::string>& arguments) {
    FdPair err = MakePipe().value();
    Process shim = StartShim(arguments, {-1, -1, err.second.get()});
    err.second.Reset();
    const std::string error = ReadBytes(err.first.get(), 65536);
    return {WaitExit(shim), error};
}

}  // namespace

TEST_CASE("what is missing on the command line is said in 3.0's words") {
    CHECK(RunShim({}).error == "cc-shim: Missing container ID\n");
    CHECK(RunShim({"-c", "box"}).error == "cc-shim: Missing token\n");
    const Ended ended = RunShim({"-c", "box", "-t", kToken});
    CHECK(ended.error == "cc-shim: Missing URI\n");
    CHECK(ended.status == 1);
    // 3.0's other form, for a proxy that there is not.
    const Ended tcp = RunShim({"-c", "box", "-t", kToken, "-u", "tcp://127.0.0.1:1"});
    CHECK(tcp.error == "cc-shim: Invalid URI \"tcp://127.0.0.1:1\", expected unix://PATH\n");
    CHECK(tcp.status == 1);
}

TEST_CASE("the man page names the signals that are passed on") {
    std::string text;
    for (const auto& section : shim::ManualSections())
        if (section.title == "SIGNALS") text = section.text;
    CHECK(text.starts_with("HUP INT QUIT "));
    CHECK(text.find(" PWR\nare sent to the process") != std::string::npos);
}

TEST_CASE("a token of the wrong form ends the shim before it connects") {
    TempDirectory directory;
    ScriptedProxy proxy(directory / "proxy.sock");
    for (const std::string& token :
         {std::string("bad!"), std::string("AAA"), std::string("A"), std::string("=")}) {
        const Ended ended =
            RunShim({"-c", "box", "-t", token, "-u", "unix://" + (directory / "proxy.sock")});
        CHECK(ended.status == 1);
        CHECK(ended.error.find("oken") != std::string::npos);
        CHECK_FALSE(proxy.HasCaller(0));
    }
}

TEST_CASE("a proxy that is not there, or refuses the token, ends the shim with one line") {
    TempDirectory directory;
    const auto arguments = ShimArguments(directory / "proxy.sock");
    const Ended absent = RunShim(arguments);
    CHECK(absent.status == 1);
    CHECK(absent.error.find("proxy.sock") != std::string::npos);

    ScriptedProxy proxy(directory / "proxy.sock");
    FdPair err = MakePipe().value();
    Process shim = StartShim(arguments, {-1, -1, err.second.get()});
    err.second.Reset();
    proxy.AcceptAndRefuse(Cat("unknown token: ", kToken));
    const std::string error = ReadBytes(err.first.get(), 65536);
    CHECK(WaitExit(shim) == 1);
    CHECK(Split(error, '\n').size() == 2);
    CHECK(error.find("unknown token") != std::string::npos);
}

TEST_CASE(
    "a shim that was told where to connect by its starter does so, one that never is ends "
    "silently") {
    TempDirectory directory;
    ScriptedProxy proxy(directory / "proxy.sock");
    const auto start = [](FdPair& pipe, FdPair& err) {
        Process shim = StartShim({"--container-id", "box", "--start-fd", "3"},
                                 {-1, -1, err.second.get(), pipe.first.get()});
        pipe.first.Reset();
        err.second.Reset();
        return shim;
    };
    FdPair pipe = MakePipe().value(), err = MakePipe().value();
    Process shim = start(pipe, err);
    CHECK_FALSE(proxy.HasCaller(50));
    REQUIRE(WriteAll(pipe.second.get(),
                     Encode(ShimStart{kToken, "unix://" + (directory / "proxy.sock")})));
    pipe.second.Reset();
    proxy.Accept();
    proxy.Send(EncodeProcessExited(4));
    CHECK(WaitExit(shim) == 4);

    pipe = MakePipe().value();
    err = MakePipe().value();
    shim = start(pipe, err);
    pipe.second.Reset();
    CHECK(WaitExit(shim) == 1);
    CHECK(ReadBytes(err.first.get(), 1).empty());

    // Before the message it is an ordinary process to signals.
    pipe = MakePipe().value();
    err = MakePipe().value();
    shim = start(pipe, err);
    REQUIRE(shim.Signal(SIGTERM));
    CHECK(WaitExit(shim) == 128 + SIGTERM);
}

TEST_CASE("the first process of a pid namespace is as good a shim, and ends by signals as others") {
    TempDirectory directory;
    ScriptedProxy proxy(directory / "proxy.sock");
    FdPair pipe = MakePipe().value();
    Process shim =
        StartShim(ShimArguments(directory / "proxy.sock"), {.in = pipe.first.get(), .pids = true});
    proxy.Accept();
    for (const int signal : {SIGTERM, SIGUSR1, SIGHUP}) {
        REQUIRE(shim.Signal(signal));
        const auto frame = proxy.Next();
        REQUIRE(frame);
        CHECK(ParseSignal(frame->payload)->number == signal);
    }
    proxy.Send(EncodeProcessExited(5));
    CHECK(WaitExit(shim) == 5);

    // Before it has its token.
    shim = StartShim({"-c", "box", "--start-fd", "3"}, {.start = pipe.first.get(), .pids = true});
    bool ended = false;
    // It may not be there yet to handle them.
    for (int i = 0; i < 2000 && !ended; ++i) {
        REQUIRE(shim.Signal(SIGTERM));
        ended = shim.WaitEnd(std::chrono::milliseconds(10)).value();
    }
    CHECK(ended);
    CHECK(WaitExit(shim) == 128 + SIGTERM);
}

TEST_CASE("a proxy that comes back in time is found, with signals and input that waited for it") {
    TempDirectory directory;
    ScriptedProxy proxy(directory / "proxy.sock");
    FdPair in = MakePipe().value(), out = MakePipe().value();
    Process shim =
        StartShim(ShimArguments(directory / "proxy.sock"), {in.first.get(), out.second.get(), -1});
    out.second.Reset();
    proxy.Accept();
    proxy.Send(EncodeStream(StreamKind::kStdout, "before"));
    CHECK(ReadBytes(out.first.get(), 6) == "before");
    proxy.StopListening();
    proxy.Hang();
    ::usleep(300000);
    REQUIRE(shim.Signal(SIGUSR2));
    REQUIRE(WriteAll(in.second.get(), "typed"));
    proxy.Listen();
    proxy.Accept();
    std::string seen;
    for (int i = 0; i < 2; ++i) {
        const auto frame = proxy.Next();
        REQUIRE(frame);
        seen += frame->payload + ";";
    }
    CHECK(seen.find("\"signalNumber\":12") != std::string::npos);
    CHECK(seen.find("typed") != std::string::npos);
    proxy.Send(EncodeStream(StreamKind::kStdout, "after") + EncodeProcessExited(6));
    CHECK(ReadBytes(out.first.get(), 5) == "after");
    CHECK(WaitExit(shim) == 6);
}

TEST_CASE(
    "a virtual machine that ended is one clear line and 137, a proxy that stays away is one and "
    "1") {
    TempDirectory directory;
    const std::string socket = directory / "proxy.sock";
    for (const bool away : {false, true}) {
        CAPTURE(away);
        ScriptedProxy proxy(socket);
        FdPair err = MakePipe().value();
        auto arguments = ShimArguments(socket);
        arguments.insert(arguments.end(), {"-r", "1"});
        Process shim = StartShim(arguments, {-1, -1, err.second.get()});
        err.second.Reset();
        proxy.Accept();
        if (away) proxy.StopListening();
        proxy.Hang();
        if (!away) proxy.AcceptAndRefuse("vm: unknown token " + kToken);
        const std::string error = ReadBytes(err.first.get(), 65536);
        CHECK(Split(error, '\n').size() == 2);
        if (away)
            CHECK(error.find("no cc-proxy") != std::string::npos);
        else
            CHECK(error == "cc-shim: the virtual machine of container box has ended\n");
        CHECK(WaitExit(shim) == (away ? 1 : 137));
    }
}

TEST_CASE("a shim that asks for its version says so and does nothing else") {
    FdPair out = MakePipe().value();
    Process shim = StartShim({"--version"}, {-1, out.second.get(), -1});
    out.second.Reset();
    CHECK(ReadBytes(out.first.get(), 65536).starts_with("shim version: "));
    CHECK(WaitExit(shim) == 0);
}

}  // namespace cc::test
