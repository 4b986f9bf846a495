// SPDX-License-Identifier: Apache-2.0
// The verbs beside a container's life: pause, ps, events, update; with runc's formats.
#include <csignal>
#include <set>
#include <thread>

#include <doctest/doctest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "tests/e2e/host.h"

namespace cc::test {

namespace {

std::set<std::string> Keys(const Json& object) {
    std::set<std::string> keys;
    for (const auto& [key, value] : object.items())
        keys.insert(key);
    return keys;
}

// The processes of a table of `ps`, without its heading.
long Lines(const std::string& table) {
    return std::count(table.begin(), table.end(), '\n') - 1;
}

Json Stats(Host& host, const std::string& id) {
    const Finished events = host.Runtime({"events", "--stats", id});
    REQUIRE_MESSAGE(events.status == 0, events.err);
    return Json::parse(events.out);
}

}  // namespace

TEST_CASE("a container is paused, looked at, limited and resumed") {
    Host host;
    host.Start("c1", {"sh", "-c", "trap 'exit 3' TERM; while :; do echo tick; sleep 0.1; done"},
               "out");
    const auto ticks = [&] { return ReadFile(host.directory() + "/out", 1 << 20).value().size(); };
    const auto wait_for_more = [&](size_t than) {
        for (int i = 0; i < 600 && ticks() <= than; ++i)
            std::this_thread::sleep_for(std::chrono::milliseconds(100));
        return ticks() > than;
    };
    REQUIRE(wait_for_more(0));

    SUBCASE("pause and resume") {
        CHECK(host.Runtime({"resume", "c1"}).err.find("container not paused") != std::string::npos);
        CHECK(host.Runtime({"pause", "c1"}).status == 0);
        CHECK(host.State("c1")["status"] == "paused");
        CHECK(Json::parse(host.Runtime({"list", "-f", "json"}).out)[0]["status"] == "paused");
        std::this_thread::sleep_for(std::chrono::milliseconds(500));  // what is on its way arrives
        const size_t still = ticks();
        std::this_thread::sleep_for(std::chrono::milliseconds(500));
        CHECK(ticks() == still);
        CHECK(host.Runtime({"pause", "c1"}).err.find("container not running") != std::string::npos);
        CHECK(host.Runtime({"start", "c1"}).err.find("in the paused state") != std::string::npos);
        CHECK(host.Runtime({"delete", "c1"}).err.find("that is not stopped: paused") !=
              std::string::npos);
        const Finished exec = host.Runtime({"exec", "--ignore-paused", "c1", "true"});
        CHECK(exec.status == 255);
        CHECK(exec.err.find("cannot exec in a paused container") != std::string::npos);
        CHECK(Lines(host.Runtime({"ps", "c1"}).out) >= 1);
        // A signal waits for the resume.
        CHECK(host.Runtime({"kill", "c1", "TERM"}).status == 0);
        CHECK(host.State("c1")["status"] == "paused");
        CHECK(host.Runtime({"resume", "c1"}).status == 0);
        CHECK(host.WaitStatus("c1", "stopped"));
        CHECK(host.Runtime({"pause", "c1"}).err.find("container not running") != std::string::npos);
        CHECK(host.Runtime({"delete", "c1"}).status == 0);
    }
    SUBCASE("SIGKILL ends a paused container at once") {
        CHECK(host.Runtime({"pause", "c1"}).status == 0);
        CHECK(host.Runtime({"kill", "c1", "KILL"}).status == 0);
        CHECK(host.WaitStatus("c1", "stopped"));
        CHECK(host.Runtime({"delete", "c1"}).status == 0);
    }
    SUBCASE("delete --force removes a paused container") {
        CHECK(host.Runtime({"pause", "c1"}).status == 0);
        CHECK(host.Runtime({"delete", "--force", "c1"}).status == 0);
    }
    SUBCASE("ps as JSON has the pids of the shims, which show what they stand for") {
        // The shim that stays keeps what the command was given: a pipe would not end.
        std::vector<std::string> words{"sh", "-c", "exec \"$@\" >/dev/null 2>&1", "sh"};
        for (const auto& word : host.RuntimeArguments({"exec", "-d", "c1", "sleep", "1000"}))
            words.push_back(word == "cc-runtime" ? CC_BIN_DIR "/cc-runtime" : word);
        const Finished exec = RunProgram("/bin/sh", words, "", host.Environment());
        REQUIRE_MESSAGE(exec.status == 0, exec.err);
        const Json pids = Json::parse(host.Runtime({"ps", "--format", "json", "c1"}).out);
        REQUIRE(pids.size() == 2);
        CHECK(pids[0] == host.State("c1")["pid"]);
        const std::string command =
            ReadFile(Cat("/proc/", pids[1].get<pid_t>(), "/cmdline"), 4096).value();
        CHECK(command.c_str() == std::string("sleep"));
        CHECK(command.substr(6, 4) == "1000");
        const Finished table = host.Runtime({"ps", "c1", "-ef"});
        CHECK_MESSAGE(
            table.out.starts_with("UID        PID  PPID  C STIME TTY          TIME CMD\n"),
            table.out);
        CHECK(table.out.find("sleep 1000\n") != std::string::npos);
        CHECK(host.Runtime({"delete", "--force", "c1"}).status == 0);
    }
    SUBCASE("update changes the limits that events tell") {
        const Json before = Stats(host, "c1");
        CHECK(Keys(before["data"]) == std::set<std::string>{"cpu", "cpuset", "memory", "pids",
                                                            "blkio", "hugetlb", "intel_rdt",
                                                            "network_interfaces"});
        CHECK(before["data"]["cpu"]["usage"]["total"].get<uint64_t>() > 0);
        CHECK(before["data"]["memory"]["usage"]["limit"].get<uint64_t>() == UINT64_MAX);
        CHECK(host.Runtime({"update", "--memory", "24m", "--memory-swap", "24m", "--pids-limit",
                            "50", "c1"})
                  .status == 0);
        const Json after = Stats(host, "c1");
        CHECK(after["data"]["memory"]["usage"]["limit"] == 24 << 20);
        CHECK(after["data"]["pids"]["limit"] == 50);
        // What is not named stays, and zeros name nothing.
        const Finished document = host.Runtime({"update", "--resources", "-", "c1"},
                                               R"({"memory":{"limit":0},"pids":{"limit":60}})");
        CHECK_MESSAGE(document.status == 0, document.err);
        CHECK(Stats(host, "c1")["data"]["memory"]["usage"]["limit"] == 24 << 20);
        CHECK(Stats(host, "c1")["data"]["pids"]["limit"] == 60);
        const Finished wrong = host.Runtime({"update", "--cpu-quota", "5", "c1"});
        CHECK(wrong.status == 1);
        CHECK(wrong.err.find("cpu.max") != std::string::npos);
        // Nothing of it is left, nor comes with the next one.
        CHECK(host.Runtime({"update", "--pids-limit", "7777", "--cpu-quota", "5", "c1"}).status ==
              1);
        CHECK(Stats(host, "c1")["data"]["pids"]["limit"] == 60);
        const Finished check =
            host.Runtime({"update", "--resources", "-", "c1"},
                         R"({"memory":{"limit":4096,"swap":4096,"checkBeforeUpdate":true}})");
        CHECK(check.status == 1);
        CHECK(check.err.find("rejecting memory") != std::string::npos);
        CHECK(host.Runtime(
                      {"update", "--memory=-1", "--cpu-period", "0", "--blkio-weight", "0", "c1"})
                  .status == 0);
        CHECK(Stats(host, "c1")["data"]["memory"]["usage"]["limit"].get<uint64_t>() == UINT64_MAX);
        CHECK(host.Runtime({"update", "--memory", "24m", "--memory-swap", "24m", "c1"}).status ==
              0);
        CHECK(host.Runtime({"update", "--pids-limit", "61", "c1"}).status == 0);
        CHECK(Stats(host, "c1")["data"]["pids"]["limit"] == 61);

        // A process too many is killed, and told of; the stream ends with the container.
        Finished events;
        std::thread follower([&] {
            events = host.Runtime({"events", "--interval", "300ms", "c1"});
        });
        std::this_thread::sleep_for(std::chrono::milliseconds(700));
        CHECK(
            host.Runtime({"exec", "c1", "sh", "-c", "x=aaaa; while :; do x=$x$x$x; done"}).status ==
            137);
        CHECK(host.Runtime({"kill", "c1", "KILL"}).status == 0);
        follower.join();
        CHECK(host.Runtime({"delete", "c1"}).status == 0);
        CHECK(events.status == 0);
        CHECK(events.out.find(R"({"type":"oom","id":"c1"})") != std::string::npos);
        CHECK(events.out.find(R"({"type":"stats","id":"c1","data":{"cpu":)") != std::string::npos);
    }
    host.CheckNoResidue();
}

TEST_CASE("ps shows the columns that its options ask for, as procps does") {
    Host host;
    host.Start("c1", {"sleep", "1000"}, "", [](Json& config) {
        config["process"]["user"] = {{"uid", 1234}, {"gid", 1235}};
    });
    const auto ps = [&](std::vector<std::string> options) {
        options.insert(options.begin(), {"ps", "c1"});
        const Finished run = host.Runtime(options);
        CHECK_MESSAGE(run.status == 0, run.err);
        return run.out;
    };
    CHECK(ps({"-o", "comm,args", "-o", "ni,nlwp,tty"}) ==
          "COMMAND         COMMAND                      NI NLWP TT\n"
          "sleep           sleep 1000                    0    1 ?\n");
    CHECK(ps({"-eo", "pid=,args="}).ends_with(" sleep 1000\n"));
    CHECK(ps({"aux"}).starts_with(
        "USER       PID %CPU %MEM    VSZ   RSS TTY      STAT START   TIME COMMAND\n1234 "));
    CHECK(Lines(ps({"-eLf"})) == 1);
    // Whom the container's own files name, is named.
    CHECK(ps({"-o", "user,group,uid"}) == "USER     GROUP      UID\n1234     1235      1234\n");
    REQUIRE(WriteFileAtomic(host.rootfs() + "/etc/passwd", "me:x:1234:1235::/:/bin/sh\n", 0644));
    REQUIRE(WriteFileAtomic(host.rootfs() + "/etc/group", "us:x:1235:\n", 0644));
    CHECK(ps({"-o", "user,group,uid"}) == "USER     GROUP      UID\nme       us        1234\n");
    // Nothing of the host is read by a link of the container's, and no pipe is waited for.
    REQUIRE(::unlink((host.rootfs() + "/etc/passwd").c_str()) == 0);
    REQUIRE(::mkfifo((host.rootfs() + "/etc/passwd").c_str(), 0644) == 0);
    CHECK(ps({"-o", "user="}) == "1234\n");
    REQUIRE(::unlink((host.rootfs() + "/etc/passwd").c_str()) == 0);
    REQUIRE(::symlink("/../../../../../../../etc/passwd",
                      (host.rootfs() + "/etc/passwd").c_str()) == 0);
    CHECK(ps({"-o", "user="}) == "1234\n");
    const auto refused = [&](const std::vector<std::string>& options, const std::string& why) {
        std::vector<std::string> command = {"ps", "c1"};
        command.insert(command.end(), options.begin(), options.end());
        const Finished run = host.Runtime(command);
        CHECK(run.status == 1);
        CHECK_MESSAGE(run.err.find(why) != std::string::npos, run.err);
    };
    refused({"-o", "wchan"}, "known are %cpu");
    refused({"-Z"}, "known are -e");
    CHECK(host.Runtime({"delete", "--force", "c1"}).status == 0);
}

TEST_CASE("exec joins a cgroup that the container has made below its own") {
    Host host;
    host.Start(
        "c1", {"sh", "-c", "mkdir /sys/fs/cgroup/sub /sys/fs/cgroup/inner; exec sleep 1000"}, "",
        [](Json& config) {
            std::erase_if(config["mounts"].get_ref<Json::array_t&>(), [](const Json& mount) {
                return mount["destination"] == "/sys/fs/cgroup";
            });
            config["mounts"].push_back(
                {{"destination", "/sys/fs/cgroup"}, {"type", "cgroup"}, {"source", "cgroup"}});
        });
    const auto exec = [&](const std::vector<std::string>& where) {
        std::vector<std::string> command = {"exec"};
        command.insert(command.end(), where.begin(), where.end());
        command.insert(command.end(), {"c1", "grep", "^0:", "/proc/self/cgroup"});
        return host.Runtime(command);
    };
    for (int i = 0; i < 100 && exec({"--cgroup", "/inner"}).status != 0; ++i)
        ::usleep(100000);
    CHECK(exec({}).out == "0::/\n");
    CHECK(exec({"--cgroup", "/sub"}).out == "0::/sub\n");
    CHECK(exec({"--cgroup=/"}).out == "0::/\n");
    const auto refused = [&](const std::vector<std::string>& where, const std::string& why) {
        const Finished run = exec(where);
        CHECK(run.status == 255);
        CHECK_MESSAGE(run.err.find(why) != std::string::npos, run.err);
    };
    refused({"--cgroup", "/none"}, "No such file or directory");
    refused({"--cgroup", "/../x"}, "not a sub cgroup path");
    refused({"--cgroup", "memory:/sub"}, "unknown controller");
    // Of a cgroup that passes controllers on, the kernel takes no processes at its top.
    CHECK(host.Runtime({"exec", "c1", "sh", "-c",
                        "for p in $(cat /sys/fs/cgroup/cgroup.procs); do echo $p "
                        ">/sys/fs/cgroup/inner/cgroup.procs; done; echo +pids "
                        ">/sys/fs/cgroup/cgroup.subtree_control"})
              .status == 0);
    CHECK(exec({}).out == "0::/inner\n");
    refused({"--cgroup", "/"}, "Device or resource busy");
    CHECK(host.Runtime({"delete", "--force", "c1"}).status == 0);
}

TEST_CASE("a container that was updated before its start begins with the new limits") {
    Host host;
    const std::string bundle = host.Bundle("c1", {"sleep", "1000"});
    const Finished create =
        RunProgram("/bin/sh",
                   {"sh", "-c",
                    Cat("exec ", CC_BIN_DIR, "/",
                        Join(host.RuntimeArguments({"create", "--bundle", bundle, "c1"}), " "),
                        " </dev/null >/dev/null 2>", host.directory(), "/err")},
                   "", host.Environment());
    REQUIRE_MESSAGE(create.status == 0, ReadFile(host.directory() + "/err", 10000).value());
    CHECK(host.Runtime({"update", "--pids-limit", "33", "c1"}).status == 0);
    // Its namespaces are there, and its process waits in them.
    CHECK(host.Runtime({"exec", "c1", "sh", "-c", "hostname; echo $$"}).out.starts_with("guest\n"));
    CHECK(Lines(host.Runtime({"ps", "c1"}).out) == 1);
    CHECK(Stats(host, "c1")["data"]["pids"]["limit"] == 33);
    CHECK(host.Runtime({"start", "c1"}).status == 0);
    CHECK(Stats(host, "c1")["data"]["pids"]["limit"] == 33);
    // An archive for a support request has all of it, but no secrets.
    const std::string place = host.directory() + "/collected";
    CHECK(host.Runtime({"collect", "--directory", place}).status == 0);
    CHECK(ReadFile(place + "/containers/c1/config.json", 1 << 20).value().find("TERM=<removed>") !=
          std::string::npos);
    for (const char* file : {"/check.txt", "/env.toml", "/logs/proxy.log",
                             "/sandboxes/c1/sandbox.json", "/sandboxes/c1/console.log"})
        CHECK_MESSAGE(Exists(place + file), file);
    CHECK(host.Runtime({"delete", "--force", "c1"}).status == 0);
}

TEST_CASE("this machine, which runs these tests, passes the check") {
    Host host;
    CHECK(host.Runtime({"--log-format", "bogus", "check"}).err ==
          "cc-runtime: --log-format \"bogus\": text or json\n");
    const Finished check = host.Runtime({"check"});
    CHECK_MESSAGE(check.status == 0, check.out);
    CHECK(check.out.find("\nSystem is capable of running Clear Containers\n") != std::string::npos);
    CHECK(Json::parse(host.Runtime({"cc-env", "--json"}).out)["Meta"]["Version"] == "1.0.9");
}

TEST_CASE("setup edits an engine's file and takes it back") {
    Host host;
    const std::string sysroot = host.directory() + "/system",
                      path = sysroot + "/etc/docker/daemon.json";
    REQUIRE(MakeDirectories(sysroot + "/etc/docker", 0755));
    const std::string before = "{\n\t\"debug\": true\n}\n";
    REQUIRE(WriteFileAtomic(path, before, 0640));
    REQUIRE(::chown(path.c_str(), 5, 6) == 0);
    const auto setup = [&](std::vector<std::string> words) {
        words.insert(words.begin(), {"setup", "--sysroot", sysroot});
        return host.Runtime(words);
    };
    const Finished shown = setup({"docker", "--default", "--dry-run"});
    CHECK(shown.status == 0);
    CHECK(shown.out.find("+\t\"default-runtime\": \"cc-runtime\"") != std::string::npos);
    CHECK(ReadFile(path, 1000).value() == before);
    CHECK(setup({"docker", "--default"}).status == 0);
    const std::string after = ReadFile(path, 1000).value();
    CHECK(after.find(CC_BIN_DIR "/cc-runtime") != std::string::npos);
    struct stat status {};
    REQUIRE(::stat(path.c_str(), &status) == 0);
    CHECK((status.st_mode & 07777) == 0640);
    CHECK(status.st_uid == 5);
    CHECK(status.st_gid == 6);
    CHECK(setup({"docker"}).out.find("nothing to change") != std::string::npos);
    CHECK(ReadFile(path, 1000).value() == after);
    CHECK(setup({"docker", "--undo"}).status == 0);
    CHECK(ReadFile(path, 1000).value() == before);
    CHECK(ListDirectory(sysroot + "/etc/docker").value() ==
          std::vector<std::string>{"daemon.json"});

    CHECK(setup({"podman"}).status == 0);
    const std::string drop_ins = sysroot + "/etc/containers/containers.conf.d";
    CHECK(ListDirectory(drop_ins).value() == std::vector<std::string>{"cc-runtime.conf"});
    CHECK(setup({"podman", "--undo"}).status == 0);
    CHECK(ListDirectory(drop_ins).value().empty());
    REQUIRE(WriteFileAtomic(path, "{\n \"a\": 1,\n}", 0644));
    const Finished broken = setup({"docker"});
    CHECK(broken.status == 1);
    CHECK(broken.err.find(path + ": ") != std::string::npos);
    CHECK(broken.err.find("line 3") != std::string::npos);
}

}  // namespace cc::test
