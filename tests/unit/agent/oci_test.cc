// SPDX-License-Identifier: Apache-2.0
// Parts of an OCI configuration, each carried out by the real agent in a real container of this
// host.
#include <doctest/doctest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json_full.h"
#include "tests/unit/agent/host_side.h"
#include "tests/unit/agent/messages.h"

namespace cc::agent {

namespace {

// A container with /proc, /dev and /tmp that runs this script as root with all capabilities.
Json OciConfig(const std::string& script) {
    Json config = Json::parse(R"({"ociVersion":"1.2.0","root":{"path":"rootfs"},
        "process":{"cwd":"/","env":["PATH=/bin"],"user":{"uid":0,"gid":0},"capabilities":{}},
        "mounts":[{"destination":"/proc","type":"proc","source":"proc"},
          {"destination":"/dev","type":"tmpfs","source":"tmpfs","options":["mode=755"]},
          {"destination":"/dev/pts","type":"devpts","source":"devpts",
           "options":["newinstance","ptmxmode=0666","mode=0620"]},
          {"destination":"/tmp","type":"tmpfs","source":"tmpfs","options":["mode=1777"]}],
        "linux":{"namespaces":[{"type":"pid"},{"type":"mount"}],
          "resources":{"devices":[{"allow":false,"access":"rwm"}]}}})");
    config["process"]["args"] = {"sh", "-c", script};
    for (const char* set : {"bounding", "effective", "permitted"})
        config["process"]["capabilities"][set] = {"CAP_MKNOD",       "CAP_CHOWN", "CAP_SETUID",
                                                  "CAP_SETGID",      "CAP_KILL",  "CAP_SYS_ADMIN",
                                                  "CAP_DAC_OVERRIDE"};
    return config;
}

std::string Message(const std::string& id, const Json& config, uint64_t stdio = 3) {
    return NewContainerOf(id, Shell("", stdio), config.dump());
}

struct Outcome {
    int code = -1;
    std::string out;
    std::string err;
};

// An agent with a pod, and the containers in it.
class Pod {
  public:
    const HostAgent& agent() const { return agent_; }
    HostSide& host() { return host_; }

    Outcome Run(const Json& config) {
        const uint64_t stdio = next_;
        next_ += 2;
        const std::string id = Cat("c", stdio);
        Acknowledged(host_.Call(ControlCode::kNewContainer, Message(id, config, stdio)));
        const int code = host_.WaitExit(stdio);
        Acknowledged(host_.Call(ControlCode::kRemoveContainer, Encode(RemoveContainer{id})));
        return {code, host_.Output(stdio), host_.Output(stdio + 1)};
    }
    std::string Fails(const Json& config) {
        return host_.CallFails(ControlCode::kNewContainer, Message("fails", config));
    }

  private:
    HostAgent agent_;
    HostSide host_ = agent_.StartPod();
    uint64_t next_ = 11;
};

}  // namespace

TEST_CASE("a device that no rule allows cannot be opened, the default ones can") {
    if (SkipWithoutRoot()) return;
    Pod pod;
    Json config = OciConfig(
        "mknod /tmp/node c 10 200 && echo made; (: </tmp/node) && "
        "echo read; head -c 4 /dev/zero | cat >/dev/null && echo zero; "
        "echo x >/dev/full");
    CHECK(pod.Run(config).out == "made\nzero\n");
    config["linux"]["resources"]["devices"].push_back(
        {{"allow", true}, {"type", "c"}, {"major", 10}, {"minor", 200}, {"access", "r"}});
    CHECK(pod.Run(config).out == "made\nread\nzero\n");
}

