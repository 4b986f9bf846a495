// SPDX-License-Identifier: Apache-2.0
// Shims that miss their proxy and start one: a small script plays it, and the test answers in its
// place.
#include <csignal>

#include <doctest/doctest.h>
#include <unistd.h>

#include "base/file.h"
#include "base/text.h"
#include "protocol/shim_start.h"
#include "tests/unit/shim/scripted_proxy.h"

namespace cc::test {

namespace {

// Notes its start and its arguments; `script` goes on from there.
std::string ProxyProgram(const TempDirectory& directory, const std::string& script) {
    const std::string path = directory / "cc-proxy";
    REQUIRE(
        WriteFileAtomic(path,
                        Cat("#!/bin/sh\nsock=$2\ndir=${sock%/*}\necho \"$@\" >> $dir/arguments\n",
                            "echo $$ >> $dir/starts\n", script, "\n"),
                        0755));
    return path;
}

// Says that it listens once the test does.
const std::string kListens =
    "while [ ! -S $sock ]; do sleep 0.01; done\necho >&3\nexec sleep 1000 3>&-";

std::vector<pid_t> Starts(const TempDirectory& directory) {
    std::vector<pid_t> pids;
    for (const auto& line : Split(ReadFile(directory / "starts", 1 << 20).value_or(""), '\n'))
        if (const auto pid = ParseNumber<pid_t>(line)) pids.push_back(*pid);
    return pids;
}

void AwaitStarts(const TempDirectory& directory, size_t count) {
    for (int i = 0; i < 2000 && Starts(directory).size() < count; ++i)
        ::usleep(10000);
    REQUIRE(Starts(directory).size() == count);
}

Process StartToldShim(const TempDirectory& directory, const std::string& program,
                      const FdPair& err) {
    const ShimStart start{kToken, "unix://" + (directory / "proxy.sock"), program, "error"};
    FdPair pipe = MakePipe().value();
    REQUIRE(WriteAll(pipe.second.get(), Encode(start)));
    pipe.second.Reset();
    return StartShim({"-c", "box", "-r", "5", "--start-fd", "3"},
                     {-1, -1, err.second.get(), pipe.first.get()});
}

}  // namespace

TEST_CASE("a shim that misses its proxy starts one, and starts another when that dies") {
    TempDirectory directory;
    ScriptedProxy proxy(directory / "proxy.sock", kClientVersion3);
    FdPair err = MakePipe().value();
    Process shim = StartToldShim(directory, ProxyProgram(directory, kListens), err);
    proxy.Accept();
    for (size_t count = 1; count <= 2; ++count) {
        proxy.StopListening();
        proxy.Hang();
        AwaitStarts(directory, count);
        proxy.Listen();
        proxy.Accept();
        // Its end is the shim's business, not the process's in the guest.
        REQUIRE(::kill(Starts(directory).back(), SIGKILL) == 0);
        for (int i = 0; i < 2000 && Exists(Cat("/proc/", Starts(directory).back())); ++i)
            ::usleep(10000);
        CHECK_FALSE(Exists(Cat("/proc/", Starts(directory).back())));
        REQUIRE(shim.Signal(SIGUSR1));
        const auto frame = proxy.Next();
        REQUIRE(frame);
        CHECK(ParseSignal(frame->payload, kClientVersion3)->number == SIGUSR1);
    }
    CHECK(Split(ReadFile(directory / "arguments", 4096).value(), '\n')[0] ==
          Cat("-socket-path ", directory / "proxy.sock", " -log error --on-demand --ready-fd 3"));
    proxy.Send(EncodeNotification(Notification::kProcessExited, Encode(ProcessEnd{3, 0})));
    CHECK(WaitExit(shim) == 3);
}

TEST_CASE(
    "a shim that finds no proxy at its beginning starts one, and SIGCHLD still goes to the guest") {
    TempDirectory directory;
    FdPair err = MakePipe().value();
    Process shim = StartToldShim(directory, ProxyProgram(directory, kListens), err);
    AwaitStarts(directory, 1);
    ScriptedProxy proxy(directory / "proxy.sock", kClientVersion3);
    proxy.Accept();
    REQUIRE(shim.Signal(SIGCHLD));
    const auto frame = proxy.Next();
    REQUIRE(frame);
    CHECK(ParseSignal(frame->payload, kClientVersion3)->number == SIGCHLD);
    proxy.Send(EncodeNotification(Notification::kProcessExited, Encode(ProcessEnd{4, 0})));
    CHECK(WaitExit(shim) == 4);
    ::kill(Starts(directory).front(), SIGKILL);
}

TEST_CASE("of several shims that miss their proxy one starts it") {
    TempDirectory directory;
    ScriptedProxy proxy(directory / "proxy.sock", kClientVersion3);
    const std::string program = ProxyProgram(directory, kListens);
    FdPair err = MakePipe().value();
    std::vector<Process> shims;
    for (int i = 0; i < 4; ++i) {
        shims.push_back(StartToldShim(directory, program, err));
        proxy.Accept();
        proxy.Hang();
    }
    proxy.StopListening();
    AwaitStarts(directory, 1);
    ::usleep(500000);  // for whoever else would
    CHECK(Starts(directory).size() == 1);
    proxy.Listen();
    for (size_t i = 0; i < shims.size(); ++i) {
        proxy.Accept();
        proxy.Send(EncodeNotification(Notification::kProcessExited, Encode(ProcessEnd{0, 0})));
        proxy.ExpectGoodbye();
    }
    for (auto& shim : shims)
        CHECK(WaitExit(shim) == 0);
    ::kill(Starts(directory).front(), SIGKILL);
}

TEST_CASE("a proxy that cannot run is named by the shim that gives up, and none is left") {
    TempDirectory directory;
    ScriptedProxy proxy(directory / "proxy.sock", kClientVersion3);
    FdPair err = MakePipe().value();
    const std::string program =
        ProxyProgram(directory, "echo 'no space left' >&3; exec sleep 1000 3>&-");
    Process shim = StartToldShim(directory, program, err);
    err.second.Reset();
    proxy.Accept();
    proxy.StopListening();
    proxy.Hang();
    const std::string error = ReadBytes(err.first.get(), 4096);
    CHECK(error.find("no cc-proxy answered") != std::string::npos);
    CHECK(error.find("starting cc-proxy: no space left") != std::string::npos);
    CHECK(WaitExit(shim) == 1);
    CHECK(Starts(directory).size() <= 6);
    for (const pid_t pid : Starts(directory))
        CHECK_FALSE(Exists(Cat("/proc/", pid)));
}

}  // namespace cc::test
