// SPDX-License-Identifier: Apache-2.0
// The real agent with real containers, through the protocol, without a VM.
#include <csignal>
#include <thread>

#include <doctest/doctest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/text.h"
#include "tests/unit/agent/host_side.h"
#include "tests/unit/agent/messages.h"

namespace cc::agent {

TEST_CASE("a container runs, keeps its streams apart and tells its exit code") {
    if (SkipWithoutRoot()) return;
    const HostAgent agent;
    HostSide host = agent.StartPod();
    Acknowledged(host.Call(
        ControlCode::kNewContainer,
        NewContainerOf("one", Shell("echo out; echo err >&2; ls /proc/self/fd; exit 42", 3))));
    CHECK(host.WaitExit(3) == 42);
    // The three standard streams, and the directory that ls itself reads: nothing of the agent's.
    CHECK(host.Output(3) == "out\n0\n1\n2\n3\n");
    CHECK(host.Output(4) == "err\n");
    Acknowledged(host.Call(ControlCode::kRemoveContainer, Encode(RemoveContainer{"one"})));
    CHECK(host.CallFails(ControlCode::kRemoveContainer, Encode(RemoveContainer{"one"})) ==
          "Container one not found, impossible to remove");
    Acknowledged(host.Call(ControlCode::kDestroyPod));
}

TEST_CASE("20 MB go through a container and come back unchanged") {
    if (SkipWithoutRoot()) return;
    const HostAgent agent;
    HostSide host = agent.StartPod();
    Acknowledged(
        host.Call(ControlCode::kNewContainer, NewContainerOf("cat", Shell("exec cat", 3))));
    const std::string sent = Noise(20 << 20);
    std::thread feeder([&] {
        constexpr size_t kFrame = 8192;
        for (size_t at = 0; at < sent.size(); at += kFrame)
            host.Input(3, std::string_view(sent).substr(at, kFrame));
        host.Input(3, "");
    });
    CHECK(host.WaitExit(3) == 0);
    feeder.join();
    CHECK((host.Output(3) == sent));  // the parentheses keep doctest from printing it
}

TEST_CASE("processes join a container, get signals, and end with it") {
    if (SkipWithoutRoot()) return;
    const HostAgent agent;
    HostSide host = agent.StartPod();
    Acknowledged(
        host.Call(ControlCode::kNewContainer, NewContainerOf("c", Shell("sleep 1000", 3))));
    Acknowledged(host.Call(ControlCode::kExecCmd, ExecIn("c", Shell("exit 7", 5))));
    CHECK(host.WaitExit(5) == 7);
    Acknowledged(host.Call(ControlCode::kExecCmd, ExecIn("c", Shell("exec sleep 1000", 7))));
    CHECK(host.CallFails(ControlCode::kExecCmd, ExecIn("c", Shell("true", 7))) ==
          "Process 7 already exists");
    Acknowledged(
        host.Call(ControlCode::kKillContainer, Encode(KillContainer{"c", SIGTERM, false, 7})));
    CHECK(host.WaitExit(7) == 128 + SIGTERM);
    Acknowledged(host.Call(ControlCode::kExecCmd, ExecIn("c", Shell("exec sleep 1000", 9))));
    Acknowledged(
        host.Call(ControlCode::kKillContainer, Encode(KillContainer{"c", SIGKILL, false, 0})));
    CHECK(host.WaitExit(3) == 128 + SIGKILL);
    CHECK(host.WaitExit(9) == 128 + SIGKILL);
    // A container that has stopped takes every signal without a word.
    Acknowledged(
        host.Call(ControlCode::kKillContainer, Encode(KillContainer{"c", SIGKILL, false, 0})));
    CHECK(host.CallFails(ControlCode::kExecCmd, ExecIn("c", Shell("true", 11))) ==
          "Container c not running, impossible to exec");
}

TEST_CASE("a terminal has a size, echoes, and stops its foreground process at Ctrl-C") {
    if (SkipWithoutRoot()) return;
    const HostAgent agent;
    HostSide host = agent.StartPod();
    AgentProcess shell = Shell("", 3);
    shell.terminal = true;
    shell.stderr_sequence = 0;
    shell.args = {"sh"};
    Acknowledged(host.Call(ControlCode::kNewContainer, NewContainerOf("t", shell)));
    Acknowledged(host.Call(ControlCode::kWinSize, Encode(WinSize{3, 33, 77})));
    Acknowledged(host.Call(ControlCode::kWinSize, Encode(WinSize{99, 33, 77})));
    host.Input(3, "stty size; tty; echo to >/dev/console\n");
    host.WaitOutput(3, "33 77\r\n/dev/pts/0\r\nto\r\n");
    // The foreground process itself says that it runs: a Ctrl-C while the shell still forks it goes
    // astray.
    host.Input(3, "sh -c 'echo be\"\"gun; exec sleep 1000'\n");
    host.WaitOutput(3, "begun\r\n");
    host.Input(3, "");  // no end of file for a terminal
    host.Input(3, "\x03");
    host.Input(3, "echo code $?; exit 5\n");
    CHECK(host.WaitExit(3) == 5);
    CHECK(host.Output(3).find("code 130\r\n") != std::string::npos);
}

TEST_CASE("a grandchild that holds the output open does not hold back the exit code for ever") {
    if (SkipWithoutRoot()) return;
    const HostAgent agent;
    HostSide host = agent.StartPod();
    Acknowledged(
        host.Call(ControlCode::kNewContainer, NewContainerOf("c", Shell("sleep 1000", 3))));
    Acknowledged(host.Call(ControlCode::kExecCmd, ExecIn("c", Shell("sleep 1000 & echo done", 5))));
    CHECK(host.WaitExit(5) == 0);
    CHECK(host.Output(5) == "done\n");
}

TEST_CASE("a host that goes away and comes back finds containers and their output") {
    if (SkipWithoutRoot()) return;
    const HostAgent agent;
    {
        HostSide host = agent.StartPod();
        Acknowledged(
            host.Call(ControlCode::kNewContainer,
                      NewContainerOf("c", Shell("echo first; head -n 1; echo last; exit 3", 3))));
        host.WaitOutput(3, "first\n");
        // Half a command, which the next connection must not see the rest of.
        host.Send(ControlCode::kPing, "");
    }
    HostSide host = agent.Connect();
    const Answer ready = host.Receive();
    CHECK(ready.code == ControlCode::kReady);
    CHECK(ParseReadyOffer(ready.payload).extension == kAgentExtension);
    Acknowledged(host.Call(ControlCode::kVersion, Encode(VersionAccept{1})));
    Acknowledged(host.Call(ControlCode::kPing));
    host.Input(3, "middle\n");
    CHECK(host.WaitExit(3) == 3);
    CHECK(host.Output(3) == "middle\nlast\n");
}

TEST_CASE("what cannot be done is refused in 3.0's words, and the agent goes on") {
    if (SkipWithoutRoot()) return;
    const HostAgent agent;
    HostSide host = agent.Connect();
    CHECK(host.Receive().code == ControlCode::kReady);
    const auto shell = Shell("true", 3);
    CHECK(host.CallFails(ControlCode::kNewContainer, NewContainerOf("c", shell)) ==
          "Pod not started, impossible to run a new container");
    Acknowledged(host.Call(ControlCode::kDestroyPod));
    Acknowledged(host.Call(ControlCode::kStartPod, Encode(StartPod{"pod", "hyperShared"})));
    CHECK(host.CallFails(ControlCode::kStartPod, Encode(StartPod{"pod", "hyperShared"})) ==
          "Pod already started, impossible to start again");
    CHECK(host.CallFails(ControlCode::kWriteFile, "") ==
          "No callback found for command \"writefile\"");
    CHECK(host.CallFails(static_cast<ControlCode>(99), "") == "No callback found for command \"\"");
    CHECK(host.CallFails(ControlCode::kNewContainer, "{\"id\":").find("invalid JSON") !=
          std::string::npos);
    CHECK(host.CallFails(ControlCode::kNewContainer, NewContainerOf("../x", shell))
              .find("invalid container id") != std::string::npos);
    auto missing = shell;
    missing.args = {"foo"};
    CHECK(host.CallFails(ControlCode::kNewContainer, NewContainerOf("c", missing)) ==
          "Process could not be started: exec: \"foo\": executable file not found in $PATH");
    missing.args = {"/etc/passwd"};
    CHECK(host.CallFails(ControlCode::kNewContainer, NewContainerOf("c", missing)) ==
          "Process could not be started: exec: \"/etc/passwd\": permission denied");
    Acknowledged(
        host.Call(ControlCode::kNewContainer, NewContainerOf("c", Shell("sleep 1000", 3))));
    CHECK(host.CallFails(ControlCode::kKillContainer, Encode(KillContainer{"c", 65, false, 0})) ==
          "invalid signal number 65");
    CHECK(host.CallFails(ControlCode::kRemoveContainer, Encode(RemoveContainer{"c"})) ==
          "Container c still running, impossible to remove");
    CHECK(host.CallFails(ControlCode::kPsContainer, Encode(PsContainer{"c", "xml", {}})) ==
          "invalid format option");
    Acknowledged(host.Call(ControlCode::kDestroyPod));
    CHECK(host.WaitExit(3) == 128 + SIGKILL);
}

TEST_CASE("an OCI configuration is carried out: mounts, limits, identity, hiding") {
    if (SkipWithoutRoot()) return;
    const HostAgent agent;
    REQUIRE(MakeDirectories(agent.share() + "/vol", 0755));
    REQUIRE(WriteFileAtomic(agent.share() + "/vol/file", "in the volume\n", 0644));
    REQUIRE(::symlink("../run/resolve/stub.conf", (agent.rootfs() + "/etc/resolv.conf").c_str()) ==
            0);
    HostSide host = agent.StartPod();
    const std::string script =
        "cat /data/file /etc/resolv.conf; echo x >/data/new || echo read-only volume;"
        "echo x >/new || echo read-only root; echo x >/tmp/y && cat /tmp/y; pwd; id -u; id -G; "
        "ulimit -n;"
        "cat /proc/sys/kernel/msgmax; cat /hidden/*; ls /hidden; cat /proc/timer_list; umask; echo "
        "$HOME $A;"
        "grep -E 'CapBnd|CapEff|NoNewPrivs' /proc/self/status; echo x >/proc/sys/kernel/msgmax || "
        "echo protected;"
        "cat /proc/sys/kernel/hostname";
    REQUIRE(MakeDirectories(agent.rootfs() + "/hidden/secret", 0755));
    const std::string oci = Cat(
        R"({"hostname":"oci","root":{"path":"rootfs","readonly":true},"process":{"args":["sh","-c",")",
        script, R"("],"cwd":"/made/here","env":["PATH=/bin","A=b=c"],
        "user":{"uid":1000,"gid":7,"additionalGids":[8],"umask":63},"noNewPrivileges":true,
        "capabilities":{"bounding":["CAP_KILL"],"effective":["CAP_KILL"],"permitted":["CAP_KILL"]},
        "rlimits":[{"type":"RLIMIT_NOFILE","soft":77,"hard":77}]},
        "mounts":[{"destination":"/proc","type":"proc","source":"proc"},
        {"destination":"/dev","type":"tmpfs","source":"tmpfs","options":["nosuid","mode=755","size=65536k"]},
        {"destination":"/tmp","type":"tmpfs","source":"tmpfs","options":["mode=1777"]},
        {"destination":"/data","type":"bind","source":")",
        kGuestShareDirectory, R"(/vol","options":["rbind","ro"]},
        {"destination":"/etc/resolv.conf","type":"bind","source":")",
        kGuestShareDirectory, R"(/vol/file","options":["bind"]}],
        "linux":{"sysctl":{"kernel.msgmax":"4711"},"maskedPaths":["/hidden","/proc/timer_list","/not/there"],
        "readonlyPaths":["/proc/sys"],
        "seccomp":{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["mkdir","no_such_call"],"action":"SCMP_ACT_ERRNO"}]}}})");
    Acknowledged(host.Call(ControlCode::kNewContainer, NewContainerOf("c", Shell("", 3), oci)));
    CHECK(host.WaitExit(3) == 0);
    // No effective capability: execve takes them from a user that is not root unless they are
    // ambient.
    CHECK(host.Output(3) ==
          "in the volume\nin the volume\nread-only volume\nread-only root\nx\n/made/here\n1000\n7 "
          "8\n77\n4711\n"
          "0077\n/home/bob "
          "b=c\nCapEff:\t0000000000000000\nCapBnd:\t0000000000000020\nNoNewPrivs:\t1\n"
          "protected\noci\n");
    CHECK(Exists(agent.rootfs() + "/run/resolve/stub.conf"));
}