TEST_CASE("a container in a user namespace is root there and nobody's root outside") {
    if (SkipWithoutRoot()) return;
    Pod pod;
    constexpr uid_t kBase = 100000;
    for (const std::string path : {"", "/bin", "/etc"})
        REQUIRE(::chown((pod.agent().rootfs() + path).c_str(), kBase, kBase) == 0);
    Json config = OciConfig(
        "cut -c1-40 /proc/self/uid_map /proc/self/gid_map; id -u; id -g;"
        "echo x >/made && stat -c '%u %g' /made /dev /dev/null /tmp;"
        "hostname other && hostname; mount -t tmpfs tmpfs /mnt && echo mounted;"
        "head -c 2 /dev/zero | cat >/dev/null && echo zero; ulimit -n; cat "
        "/proc/self/oom_score_adj;"
        "ls -d /sys/kernel");
    config["linux"]["namespaces"].push_back({{"type", "user"}});
    for (const char* map : {"uidMappings", "gidMappings"})
        config["linux"][map] = Json::parse(R"([{"containerID":0,"hostID":100000,"size":65536}])");
    config["mounts"].push_back(
        {{"destination", "/sys"}, {"type", "sysfs"}, {"source", "sysfs"}, {"options", {"ro"}}});
    config["mounts"][2]["options"].push_back("gid=5");
    config["process"]["rlimits"] =
        Json::parse(R"([{"type":"RLIMIT_NOFILE","soft":4097,"hard":4097}])");
    config["process"]["oomScoreAdj"] = 17;
    REQUIRE(MakeDirectories(pod.agent().rootfs() + "/mnt", 0755));
    REQUIRE(MakeDirectories(pod.agent().rootfs() + "/sys", 0755));
    const Outcome outcome = pod.Run(config);
    CHECK_MESSAGE(outcome.out ==
                      "         0     100000      65536\n         0     100000      65536\n0\n0\n"
                      "0 0\n0 0\n0 0\n0 0\nother\nmounted\nzero\n4097\n17\n/sys/kernel\n",
                  outcome.err);
    struct stat status {};
    REQUIRE(::stat((pod.agent().rootfs() + "/made").c_str(), &status) == 0);
    CHECK(status.st_uid == kBase);
}

TEST_CASE(
    "a process joins a container with a user and a time namespace, with and without terminal") {
    if (SkipWithoutRoot()) return;
    Pod pod;
    Json config = OciConfig("read wait; read boot </proc/uptime; echo $boot");
    config["process"]["terminal"] = true;
    config["linux"]["namespaces"].push_back({{"type", "user"}});
    config["linux"]["namespaces"].push_back({{"type", "time"}});
    config["linux"]["timeOffsets"] =
        Json::parse(R"({"boottime":{"secs":1000000000,"nanosecs":5},"monotonic":{"secs":7}})");
    for (const char* map : {"uidMappings", "gidMappings"})
        config["linux"][map] = Json::parse(
            R"([{"containerID":0,"hostID":0,"size":1},{"containerID":7,"hostID":1007,"size":10}])");
    HostSide& host = pod.host();
    Acknowledged(host.Call(ControlCode::kNewContainer, Message("c", config)));
    const auto exec = [&](uint64_t stdio, bool terminal, const std::string& script) {
        Json process = config["process"];
        process["terminal"] = terminal;
        process["args"] = {"sh", "-c", script};
        process["user"] = {{"uid", 7}, {"gid", 8}, {"additionalGids", {9}}};
        const AgentProcess fields = Shell("", stdio);
        Acknowledged(
            host.Call(ControlCode::kExecCmd, Encode(ExecCommand{"c", fields, DumpJson(process)})));
        CHECK(host.WaitExit(stdio) == 0);
        return host.Output(stdio);
    };
    const std::string joined = exec(21, false, "id -u; id -G; cat /proc/uptime; echo >/dev/stdout");
    CHECK(joined.starts_with("7\n8 9\n10"));
    CHECK(exec(23, true, "tty; cat /proc/self/timens_offsets | head -n 1")
              .starts_with("/dev/pts/1\r\nmonotonic "));
    host.Input(3, "go\n");
    CHECK(host.WaitExit(3) == 0);
    CHECK(host.Output(3).starts_with("go\r\n10"));
}

