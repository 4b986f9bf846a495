// SPDX-License-Identifier: Apache-2.0
// Containers run to their end: output, exit codes, streams, terminal.
#include <filesystem>
#include <thread>

#include <doctest/doctest.h>
#include <sys/utsname.h>

#include "base/file.h"
#include "tests/e2e/host.h"
#include "tests/e2e/terminal.h"

namespace cc::test {

TEST_CASE("a container sees the kernel of its virtual machine, not the host's") {
    Host host;
    const Finished run = host.Run("c1", {"uname", "-r"});
    CHECK_MESSAGE(run.status == 0, run.err);
    utsname names{};
    ::uname(&names);
    CHECK(run.out.starts_with("6.1."));
    CHECK(run.out != Cat(std::string_view(names.release), "\n"));
    CHECK(run.err == "");
}

TEST_CASE("run ends with the exit code of the container's process") {
    Host host;
    for (const int code : {0, 1, 42, 255})
        CHECK(host.Run("c1", {"sh", "-c", Cat("exit ", code)}).status == code);
    // PID 1 of a namespace cannot kill itself; its child can, and the shell passes that on.
    CHECK(host.Run("c1", {"sh", "-c", "sh -c 'kill -9 $$'; exit $?"}).status == 137);
}

TEST_CASE("standard error and standard output stay apart") {
    Host host;
    const Finished run = host.Run("c1", {"sh", "-c", "echo to-out; echo to-err >&2; echo again"});
    CHECK(run.status == 0);
    CHECK(run.out == "to-out\nagain\n");
    CHECK(run.err == "to-err\n");
}

TEST_CASE("twenty megabytes through standard input and output arrive unchanged") {
    Host host;
    const std::string bytes = RandomBytes(20 << 20);
    const Finished run = host.Run("c1", {"cat"}, bytes);
    CHECK_MESSAGE(run.status == 0, run.err);
    CHECK(run.out.size() == bytes.size());
    CHECK(Sha256(run.out) == Sha256(bytes));
}

TEST_CASE(
    "a burst of output right before the exit is complete, also one byte on stderr after stdout's "
    "end") {
    Host host;
    const Finished run =
        host.Run("c1", {"sh", "-c", "head -c 10000000 /dev/zero; exec >&-; printf x >&2; exit 3"});
    CHECK(run.status == 3);
    CHECK(run.out.size() == 10000000);
    CHECK(run.err == "x");
}

TEST_CASE(
    "the end of standard input reaches the process, and an input nobody reads is no trouble") {
    Host host;
    const Finished counted = host.Run("c1", {"sh", "-c", "wc -c; echo ended"}, "twelve bytes");
    CHECK_MESSAGE(counted.status == 0, counted.err);
    CHECK(counted.out == "12\nended\n");
    CHECK(host.Run("c1", {"cat"}).out == "");
    CHECK(host.Run("c1", {"sh", "-c", "exit 4"}, std::string(5 << 20, 'x')).status == 4);
}

TEST_CASE(
    "a detached run returns while its container goes on, and its pid file is complete by then") {
    Host host;
    const std::string bundle = host.Bundle("c1", {"sh", "-c", "echo first; cat; sleep 1; exit 3"});
    const std::string pid_file = host.directory() + "/pid", out = host.directory() + "/out";
    const auto arguments = host.RuntimeArguments(
        {"run", "--detach", "--pid-file", pid_file, "--bundle", bundle, "c1"});
    const Finished run = RunProgram(
        "/bin/sh",
        {"sh", "-c",
         Cat("exec ", CC_BIN_DIR, "/", Join(arguments, " "), " </dev/null >", out, " 2>&1")},
        "", host.Environment());
    REQUIRE_MESSAGE(run.status == 0, ReadFile(out, 10000).value());
    CHECK(ReadFile(pid_file, 100).value() == Cat(host.State("c1")["pid"].get<pid_t>()));
    CHECK(host.WaitStatus("c1", "stopped"));
    CHECK(ReadFile(out, 100).value() == "first\n");
    CHECK(host.Runtime({"delete", "c1"}).status == 0);
}

TEST_CASE(
    "the process gets its arguments, environment, working directory, user, hostname and limits") {
    Host host;
    const Finished run =
        host.Run("c1",
                 {"sh", "-c",
                  "echo $A-$B; pwd; id -u; id -g; hostname; ulimit -n; ls -ld /tmp/made; grep "
                  "NoNewPrivs /proc/self/status; echo $$"},
                 "", [](Json& config) {
                     config["process"]["env"].push_back("A=b=c");
                     config["process"]["env"].push_back("B=");
                     config["process"]["cwd"] = "/tmp";
                     config["process"]["user"] = {{"uid", 1000}, {"gid", 1000}};
                     config["hostname"] = "some-name";
                     config["mounts"].push_back(
                         {{"destination", "/tmp/made"}, {"type", "tmpfs"}, {"source", "tmpfs"}});
                 });
    CHECK_MESSAGE(run.status == 0, run.err);
    const auto lines = Split(run.out, '\n');
    REQUIRE(lines.size() >= 9);
    CHECK(lines[0] == "b=c-");
    CHECK(lines[1] == "/tmp");
    CHECK(lines[2] == "1000");
    CHECK(lines[3] == "1000");
    CHECK(lines[4] == "some-name");
    CHECK(lines[5] == "1024");
    CHECK(lines[6].starts_with("drwx"));
    CHECK(lines[7] == "NoNewPrivs:\t1");
    CHECK(lines[8] == "1");
}

TEST_CASE(
    "bind mounts show the host's files, read-only ones cannot be written, and changes are live") {
    Host host;
    REQUIRE(MakeDirectories(host.directory() + "/data", 0755));
    REQUIRE(WriteFileAtomic(host.directory() + "/data/file", "hello\n", 0644));
    const auto edit = [&](Json& config) {
        config["mounts"].push_back({{"destination", "/data"},
                                    {"type", "bind"},
                                    {"source", host.directory() + "/data"},
                                    {"options", {"rbind", "rw"}}});
        config["mounts"].push_back({{"destination", "/etc/one"},
                                    {"type", "bind"},
                                    {"source", host.directory() + "/data/file"},
                                    {"options", {"bind", "ro"}}});
    };
    const Finished run = host.Run(
        "c1",
        {"sh", "-c",
         "cat /data/file /etc/one; echo new > /data/new; echo x > /etc/one || echo refused"},
        "", edit);
    CHECK_MESSAGE(run.status == 0, run.err);
    CHECK(run.out == "hello\nhello\nrefused\n");
    CHECK(ReadFile(host.directory() + "/data/new", 100).value() == "new\n");
    CHECK(ReadFile(host.directory() + "/data/file", 100).value() == "hello\n");
}

TEST_CASE("a command that does not exist is one clear error, and nothing is left") {
    Host host;
    const Finished run = host.Run("c1", {"no-such-command"});
    CHECK(run.status == 1);
    // Engines look for it in what create says.
    CHECK(run.err.find("creating container") != std::string::npos);
    CHECK(run.err.find("executable file not found in $PATH") != std::string::npos);
    CHECK(Split(std::string(Trim(run.err)), '\n').size() == 1);
    host.CheckNoResidue();
}

TEST_CASE("sockets and FIFOs can be made in the root file system, and devices cannot") {
    Host host;
    REQUIRE(RunProgram("/bin/cp", {"cp", CC_UNIX_SOCKET, host.rootfs() + "/bin/us"}).status == 0);
    const std::string program =
        "us serve /socket & until us ask /socket 2>/dev/null; do sleep 0.1; done\n"
        "mkfifo -m 640 /fifo && (echo through >/fifo &) && cat /fifo\n"
        "mknod /null c 1 3 || mknod /dev/own c 1 3 && echo away >/dev/own && echo only there";
    const Finished run = host.Run("c1", {"sh", "-c", program}, "", [](Json& config) {
        config["root"]["readonly"] = false;
        for (auto& set : config["process"]["capabilities"])
            set.push_back("CAP_MKNOD");
    });
    CHECK_MESSAGE(run.status == 0, run.err);
    CHECK(run.out == "served\nthrough\nonly there\n");
    using std::filesystem::status;
    CHECK(status(host.rootfs() + "/socket").type() == std::filesystem::file_type::socket);
    CHECK_FALSE(Exists(host.rootfs() + "/null"));
    const auto fifo = status(host.rootfs() + "/fifo");
    CHECK(fifo.type() == std::filesystem::file_type::fifo);
    CHECK(fifo.permissions() == std::filesystem::perms(0640));
}

TEST_CASE("a terminal is raw, has the right size from the first moment, and follows a resize") {
    Host host;
    Terminal terminal(host,
                      {"run", "--bundle",
                       host.Bundle("c1",
                                   {"sh", "-c",
                                    "stty size; trap 'stty size' WINCH; echo ready; while :; do "
                                    "line=; read line && echo got $line; "
                                    "[ x$line != xend ] || exit 7; done"},
                                   [](Json& config) { config["process"]["terminal"] = true; }),
                       "c1"},
                      24, 80);
    CHECK(terminal.WaitFor("24 80"));
    CHECK(terminal.WaitFor("ready"));
    terminal.Resize(40, 120);
    terminal.Type("hello\r");  // the trap may interrupt the read, or wait for its end
    CHECK(terminal.WaitFor("40 120"));
    terminal.Type("again\r");
    CHECK(terminal.WaitFor("got again"));
    terminal.Type("end\r");
    CHECK(terminal.WaitExit() == 7);
    CHECK(terminal.IsCooked());
}

TEST_CASE("a shell on a terminal has job control, Ctrl-C and an exit code") {
    Host host;
    Terminal terminal(
        host,
        {"run", "--bundle",
         host.Bundle("c1", {"sh"}, [](Json& config) { config["process"]["terminal"] = true; }),
         "c1"},
        24, 80);
    CHECK(terminal.WaitFor("/ #"));
    terminal.Type("sleep 1000\r");
    std::this_thread::sleep_for(std::chrono::seconds(1));
    terminal.Type("\x03");
    terminal.Type("echo status-$?\r");
    CHECK(terminal.WaitFor("status-130"));
    terminal.Type("sleep 1000 &\r");
    terminal.Type("jobs\r");
    CHECK(terminal.WaitFor("Running"));
    terminal.Type("kill %1; exit 9\r");
    CHECK(terminal.WaitExit() == 9);
}

TEST_CASE("ten containers at once all run, each in a machine of its own") {
    Host host;
    std::vector<Finished> finished(10);
    std::vector<std::string> bundles;
    for (size_t i = 0; i < finished.size(); ++i)
        bundles.push_back(host.Bundle(
            Cat("c", i), {"sh", "-c", Cat("echo ", i, "; cat /proc/sys/kernel/random/boot_id")}));
    std::vector<std::thread> threads;
    for (size_t i = 0; i < finished.size(); ++i)
        threads.emplace_back([&, i] {
            finished[i] = host.Runtime({"run", "--bundle", bundles[i], Cat("c", i)});
        });
    for (auto& thread : threads)
        thread.join();
    std::vector<std::string> boot_ids;
    for (size_t i = 0; i < finished.size(); ++i) {
        CHECK_MESSAGE(finished[i].status == 0, finished[i].err);
        CHECK(finished[i].out.starts_with(Cat(i, "\n")));
        boot_ids.push_back(finished[i].out);
    }
    std::sort(boot_ids.begin(), boot_ids.end());
    CHECK(std::unique(boot_ids.begin(), boot_ids.end()) == boot_ids.end());
}

}  // namespace cc::test