TEST_CASE("a container that cannot be made says which step failed, and leaves its name free") {
    if (SkipWithoutRoot()) return;
    const HostAgent agent;
    HostSide host = agent.StartPod();
    const auto fails = [&](const std::string& more) {
        const std::string oci =
            Cat(R"({"process":{"args":["sh"],"cwd":"/","env":["PATH=/bin"]},)", more, "}");
        return host.CallFails(ControlCode::kNewContainer, NewContainerOf("c", Shell("", 3), oci));
    };
    CHECK(fails(R"("mounts":[{"destination":"/x","type":"bind","source":"/no/such"}])") ==
          "Process could not be started: mounting /no/such on /x: /no/such: No such file or "
          "directory");
    CHECK(fails(R"("mounts":[{"destination":"/x","type":"nofs","source":"x"}])").find("nofs") !=
          std::string::npos);
    CHECK(fails(R"("mounts":[{"destination":"/x","type":"tmpfs","options":["size=bad"]}])")
              .find("size=bad") != std::string::npos);
    CHECK(fails(R"("linux":{"sysctl":{"kernel.no_such":"1"}})")
              .find("setting sysctl kernel.no_such") != std::string::npos);
    CHECK(fails(R"("linux":{"seccomp":{"defaultAction":"SCMP_ACT_NOTIFY"}})")
              .find("SCMP_ACT_NOTIFY") != std::string::npos);
    Acknowledged(host.Call(ControlCode::kNewContainer, NewContainerOf("c", Shell("exit 4", 3))));
    CHECK(host.WaitExit(3) == 4);
}

}  // namespace cc::agent