TEST_CASE("a connection to a port of the machine stands in for a process") {
    if (SkipWithoutRoot()) return;
    const Fd listener = Fd::Adopt(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    auto* any = reinterpret_cast<sockaddr*>(&address);
    REQUIRE(::bind(listener.get(), any, size) == 0);
    REQUIRE(::listen(listener.get(), 1) == 0);
    REQUIRE(::getsockname(listener.get(), any, &size) == 0);
    Pod pod;
    HostSide& host = pod.host();
    Acknowledged(host.Call(ControlCode::kNewContainer, Message("c", OciConfig("read wait"))));
    const auto connect = [&](uint64_t stdio, uint16_t port) {
        return host.Call(ControlCode::kExecCmd,
                         Encode(ExecCommand{"c", Shell("", stdio), "", port}));
    };
    Acknowledged(connect(21, ntohs(address.sin_port)));
    Fd served = Fd::Adopt(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
    REQUIRE(served);
    host.Input(21, "question");
    char question[8];
    REQUIRE(::recv(served.get(), question, sizeof question, MSG_WAITALL) == sizeof question);
    CHECK(std::string_view(question, sizeof question) == "question");
    REQUIRE(WriteAll(served.get(), "answer"));
    served.Reset();
    CHECK(host.WaitExit(21) == 0);
    CHECK(host.Output(21) == "answer");
    ::shutdown(listener.get(), SHUT_RDWR);
    CHECK(host.Call(ControlCode::kExecCmd,
                    Encode(ExecCommand{"c", Shell("", 23), "", ntohs(address.sin_port)}))
              .code == ControlCode::kError);
    host.Input(3, "go\n");
    CHECK(host.WaitExit(3) == 0);
}

TEST_CASE("a process joins the cgroup below the container's that is named, or none") {
    if (SkipWithoutRoot()) return;
    Pod pod;
    HostSide& host = pod.host();
    Json config =
        OciConfig("mkdir /sys/fs/cgroup/sub /sys/fs/cgroup/sub/inner; echo made; read wait");
    config["mounts"].push_back(
        {{"destination", "/sys/fs/cgroup"}, {"type", "cgroup"}, {"source", "c"}});
    Acknowledged(host.Call(ControlCode::kNewContainer, Message("c", config)));
    host.WaitOutput(3, "made\n");
    uint64_t stdio = 21;
    const auto place = [&](const std::string& cgroup) {
        stdio += 2;
        return host.Call(
            ControlCode::kExecCmd,
            Encode(ExecCommand{"c", Shell("grep ^0: /proc/self/cgroup", stdio), "", 0, cgroup}));
    };
    for (const auto& [asked, seen] :
         {std::pair("/sub", "/sub"), std::pair("sub/inner/", "/sub/inner"),
          std::pair("/./sub", "/sub"), std::pair("/", "/"), std::pair("", "/")}) {
        Acknowledged(place(asked));
        CHECK(host.WaitExit(stdio) == 0);
        CHECK(host.Output(stdio) == Cat("0::", seen, "\n"));
    }
    for (const auto& [asked, why] :
         {std::pair("/../c", "is not a sub cgroup path"),
          std::pair("sub/..", "is not a sub cgroup path"),
          std::pair("/none", "the cgroup \"/none\" of the container: No such file or directory"),
          std::pair("/cgroup.procs", "Not a directory")}) {
        const Answer answer = place(asked);
        CHECK(answer.code == ControlCode::kError);
        CHECK_MESSAGE(answer.payload.find(why) != std::string::npos, answer.payload);
    }
    host.Input(3, "go\n");
    CHECK(host.WaitExit(3) == 0);
}

TEST_CASE("what does not hold together about namespaces is refused") {
    if (SkipWithoutRoot()) return;
    Pod pod;
    const auto fails = [&](const std::string& text) {
        Json config = OciConfig("true");
        config["linux"].update(Json::parse(text));
        return pod.Fails(config);
    };
    CHECK(fails(R"({"namespaces":[{"type":"user"}]})").find("needs uidMappings and gidMappings") !=
          std::string::npos);
    CHECK(fails(R"({"uidMappings":[{"containerID":0,"hostID":1,"size":1}]})")
              .find("none of type user") != std::string::npos);
    CHECK(fails(R"({"namespaces":[{"type":"nets"}]})").find("\"nets\" is unknown") !=
          std::string::npos);
    CHECK(fails(R"({"timeOffsets":{"boottime":{"secs":1}}})").find("none of type time") !=
          std::string::npos);
    CHECK(fails(R"({"namespaces":[{"type":"time"}],"timeOffsets":{"realtime":{"secs":1}}})")
              .find("realtime") != std::string::npos);
    CHECK(
        fails(R"({"namespaces":[{"type":"time"}],"timeOffsets":{"boottime":{"secs":-9000000000}}})")
            .find("linux.timeOffsets: boottime") != std::string::npos);
    // Ranges that overlap are the kernel's to refuse.
    CHECK(fails(R"({"namespaces":[{"type":"user"}],
        "uidMappings":[{"containerID":0,"hostID":0,"size":9},{"containerID":1,"hostID":0,"size":9}],
        "gidMappings":[{"containerID":0,"hostID":0,"size":1}]})")
              .find("uidMappings") != std::string::npos);
    CHECK(fails(R"({"personality":{"domain":"SOLARIS"}})").find("SOLARIS") != std::string::npos);
    CHECK(pod.Run(OciConfig("exit 3")).code == 3);
}

TEST_CASE("a step that fails inside a user namespace is told, and nothing of the container stays") {
    if (SkipWithoutRoot()) return;
    Pod pod;
    Json config = OciConfig("true");
    config["linux"]["namespaces"].push_back({{"type", "user"}});
    for (const char* map : {"uidMappings", "gidMappings"})
        config["linux"][map] = Json::parse(R"([{"containerID":0,"hostID":0,"size":1000}])");
    config["mounts"].push_back({{"destination", "/x"}, {"type", "bind"}, {"source", "/no/such"}});
    CHECK(pod.Fails(config) ==
          "Process could not be started: mounting /no/such on /x: /no/such: No such file or "
          "directory");
    config["mounts"].erase(4);
    config["process"]["args"] = {"/no/such"};
    CHECK(pod.Fails(config).find("no such file or directory") != std::string::npos);
    config["process"]["args"] = {"true"};
    config["process"]["user"]["uid"] = 5000;
    CHECK(pod.Fails(config).find("becoming user 5000") != std::string::npos);
}

TEST_CASE("the kernel is told the priorities, limits and personality of a process") {
    if (SkipWithoutRoot()) return;
    Pod pod;
    Json config = OciConfig(
        "ionice -p $$; uname -m; cat /proc/self/oom_score_adj; ulimit -n; ulimit -Hn;"
        "umask; cut -d' ' -f19 /proc/self/stat");
    config["process"]["scheduler"] = Json::parse(R"({"policy":"SCHED_BATCH","nice":5})");
    config["process"]["ioPriority"] = Json::parse(R"({"class":"IOPRIO_CLASS_BE","priority":6})");
    config["linux"]["personality"] = {{"domain", "LINUX32"}};
    config["process"]["oomScoreAdj"] = 101;
    config["process"]["user"]["umask"] = 7;
    config["process"]["rlimits"] =
        Json::parse(R"([{"type":"RLIMIT_NOFILE","soft":100,"hard":200}])");
    const Outcome outcome = pod.Run(config);
    CHECK_MESSAGE(outcome.out == "best-effort: prio 6\ni686\n101\n100\n200\n0007\n5\n",
                  outcome.err);
    config["process"]["rlimits"].push_back(config["process"]["rlimits"][0]);
    CHECK(pod.Fails(config).find("RLIMIT_NOFILE is given twice") != std::string::npos);
    config["process"].erase("rlimits");
    config["process"]["scheduler"] = Json::parse(R"({"policy":"SCHED_FIFO","priority":0})");
    CHECK(pod.Fails(config).find("setting process.scheduler: Invalid argument") !=
          std::string::npos);
}

TEST_CASE("a process that joins is bound to the processors it names") {
    if (SkipWithoutRoot()) return;
    Pod pod;
    HostSide& host = pod.host();
    Json config = OciConfig("sleep 1000");
    config["process"]["execCPUAffinity"] = {{"final", "1000"}};  // not for the first process
    Acknowledged(host.Call(ControlCode::kNewContainer, Message("c", config)));
    Json process = config["process"];
    process["args"] = {"grep", "Cpus_allowed_list", "/proc/self/status"};
    process["execCPUAffinity"] = {{"initial", "0-1"}, {"final", "0"}};
    Acknowledged(host.Call(ControlCode::kExecCmd,
                           Encode(ExecCommand{"c", Shell("", 5), DumpJson(process)})));
    CHECK(host.WaitExit(5) == 0);
    CHECK(host.Output(5) == "Cpus_allowed_list:\t0\n");
    process["execCPUAffinity"] = {{"final", "1000"}};
    CHECK(host.CallFails(ControlCode::kExecCmd,
                         Encode(ExecCommand{"c", Shell("", 7), DumpJson(process)}))
              .find("execCPUAffinity") != std::string::npos);
}

TEST_CASE("a mount is id-mapped where its file system can be") {
    if (SkipWithoutRoot()) return;
    Pod pod;
    const std::string volume = pod.agent().share() + "/vol";
    REQUIRE(MakeDirectories(volume, 0777));
    REQUIRE(WriteFileAtomic(volume + "/file", "x", 0644));
    REQUIRE(::chown((volume + "/file").c_str(), 500, 501) == 0);
    Json config = OciConfig("stat -c '%u %g' /vol/file");
    config["mounts"].push_back({{"destination", "/vol"},
                                {"type", "bind"},
                                {"source", Cat(kGuestShareDirectory, "/vol")},
                                {"options", {"bind", "idmap"}}});
    Json& mount = config["mounts"][4];
    CHECK(pod.Fails(config).find("neither it nor the container") != std::string::npos);
    mount["uidMappings"] = Json::parse(R"([{"containerID":500,"hostID":2500,"size":1}])");
    CHECK(pod.Fails(config).find("needs both") != std::string::npos);
    mount["gidMappings"] = Json::parse(R"([{"containerID":501,"hostID":2600,"size":1}])");
    CHECK(pod.Run(config).out == "2500 2600\n");
    mount["destination"] = "/proc2";
    mount["type"] = "proc";
    mount["options"] = Json::array();
    CHECK(pod.Fails(config).find("cannot be id-mapped") != std::string::npos);
}

TEST_CASE("a system call filter knows every condition, the flags, and the errors that it returns") {
    if (SkipWithoutRoot()) return;
    Pod pod;
    Json config = OciConfig(
        "mkdir /tmp/a; chmod 600 /tmp; chmod 755 /tmp && echo allowed; hostname x; mknod /tmp/p p;"
        "grep Seccomp: /proc/self/status");
    // chmod with any bit for others is refused, whatever else is in the mode.
    config["linux"]["seccomp"] = Json::parse(R"({"defaultAction":"SCMP_ACT_ALLOW",
        "architectures":["SCMP_ARCH_X86_64","SCMP_ARCH_X86"],
        "flags":["SECCOMP_FILTER_FLAG_LOG","SECCOMP_FILTER_FLAG_TSYNC",
                 "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"],
        "syscalls":[{"names":["mkdir","mkdirat","call_of_tomorrow"],"action":"SCMP_ACT_ERRNO",
                     "errnoRet":28},
          {"names":["chmod"],"action":"SCMP_ACT_ERRNO","errnoRet":95,
           "args":[{"index":1,"value":7,"valueTwo":0,"op":"SCMP_CMP_MASKED_EQ"}]},
          {"names":["sethostname"],"action":"SCMP_ACT_KILL_PROCESS"},
          {"names":["mknod","mknodat"],"action":"SCMP_ACT_ERRNO"}]})");
    for (const bool no_new_privileges : {false, true}) {
        config["process"]["noNewPrivileges"] = no_new_privileges;
        const Outcome outcome = pod.Run(config);
        CHECK(outcome.out == "allowed\nSeccomp:\t2\n");
        CHECK(outcome.err.find("'/tmp/a': No space left on device") != std::string::npos);
        CHECK(outcome.err.find("/tmp: Operation not supported") != std::string::npos);
        CHECK(outcome.err.find("Bad system call") != std::string::npos);
        CHECK(outcome.err.find("/tmp/p: Operation not permitted") != std::string::npos);
    }
    config["linux"]["seccomp"]["flags"] = {"SECCOMP_FILTER_FLAG_NONE"};
    CHECK(pod.Fails(config).find("SECCOMP_FILTER_FLAG_NONE") != std::string::npos);
    config["linux"]["seccomp"].erase("flags");
    config["linux"]["seccomp"]["syscalls"][0]["action"] = "SCMP_ACT_NOTIFY";
    CHECK(pod.Fails(config).find("listener") != std::string::npos);
}

