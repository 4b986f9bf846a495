// SPDX-License-Identifier: Apache-2.0
#include "base/process.h"

#include <csignal>

#include <doctest/doctest.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "base/text.h"

namespace cc {
namespace {

using namespace std::chrono_literals;

SpawnOptions Shell(const std::string& script) {
    SpawnOptions options;
    options.executable = "/bin/sh";
    options.arguments = {"sh", "-c", script};
    return options;
}

// The exit code of a program, and what it wrote to standard output.
struct Ran {
    int code;
    std::string out;
};
Ran Run(SpawnOptions options) {
    FdPair out = MakePipe().value();
    options.fds.push_back({out.second.get(), 1});
    const Process process = Spawn(options).value();
    out.second.Reset();
    Ran ran{-1, ReadAll(out.first.get(), 1 << 20).value()};
    ran.code = ExitCodeOf(process.Reap().value());
    return ran;
}

}  // namespace

TEST_CASE("the first process of a pid namespace ends by SIGKILL, and those in it with it") {
    SpawnOptions options = Shell("echo $$; trap 'echo caught' TERM; sleep 1000 & wait; read end");
    options.new_pid_namespace = true;
    const FdPair in = MakePipe().value();
    FdPair out = MakePipe().value();
    options.fds = {{in.first.get(), 0}, {out.second.get(), 1}};
    const Process process = Spawn(options).value();
    out.second.Reset();
    CHECK(ReadLink(Cat("/proc/", process.pid(), "/ns/pid")).value() !=
          ReadLink("/proc/self/ns/pid").value());
    std::string heard(2, 0);
    REQUIRE(::read(out.first.get(), heard.data(), 2) == 2);
    CHECK(heard == "1\n");
    REQUIRE(process.Signal(SIGUSR1));  // which it does not handle
    // The trap may not be set yet.
    pollfd word{out.first.get(), POLLIN, 0};
    for (int i = 0; i < 1000 && ::poll(&word, 1, 10) == 0; ++i)
        REQUIRE(process.Signal(SIGTERM));
    REQUIRE(process.Signal(SIGKILL));
    // Its child has the other end, too.
    CHECK(ReadAll(out.first.get(), 1 << 20).value().starts_with("caught\n"));
    CHECK(ExitCodeOf(process.Reap().value()) == 128 + SIGKILL);
}

TEST_CASE("a child has exactly the descriptors that are named open") {
    const FdPair in = MakePipe().value();
    const FdPair out = MakePipe().value();
    // Inheritable, as a careless library leaves them.
    const Fd stray = Fd::Adopt(::fcntl(in.first.get(), F_DUPFD, 3));
    const Fd high = Fd::Adopt(::fcntl(in.first.get(), F_DUPFD, 200));
    SpawnOptions options;
    options.executable = "/bin/cat";
    options.arguments = {"cat", "/dev/fd/5"};
    options.fds = {{in.first.get(), 5}, {out.second.get(), 1}, {in.second.get(), 9}};
    const Process process = Spawn(options).value();
    REQUIRE(WriteAll(in.second.get(), "x"));
    char byte = 0;
    REQUIRE(::read(out.first.get(), &byte, 1) == 1);  // now it holds still
    const auto fds = ListDirectory(Cat("/proc/", process.pid(), "/fd")).value();
    CHECK(Join(fds, " ") == "0 1 2 3 5 9");  // 3 is the file that cat opened itself
    CHECK(ReadLink(Cat("/proc/", process.pid(), "/fd/0")) == "/dev/null");
    CHECK(ReadLink(Cat("/proc/", process.pid(), "/fd/2")) == "/dev/null");
    process.Kill();
}

TEST_CASE("descriptors may change places") {
    const FdPair a = MakePipe().value();
    const FdPair b = MakePipe().value();
    SpawnOptions options =
        Shell(Cat("echo to-a >&", b.second.get(), "; echo to-b >&", a.second.get()));
    options.fds = {{a.second.get(), b.second.get()}, {b.second.get(), a.second.get()}};
    const Process process = Spawn(options).value();
    CHECK(process.Reap() == 0);
    char text[16];
    CHECK(std::string_view(text, static_cast<size_t>(::read(a.first.get(), text, sizeof text))) ==
          "to-a\n");
    CHECK(std::string_view(text, static_cast<size_t>(::read(b.first.get(), text, sizeof text))) ==
          "to-b\n");
}

TEST_CASE("a child has a standard input, output and error even when its parent has none") {
    // The parent that lacks them is a child of ours that spawns another one.
    const FdPair answer = MakePipe().value();
    const pid_t middle = ::fork();
    REQUIRE(middle >= 0);
    if (middle == 0) {
        for (const int fd : {0, 1, 2})
            ::close(fd);
        SpawnOptions options =
            Shell("[ -e /proc/$$/fd/0 ] && [ -e /proc/$$/fd/1 ] && [ -e /proc/$$/fd/2 ]");
        options.fds = {{answer.second.get(), 7}};
        const auto process = Spawn(options);
        ::_exit(process ? ExitCodeOf(process->Reap().value_or(-1)) : 99);
    }
    int status = -1;
    REQUIRE(::waitpid(middle, &status, 0) == middle);
    CHECK(ExitCodeOf(status) == 0);
}

TEST_CASE("exit codes and deaths by signal come back in the shell's convention") {
    for (const int code : {0, 1, 42, 127, 255})
        CHECK(Run(Shell(Cat("exit ", code))).code == code);
    CHECK(Run(Shell("kill -TERM $$")).code == 128 + SIGTERM);
    CHECK(Run(Shell("kill -KILL $$")).code == 128 + SIGKILL);
}

TEST_CASE("the environment is the caller's or exactly the one given") {
    SpawnOptions options;
    options.executable = "/usr/bin/env";
    options.arguments = {"env"};
    options.environment = {{"A=b=c", "EMPTY="}};
    CHECK(Run(options).out == "A=b=c\nEMPTY=\n");
    options.environment = std::vector<std::string>{};
    CHECK(Run(options).out.empty());
    options.environment.reset();
    CHECK(Run(options).out.find("PATH=") != std::string::npos);
}

TEST_CASE(
    "what fails in the child before the program runs is Spawn's error, and no child is left") {
    SpawnOptions options = Shell("exit 0");
    options.executable = "/no/such/program";
    auto spawned = Spawn(options);
    REQUIRE_FALSE(spawned);
    CHECK(spawned.error().code == ENOENT);
    CHECK(spawned.error().message == "executing /no/such/program: No such file or directory");
    options.executable = "/etc/passwd";
    CHECK(Spawn(options).error().code == EACCES);
    options = Shell("exit 0");
    options.in_child = [] { return Result<void>(Fail("entering: not today", EXDEV)); };
    spawned = Spawn(options);
    CHECK(spawned.error().message == "entering: not today");
    CHECK(spawned.error().code == EXDEV);
    options = Shell("exit 0");
    options.fds = {{1 << 20, 3}};
    CHECK(Spawn(options).error().code == EBADF);
    CHECK(::waitpid(-1, nullptr, WNOHANG) == -1);
    CHECK(errno == ECHILD);
}

TEST_CASE("sessions, process groups, signal masks and dispositions are as asked for") {
    sigset_t blocked;
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGTERM);
    sigset_t before;
    ::sigprocmask(SIG_BLOCK, &blocked, &before);
    // grep's own: the shell blocks all signals for a moment each time it forks.
    SpawnOptions options =
        Shell("cut -d' ' -f5,6 /proc/$$/stat; grep -E 'SigBlk|SigIgn' /proc/self/status; echo $$");
    options.new_session = true;
    const Ran ran = Run(options);  // the test program itself ignores SIGPIPE
    ::sigprocmask(SIG_SETMASK, &before, nullptr);
    const auto lines = Split(ran.out, '\n');
    REQUIRE(lines.size() >= 4);
    CHECK(lines[0] == Cat(lines[3], " ", lines[3]));
    CHECK(lines[1] == "SigBlk:\t0000000000000000");
    // Signals 32 and 33 are the C library's own: whoever started us may have ignored them, and no
    // program can ask for anything else.
    constexpr uint64_t kOfLibc = 3ull << 31;
    const auto ignored = std::stoull(lines[2].substr(lines[2].find('\t')), nullptr, 16);
    CHECK((ignored & ~kOfLibc) == 0);
    options = Shell("cut -d' ' -f5 /proc/$$/stat; echo $$");
    options.new_process_group = true;
    const auto group = Split(Run(options).out, '\n');
    CHECK(group.at(0) == group.at(1));
}