TEST_CASE("a filter forbids the program what the agent still had to do") {
    if (SkipWithoutRoot()) return;
    Pod pod;
    Json config = OciConfig("");
    config["process"]["args"] = {"/bin/busybox", "true"};
    config["process"]["noNewPrivileges"] = true;
    config["linux"]["seccomp"] = Json::parse(R"({"defaultAction":"SCMP_ACT_ALLOW",
        "syscalls":[{"names":["sendmsg","close_range","capset","setresuid","setgroups","keyctl",
        "memfd_create","seccomp","faccessat"],"action":"SCMP_ACT_KILL_PROCESS"}]})");
    // Limits that the agent itself could not work with are the program's only.
    config["process"]["rlimits"] = Json::parse(R"([{"type":"RLIMIT_FSIZE","soft":0,"hard":0},
        {"type":"RLIMIT_NOFILE","soft":3,"hard":3}])");
    const Outcome outcome = pod.Run(config);
    CHECK(outcome.code == 0);
    CHECK(outcome.err == "");
}

TEST_CASE("a program that cannot be started is told in the words that engines look for") {
    if (SkipWithoutRoot()) return;
    Pod pod;
    const std::string rootfs = pod.agent().rootfs();
    REQUIRE(WriteFileAtomic(rootfs + "/script", "#!/no/interpreter\n", 0755));
    REQUIRE(WriteFileAtomic(rootfs + "/noise", "\x01\x02\x03\x04", 0755));
    REQUIRE(WriteFileAtomic(rootfs + "/plain", "text", 0644));
    const auto error = [&](const std::string& program) {
        Json config = OciConfig("");
        config["process"]["args"] = {program};
        return pod.Fails(config);
    };
    const std::string prefix = "Process could not be started: ";
    CHECK(error("nothing") == prefix + R"(exec: "nothing": executable file not found in $PATH)");
    CHECK(error("/no/thing") ==
          prefix + R"(exec: "/no/thing": stat /no/thing: no such file or directory)");
    CHECK(error("/plain") == prefix + R"(exec: "/plain": permission denied)");
    CHECK(error("/etc") == prefix + R"(exec: "/etc": is a directory: permission denied)");
    CHECK(error("/script") == prefix + "exec /script: no such file or directory");
    CHECK(error("/noise") == prefix + "exec /noise: exec format error");
}

TEST_CASE("three containers of one pod see nothing of one another") {
    if (SkipWithoutRoot()) return;
    Pod pod;
    HostSide& host = pod.host();
    const std::vector<std::string> names{"alpha", "beta", "gamma"};
    for (size_t i = 0; i < names.size(); ++i) {
        Json config = OciConfig(
            "echo $$; hostname; echo secret >/dev/shm/mine; echo up; read go;"
            "ls /dev/shm /tmp; grep ^0: /proc/self/cgroup; ls -d /proc/[0-9]*");
        config["hostname"] = names[i];
        config["mounts"].push_back(
            {{"destination", "/dev/shm"}, {"type", "tmpfs"}, {"source", "shm"}});
        // All at once in the same root file system.
        Acknowledged(host.Call(ControlCode::kNewContainer, Message(names[i], config, 11 + 2 * i)));
    }
    for (size_t i = 0; i < names.size(); ++i)
        host.WaitOutput(11 + 2 * i, "up\n");
    host.Input(11, "go\n");
    CHECK(host.WaitExit(11) == 0);
    // Its own file, its cgroup as the root of all, and itself (the shell has become ls).
    CHECK(host.Output(11) == "1\nalpha\nup\n/dev/shm:\nmine\n\n/tmp:\n0::/\n/proc/1\n");
    for (size_t i = 1; i < names.size(); ++i) {
        host.Input(11 + 2 * i, "go\n");
        CHECK(host.WaitExit(11 + 2 * i) == 0);
        CHECK(host.Output(11 + 2 * i).starts_with(Cat("1\n", names[i], "\n")));
    }
}