TEST_CASE("a child that is tied to its parent's life ends with it") {
    const FdPair alive = MakePipe().value();
    const pid_t parent = ::fork();
    REQUIRE(parent >= 0);
    if (parent == 0) {
        SpawnOptions options = Shell("exec sleep 1000");
        options.fds = {{alive.second.get(), 1}};
        options.parent_death_signal = SIGKILL;
        ::_exit(Spawn(options) ? 0 : 1);
    }
    int status = -1;
    REQUIRE(::waitpid(parent, &status, 0) == parent);
    CHECK(status == 0);
    const_cast<Fd&>(alive.second).Reset();
    CHECK(ReadAll(alive.first.get(), 10) == "");  // end of file: nobody holds the other end
}

TEST_CASE("a process that is not ours is found by pid and start time, and never another one") {
    const Process child = Spawn(Shell("exec sleep 1000")).value();
    const uint64_t start = StartTimeOf(child.pid()).value();
    const Process found = Process::Find(child.pid(), start).value();
    CHECK(found.pid() == child.pid());
    CHECK_FALSE(found.WaitEnd(0ms).value());
    CHECK(Process::Find(child.pid(), start + 1).error().code == ESRCH);
    REQUIRE(found.Signal(SIGTERM));
    CHECK(found.WaitEnd(60s).value());
    CHECK_FALSE(StartTimeOf(child.pid()));  // a zombie
    CHECK(Process::Find(child.pid(), start).error().code == ESRCH);
    CHECK(ExitCodeOf(child.Reap().value()) == 128 + SIGTERM);
    CHECK_FALSE(Process::Find(child.pid(), start));
    CHECK(found.Signal(SIGTERM));  // it has ended: not an error
    CHECK_FALSE(Process::Find(0, 0));
    CHECK_FALSE(Process::Find(-1, 0));
}

TEST_CASE("killing ends and reaps our own child, and does nothing to what was moved away") {
    Process child = Spawn(Shell("trap '' TERM; exec sleep 1000")).value();
    const pid_t pid = child.pid();
    Process owner = std::move(child);
    child.Kill();
    CHECK_FALSE(static_cast<bool>(child));
    CHECK_FALSE(owner.WaitEnd(0ms).value());
    owner.Kill();
    CHECK(::kill(pid, 0) == -1);
    owner.Kill();  // once more is harmless
    Process().Kill();
}

}  // namespace cc