TEST_CASE("sysctls are set or said why not") {
    if (SkipWithoutRoot()) return;
    Pod pod;
    Json config = OciConfig(
        "cat /proc/sys/kernel/domainname /proc/sys/kernel/shm_rmid_forced "
        "/proc/sys/fs/mqueue/msg_max");
    config["linux"]["sysctl"] = {{"kernel.domainname", "example"},
                                 {"kernel.shm_rmid_forced", "1"},
                                 {"fs/mqueue/msg_max", "11"}};
    CHECK(pod.Run(config).out == "example\n1\n11\n");
    config["linux"]["sysctl"] = {{"kernel.shm_rmid_forced", "7"}};
    CHECK(pod.Fails(config).find("setting sysctl kernel.shm_rmid_forced to \"7\"") !=
          std::string::npos);
    config["hostname"] = "one";
    config["linux"]["sysctl"] = {{"kernel.hostname", "two"}};
    CHECK(pod.Fails(config).find("contradicts") != std::string::npos);
}

TEST_CASE("a step that fails leaves no process, mount or cgroup behind") {
    if (SkipWithoutRoot()) return;
    Pod pod;
    const std::string mounts =
        ReadFile(Cat("/proc/", pod.agent().process().pid(), "/mountinfo"), 1 << 20).value();
    Json good = OciConfig("true");
    std::vector<Json> broken(6, good);
    broken[0]["mounts"].push_back({{"destination", "/x"}, {"type", "no-such-type"}});
    broken[1]["linux"]["sysctl"] = {{"no.such", "1"}};
    broken[2]["process"]["args"] = {"/etc"};
    broken[3]["process"]["rlimits"] =
        Json::parse(R"([{"type":"RLIMIT_NOFILE","soft":2,"hard":1}])");
    broken[4]["linux"]["devices"] =
        Json::parse(R"([{"path":"/etc/passwd/x","type":"c","major":1,"minor":3}])");
    broken[5]["linux"]["resources"]["unified"] = {{"no.such", "1"}};
    for (const Json& config : broken)
        CHECK(pod.Fails(config).starts_with("Process could not be started: "));
    CHECK(ReadFile(Cat("/proc/", pod.agent().process().pid(), "/mountinfo"), 1 << 20).value() ==
          mounts);
    // The name is free, and with it the cgroup.
    Acknowledged(pod.host().Call(ControlCode::kNewContainer, Message("fails", good)));
    CHECK(pod.host().WaitExit(3) == 0);
}

}  // namespace cc::agent
