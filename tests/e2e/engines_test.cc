// SPDX-License-Identifier: Apache-2.0
// Debian's container engines with cc-runtime as their runtime, driven as a person would drive them.
// Each has directories and sockets of its own, dockerd a network namespace, too. But for the tests
// of networks all containers have `--network none`.
#include <csignal>
#include <optional>
#include <thread>

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "tests/e2e/host.h"

namespace cc::test {

namespace {

std::string Find(const std::string& program) {
    for (const char* directory : {"/usr/bin/", "/usr/sbin/", "/usr/local/bin/"})
        if (::access((directory + program).c_str(), X_OK) == 0) return directory + program;
    return {};
}

bool SkipWithout(const std::string& program) {
    if (!Find(program).empty()) return false;
    Skip(program + " is not installed (packaging/install-deps.sh engines)");
    return true;
}

// A daemon that ends with the test.
class Daemon {
  public:
    Daemon(const Host& host, const std::string& command) {
        log_ = host.directory() + "/daemon.log";
        const Fd log = OpenFile(log_, O_WRONLY | O_CREAT | O_APPEND, 0644).value();
        SpawnOptions options;
        options.executable = "/bin/sh";
        options.arguments = {"sh", "-c", "exec " + command};
        options.environment.emplace();
        for (char** entry = environ; *entry != nullptr; ++entry)
            options.environment->push_back(*entry);
        options.environment->push_back(host.Environment().front());
        options.fds = {{log.get(), 1}, {log.get(), 2}};
        options.new_session = true;
        process_ = Spawn(options).value();
    }
    ~Daemon() {
        (void)process_.Signal(SIGTERM);
        if (!process_.WaitEnd(kPatience).value_or(false)) process_.Kill();
        (void)process_.Reap();
    }
    Daemon(const Daemon&) = delete;
    Daemon& operator=(const Daemon&) = delete;
    std::string log() const { return ReadFile(log_, 1 << 20).value_or(""); }

  private:
    Process process_;
    std::string log_;
};

// A client program with the options that lead it to its engine.
class Engine {
  public:
    Engine(const Host& host, const std::string& program, std::vector<std::string> options)
        : host_(host), path_(Find(program)), words_{program} {
        words_.insert(words_.end(), options.begin(), options.end());
    }
    Finished operator()(const std::vector<std::string>& arguments, const std::string& input = "") {
        auto words = words_;
        words.insert(words.end(), arguments.begin(), arguments.end());
        return RunProgram(path_, words, input, host_.Environment());
    }
    // Whether it answers within the patience.
    bool Answers(const std::vector<std::string>& arguments) {
        for (int i = 0; i < 300; ++i) {
            if ((*this)(arguments).status == 0) return true;
            std::this_thread::sleep_for(std::chrono::milliseconds(100));
        }
        return false;
    }

  private:
    const Host& host_;
    std::string path_;
    std::vector<std::string> words_;
};

void Expect(const Finished& finished, int status, const std::string& out) {
    CHECK_MESSAGE(finished.status == status, finished.err);
    CHECK(finished.out == out);
}

// A program that calls cc-runtime with the host's configuration, for engines that take no options.
std::string Wrapper(const Host& host) {
    std::vector<std::string> words = host.RuntimeArguments({});
    words[0] = Cat(CC_BIN_DIR, "/cc-runtime");
    words.resize(3);  // the engine has a --root of its own
    const std::string path = host.directory() + "/runtime.sh";
    REQUIRE(WriteFileAtomic(path, Cat("#!/bin/sh\nexec ", Join(words, " "), " \"$@\"\n"), 0755));
    return path;
}

std::string ImageArchive(const Host& host) {
    const std::string path = host.directory() + "/image.tar";
    REQUIRE(RunProgram("/bin/tar", {"tar", "-C", host.rootfs(), "-cf", path, "."}).status == 0);
    return path;
}

// More than a container of 64 MiB has.
const std::vector<std::string> kHungry = {"dd", "if=/dev/zero", "of=/dev/null", "bs=80M",
                                          "count=1"};

// With the image "bb".
Engine Podman(Host& host, const std::string& base) {
    Engine podman(host, "podman",
                  {"--root", base + "/root", "--runroot", base + "/run", "--tmpdir", base + "/tmp",
                   "--cgroup-manager", "cgroupfs", "--events-backend", "file", "--storage-driver",
                   "vfs", "--runtime", Wrapper(host)});
    REQUIRE(podman({"import", ImageArchive(host), "bb"}).status == 0);
    return podman;
}

}  // namespace

TEST_CASE("docker does with cc-runtime what it does with runc") {
    if (SkipWithout("dockerd") || SkipWithout("docker")) return;
    Host host;
    const std::string base = host.directory() + "/docker";
    REQUIRE(MakeDirectories(base, 0700));
    const Json configuration = {{"runtimes", {{"cc", {{"path", Wrapper(host)}}}}},
                                {"default-runtime", "cc"},
                                {"iptables", false},
                                {"bridge", "none"},
                                {"data-root", base + "/data"},
                                {"exec-root", base + "/exec"},
                                {"pidfile", base + "/pid"},
                                {"hosts", {"unix://" + base + "/sock"}},
                                {"storage-driver", "vfs"},
                                {"live-restore", true},
                                {"exec-opts", {"native.cgroupdriver=cgroupfs"}}};
    REQUIRE(WriteFileAtomic(base + "/daemon.json", DumpJson(configuration), 0600));
    const std::string dockerd =
        Cat("unshare --net ", Find("dockerd"), " --config-file ", base, "/daemon.json");
    std::optional<Daemon> daemon(std::in_place, host, dockerd);
    Engine docker(host, "docker", {"-H", "unix://" + base + "/sock"});
    REQUIRE_MESSAGE(docker.Answers({"version"}), daemon->log());
    REQUIRE(docker({"import", ImageArchive(host), "bb"}).status == 0);
    const std::string env = "PATH=/bin";
    const auto run = [&](std::vector<std::string> options, const std::vector<std::string>& command,
                         const std::string& input = "") {
        options.insert(options.begin(), {"run", "--network", "none", "-e", env});
        options.emplace_back("bb");
        options.insert(options.end(), command.begin(), command.end());
        return docker(options, input);
    };

    Expect(run({"--rm"}, {"echo", "hello"}), 0, "hello\n");
    Expect(run({"--rm", "-i"}, {"cat"}, "through stdin"), 0, "through stdin");
    Expect(run({"--rm"}, {"sh", "-c", "echo err >&2; exit 7"}), 7, "");
    CHECK(run({"--rm"}, {"no-such-program"}).status == 127);
    CHECK(run({"--rm"}, {"/etc"}).status == 126);
    Expect(run({"--rm", "--memory", "64m", "--pids-limit", "20"},
               {"cat", "/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/pids.max"}),
           0, "67108864\n20\n");
    Expect(run({"--rm", "--tmpfs", "/t", "--user", "5:6"}, {"sh", "-c", "echo x >/t/a; cat /t/a"}),
           0, "x\n");

    // With a directory of the host, where changes of either side are seen by the other at once.
    const std::string shared = base + "/shared";
    REQUIRE(MakeDirectories(shared, 0755));
    REQUIRE(run({"-d", "--name", "one", "-v", shared + ":/v"}, {"sleep", "1000"}).status == 0);
    REQUIRE(WriteFileAtomic(shared + "/host", "from the host", 0644));
    Expect(docker({"exec", "one", "sh", "-c", "cat /v/host; echo back >/v/g; chown 5:6 /v/g"}), 0,
           "from the host");
    CHECK(ReadFile(shared + "/g", 100).value() == "back\n");
    struct stat status {};
    REQUIRE(::stat((shared + "/g").c_str(), &status) == 0);
    CHECK(status.st_uid == 5);
    CHECK(status.st_gid == 6);
    Expect(docker({"exec", "-i", "one", "wc", "-c"}, std::string(20 << 20, 'x')), 0, "20971520\n");
    Expect(docker({"exec", "-u", "5:6", "-w", "/tmp", "-e", "A=b", "one", "sh", "-c",
                   "id -u; pwd; echo $A"}),
           0, "5\n/tmp\nb\n");
    Expect(docker({"exec", "one", "sh", "-c", "echo in; exit 3"}), 3, "in\n");
    CHECK(Has(docker({"top", "one"}).out, "sleep 1000"));
    CHECK(docker({"pause", "one"}).status == 0);
    CHECK(docker({"inspect", "-f", "{{.State.Status}}", "one"}).out == "paused\n");
    CHECK(docker({"unpause", "one"}).status == 0);
    CHECK(docker({"update", "--memory", "100m", "--memory-swap", "100m", "one"}).status == 0);
    Expect(docker({"exec", "one", "cat", "/sys/fs/cgroup/memory.max"}), 0, "104857600\n");
    REQUIRE(WriteFileAtomic(base + "/file", "copied", 0644));
    CHECK(docker({"cp", base + "/file", "one:/bin/file"}).status == 0);
    Expect(docker({"exec", "one", "cat", "/bin/file"}), 0, "copied");
    CHECK(docker({"restart", "-t", "0", "one"}).status == 0);
    Expect(docker({"exec", "one", "cat", "/bin/file"}), 0, "copied");
    // dockerd and its containerd go and come back; the container does not notice.
    daemon.reset();
    daemon.emplace(host, dockerd);
    REQUIRE_MESSAGE(docker.Answers({"version"}), daemon->log());
    Expect(docker({"exec", "one", "cat", "/bin/file"}), 0, "copied");
    CHECK(docker({"kill", "one"}).status == 0);
    CHECK(docker({"wait", "one"}).out == "137\n");
    CHECK(docker({"rm", "one"}).status == 0);

    const auto eventually = [&](const std::vector<std::string>& words, const std::string& out) {
        for (int i = 0; i < 300 && docker(words).out != out; ++i)
            std::this_thread::sleep_for(std::chrono::milliseconds(100));
        CHECK(docker(words).out == out);
    };
    REQUIRE(run({"-d", "--name", "polite"},
                {"sh", "-c", "trap 'echo bye; exit 3' TERM; echo up; while :; do sleep 0.1; done"})
                .status == 0);
    eventually({"logs", "polite"}, "up\n");
    CHECK(docker({"stop", "-t", "20", "polite"}).status == 0);
    CHECK(docker({"wait", "polite"}).out == "3\n");
    CHECK(docker({"logs", "polite"}).out == "up\nbye\n");
    REQUIRE(run({"-d", "--name", "stubborn", "--restart", "on-failure:1"},
                {"sh", "-c", "echo once; exit 4"})
                .status == 0);
    eventually({"inspect", "-f", "{{.RestartCount}} {{.State.Status}}", "stubborn"}, "1 exited\n");
    CHECK(docker({"logs", "stubborn"}).out == "once\nonce\n");
    CHECK(docker({"rm", "polite", "stubborn"}).status == 0);

    // Memory ends in the guest; dockerd looks at the cgroup of the shim.
    // Of which it hears beside the exit, and maybe after it.
    const auto ran_out = [&](const std::string& name, const std::string& how) {
        eventually({"inspect", "-f", "{{.State.OOMKilled}} {{.State.ExitCode}}", name}, how);
    };
    CHECK(run({"--name", "hungry", "--memory", "64m"}, kHungry).status == 137);
    ran_out("hungry", "true 137\n");
    // Not its first process, which goes on.
    const std::string script = Join(kHungry, " ") + "; exit 5";
    CHECK(run({"--name", "forgiving", "--memory", "64m"}, {"sh", "-c", script}).status == 5);
    ran_out("forgiving", "true 5\n");
    CHECK(run({"--name", "killed", "--memory", "64m"}, {"sh", "-c", "sh -c 'kill -9 $$'; exit 137"})
              .status == 137);
    ran_out("killed", "false 137\n");
    CHECK(docker({"rm", "hungry", "forgiving", "killed"}).status == 0);
    daemon.reset();
    // Which a dockerd that has found it does not take for its own to undo.
    CHECK(RunProgram("/bin/umount", {"umount", base + "/data"}).status == 0);
}

namespace {

// Whether the container's shell command says so, within a while.
bool Becomes(Engine& docker, const std::string& container, const std::string& command,
             const std::string& part, bool there = true) {
    for (int i = 0; i < 100; ++i) {
        if (Has(docker({"exec", container, "sh", "-c", command}).out, part) == there) return true;
        std::this_thread::sleep_for(std::chrono::milliseconds(200));
    }
    return false;
}

// A container that is connected to a second network before its start, and to a third while it runs.
// `outside`: a busybox command on dockerd's host. There is a network "blue", 10.67.0.0/24.
void CheckSeveralNetworks(Engine& docker,
                          const std::function<std::string(const std::string&)>& outside) {
    const std::string answers = " 0% packet loss";
    CHECK(docker({"network", "create", "--subnet", "10.68.0.0/24", "red"}).status == 0);
    REQUIRE(docker({"create", "--name", "several", "-e", "PATH=/bin", "--network", "blue", "bb",
                    "sleep", "1000"})
                .status == 0);
    CHECK(docker({"network", "connect", "--ip", "10.68.0.7", "red", "several"}).status == 0);
    const Finished started = docker({"start", "several"});
    REQUIRE_MESSAGE(started.status == 0, started.err);
    const std::string both = docker({"exec", "several", "ip", "-o", "addr"}).out;
    CHECK_MESSAGE(Has(both, "10.67.0."), both);
    CHECK_MESSAGE(Has(both, "10.68.0.7/24"), both);
    for (const char* gateway : {"10.67.0.1", "10.68.0.1"})
        CHECK(Has(docker({"exec", "several", "ping", "-c", "1", "-W", "5", gateway}).out, answers));
    CHECK(Has(outside("ping -c 1 -W 5 10.68.0.7"), answers));

    // Names are Docker's to know, by datagram and, by stream.
    CHECK(docker({"network", "connect", "--alias", "neighbour", "--ip", "10.68.0.20", "red", "web"})
              .status == 0);
    CHECK(Has(docker({"exec", "several", "nslookup", "neighbour"}).out, "10.68.0.20"));
    CHECK(Has(docker({"exec", "several", "sh", "-c",
                      "printf '\\0\\033\\22\\64\\1\\0\\0\\1\\0\\0\\0\\0\\0\\0\\11neighbour"
                      "\\0\\0\\1\\0\\1' | (cat; sleep 2) | nc 127.0.0.11 53 | hexdump -v -e "
                      "'/1 \"%02x\"'"})
                  .out,
              "0a440014"));
    CHECK(docker({"network", "disconnect", "red", "web"}).status == 0);
    CHECK(docker({"network", "connect", "bridge", "several"}).status == 0);
    CHECK(Becomes(docker, "several", "ip -o addr", "10.66.0."));
    CHECK(Has(docker({"exec", "several", "ping", "-c", "1", "-W", "5", "10.66.0.1"}).out, answers));
    CHECK(docker({"network", "disconnect", "red", "several"}).status == 0);
    CHECK(Becomes(docker, "several", "ip -o addr", "10.68.0.", false));
    CHECK(docker({"network", "connect", "--ip", "10.68.0.8", "red", "several"}).status == 0);
    CHECK(Becomes(docker, "several", "ip -o addr", "10.68.0.8/24"));
    CHECK(Has(outside("ping -c 1 -W 5 10.68.0.8"), answers));
    CHECK(docker({"network", "disconnect", "blue", "several"}).status == 0);
    CHECK(Becomes(docker, "several", "ip -o addr", "10.67.0.", false));
    CHECK(Has(docker({"exec", "several", "ping", "-c", "1", "-W", "5", "10.66.0.1"}).out, answers));
    CHECK(docker({"rm", "-f", "several"}).status == 0);
    CHECK(docker({"network", "rm", "red"}).status == 0);
}

}  // namespace

TEST_CASE("docker's bridge networks reach into the virtual machine") {
    if (SkipWithout("dockerd") || SkipWithout("docker") || SkipWithout("iptables")) return;
    // By each model, with the same result.
    std::string model;
    SUBCASE("tcfilter") {
        model = "tcfilter";
    }
    SUBCASE("bridged") {
        model = "bridged";
    }
    SUBCASE("macvtap") {
        model = "macvtap";
    }
    CAPTURE(model);
    Host host("", Cat("internetworking_model = \"", model, "\""));
    const std::string base = host.directory() + "/docker";
    REQUIRE(MakeDirectories(base, 0700));
    const Json configuration = {{"runtimes", {{"cc", {{"path", Wrapper(host)}}}}},
                                {"default-runtime", "cc"},
                                {"bip", "10.66.0.1/24"},
                                {"ipv6", true},
                                {"fixed-cidr-v6", "fd66::/64"},
                                {"data-root", base + "/data"},
                                {"exec-root", base + "/exec"},
                                {"pidfile", base + "/pid"},
                                {"hosts", {"unix://" + base + "/sock"}},
                                {"storage-driver", "vfs"},
                                {"exec-opts", {"native.cgroupdriver=cgroupfs"}}};
    REQUIRE(WriteFileAtomic(base + "/daemon.json", DumpJson(configuration), 0600));
    const Daemon daemon(host, Cat("unshare --net sh -c 'ip link set lo up; exec ", Find("dockerd"),
                                  " --config-file ", base, "/daemon.json'"));
    Engine docker(host, "docker", {"-H", "unix://" + base + "/sock"});
    REQUIRE_MESSAGE(docker.Answers({"version"}), daemon.log());
    const std::string pid(Trim(ReadFile(base + "/pid", 64).value()));
    // On dockerd's host.
    const auto outside = [&](const std::string& command) {
        return RunProgram("/bin/sh", {"sh", "-c",
                                      Cat("nsenter --net=/proc/", pid, "/ns/net ", host.rootfs(),
                                          "/bin/busybox ", command)})
            .out;
    };
    REQUIRE(docker({"import", ImageArchive(host), "bb"}).status == 0);
    const auto run = [&](std::vector<std::string> options, const std::string& command) {
        options.insert(options.begin(), {"run", "-e", "PATH=/bin"});
        options.insert(options.end(), {"bb", "sh", "-c", command});
        return docker(options);
    };
    const Finished plain = run({"--rm"},
                               "ip addr show eth0; ip route; ping -c 1 10.66.0.1; "
                               "ping -6 -c 1 fd66::1");
    CHECK_MESSAGE(plain.status == 0, plain.err);
    for (const char* part : {"inet 10.66.0.2/24", "02:42:0a:42:00:02",
                             "inet6 fd66::", "default via 10.66.0.1 dev eth0", " 0% packet loss"})
        CHECK_MESSAGE(Has(plain.out, part), plain.out);

    REQUIRE(run({"-d", "--name", "web", "-p", "8080:80"},
                "echo served >/index.html; exec httpd -f -p 80 -h /")
                .status == 0);
    const std::string fetch =
        "i=0; until wget -qO- http://10.66.0.2/; do i=$((i+1)); [ $i -lt 50 ] || exit 1; done";
    CHECK(run({"--rm"}, fetch).out == "served\n");
    CHECK(outside("wget -qO- http://10.66.0.2/") == "served\n");
    CHECK(outside("wget -qO- http://127.0.0.1:8080/") == "served\n");
    CHECK(docker({"network", "create", "--subnet", "10.67.0.0/24", "blue"}).status == 0);
    CHECK(Has(run({"--rm", "--network", "blue", "--ip", "10.67.0.9"}, "ip addr show eth0").out,
              "inet 10.67.0.9/24"));
    CheckSeveralNetworks(docker, outside);
    const Finished shared = run({"--rm", "--network", "container:web"}, "true");
    CHECK(shared.status != 0);
    CHECK(Has(shared.err, "one pod"));
    const Finished on_host = run({"--rm", "--network", "host"}, "true");
    CHECK(on_host.status != 0);
    CHECK(Has(on_host.err, "--network none"));
    // The link's counters are the engine's to read, by the link's name.
    CHECK_FALSE(
        Has(docker({"stats", "--no-stream", "--format", "{{.NetIO}}", "web"}).out, "0B / 0B"));
    CHECK(docker({"restart", "-t", "0", "web"}).status == 0);
    CHECK(run({"--rm"}, fetch).out == "served\n");
    CHECK(docker({"rm", "-f", "web"}).status == 0);
    CHECK_FALSE(Has(outside("ip link"), "veth"));
    // Where dockerd keeps its own namespace since it was asked for the host's; it leaves it there.
    CHECK(RunProgram("/bin/umount", {"umount", base + "/exec/netns/default"}).status == 0);
}

TEST_CASE("podman's networks reach into the virtual machine, and into pods") {
    if (SkipWithout("podman") || SkipWithout("iptables")) return;
    Host host;
    const std::string base = host.directory() + "/podman", script = base + "/script";
    REQUIRE(MakeDirectories(base, 0700));
    // All of Podman's state that is not below its options, and its networks, in namespaces of their
    // own.
    const std::string podman =
        Cat("podman --root ", base, "/root --runroot ", base, "/run --tmpdir ", base,
            "/tmp --cgroup-manager cgroupfs --events-backend file --storage-driver vfs --runtime ",
            Wrapper(host), " ");
    REQUIRE(WriteFileAtomic(
        script,
        Cat("set -e\nmkdir -p /etc/cni/net.d /var/lib/cni /run/netns\n",
            "for d in /etc/cni/net.d /var/lib/cni /run/netns; do mount -t tmpfs none $d; done\n",
            "ip link set lo up\np='", podman, "'\n", "$p import ", ImageArchive(host),
            " bb >/dev/null 2>&1\nr='-e PATH=/bin'\n",
            "$p run $r --rm --cap-add NET_RAW bb sh -c 'ip addr show eth0; ip route; "
            "ping -c 1 10.88.0.1'\n",
            "$p run $r -d --name web -p 8081:80 --ip 10.88.0.50 --mac-address 02:11:22:33:44:55 bb "
            "sh -c 'echo served >/index.html; exec httpd -f -p 80 -h /' >/dev/null\n",
            "sleep 1\n$p run $r --rm bb wget -qO- http://10.88.0.50/\n",
            "$p network create --subnet 10.89.7.0/24 second >/dev/null\n",
            "$p run $r --rm --cap-add NET_RAW --network podman,second bb sh -c 'ip -o -4 addr; "
            "ping -c 1 10.88.0.1; ping -c 1 10.89.7.1'\n",
            host.rootfs(), "/bin/busybox wget -qO- http://127.0.0.1:8081/\n",
            "$p exec web ip link show eth0\n$p rm -f -t 0 web >/dev/null\n",
            "$p pod create --name pod --infra-image bb --infra-command 'sleep 1000' >/dev/null\n",
            "$p run $r -d --pod pod bb sh -c 'echo in the pod >/index.html; exec httpd -f -p 80 -h "
            "/' >/dev/null\n",
            "sleep 1\n$p run $r --rm --pod pod bb wget -qO- http://127.0.0.1/\n",
            "$p pod rm -f -t 0 pod >/dev/null\nip -o link\n"),
        0755));
    const Finished done =
        RunProgram("/usr/bin/unshare", {"unshare", "--net", "--mount", "sh", script}, "",
                   host.Environment(), std::chrono::minutes(3));
    CHECK_MESSAGE(done.status == 0, done.out, done.err);
    for (const char* part :
         {"inet 10.88.0.2/16", "default via 10.88.0.1 dev eth0", " 0% packet loss", "10.89.7.2/24",
          "served\n", "02:11:22:33:44:55", "in the pod\n", "cni-podman0"})
        CHECK_MESSAGE(Has(done.out, part), part, " in ", done.out, done.err);
    CHECK_FALSE(Has(done.out, "veth"));
}

TEST_CASE("podman does with cc-runtime what it does with runc, and cp stays off the host's files") {
    if (SkipWithout("podman")) return;
    Host host;
    const std::string base = host.directory() + "/podman";
    Engine podman = Podman(host, base);
    const auto run = [&](std::vector<std::string> more, const std::vector<std::string>& command,
                         const std::string& input = "") {
        more.insert(more.begin(), {"run", "--network", "none", "-e", "PATH=/bin"});
        more.emplace_back("bb");
        more.insert(more.end(), command.begin(), command.end());
        return podman(more, input);
    };
    Expect(run({"--rm"}, {"echo", "hello"}), 0, "hello\n");
    Expect(run({"--rm", "-i"}, {"cat"}, "through stdin"), 0, "through stdin");
    CHECK(run({"--rm"}, {"sh", "-c", "exit 7"}).status == 7);
    CHECK(run({"--rm"}, {"no-such-program"}).status == 127);
    // With all devices of the host.
    Expect(run({"--rm", "--privileged"}, {"sh", "-c", "mount -t tmpfs none /tmp && echo may"}), 0,
           "may\n");
    REQUIRE(run({"-d", "--name", "one"}, {"sleep", "1000"}).status == 0);
    Expect(podman({"exec", "one", "sh", "-c", "echo in; exit 3"}), 3, "in\n");
    // It reads /proc in the mount namespace of the pid, with all that it takes to reckon times.
    const Finished top = podman({"top", "one"});
    CHECK_MESSAGE(top.status == 0, top.err);
    CHECK(Has(top.out, "root        1           0"));
    CHECK(Has(top.out, "sleep 1000"));
    const std::string pid(Trim(podman({"inspect", "-f", "{{.State.Pid}}", "one"}).out));
    CHECK(Has(podman({"top", "one", "pid", "hpid", "args"}).out, Cat("1           ", pid)));
    // What the guest puts in the way of an engine leads to nothing of the host.
    CHECK(podman({"exec", "one", "ln", "-s", "/proc/version", "/version"}).status == 0);
    CHECK(podman({"cp", "one:/version", base + "/version"}).status != 0);
    CHECK_FALSE(Has(ReadFile(Cat("/proc/", pid, "/environ"), 65536).value(), "PATH="));
    // The same path on the host must not be touched.
    const std::string path = host.directory() + "/file";
    REQUIRE(WriteFileAtomic(path, "the host's", 0644));
    REQUIRE(WriteFileAtomic(base + "/other", "the container's", 0644));
    CHECK(podman({"exec", "one", "mkdir", "-p", host.directory()}).status == 0);
    CHECK(podman({"cp", base + "/other", "one:" + path}).status == 0);
    CHECK(ReadFile(path, 100).value() == "the host's");
    Expect(podman({"exec", "one", "cat", path}), 0, "the container's");
    CHECK(podman({"pause", "one"}).status == 0);
    CHECK(podman({"unpause", "one"}).status == 0);
    CHECK(podman({"rm", "-f", "-t", "0", "one"}).status == 0);
    // Whether memory ended it `podman inspect` does not know on cgroup version 1, nor with runc.
    CHECK(run({"--name", "hungry", "--memory", "64m"}, kHungry).status == 137);
    CHECK(podman({"rm", "hungry"}).status == 0);
    // What podman keeps mounted below its root.
    (void)podman({"rmi", "-f", "bb"});
}

TEST_CASE("the containers of podman's pods share a virtual machine") {
    if (SkipWithout("podman")) return;
    Host host;
    Engine podman = Podman(host, host.directory() + "/podman");
    const auto machines = [&] {
        return ListDirectory(host.run_directory() + "/vm").value().size();
    };
    REQUIRE(
        podman({"pod", "create", "--name", "web", "--network", "none", "--share", "ipc,net,uts,pid",
                "--infra-image", "localhost/bb", "--infra-command", "/bin/sleep 100000"})
            .status == 0);
    for (const char* name : {"a", "b"})
        REQUIRE(podman({"run", "-d", "--pod", "web", "--name", name, "-e", "PATH=/bin", "bb",
                        "sleep", "1000"})
                    .status == 0);
    CHECK(machines() == 1);
    CHECK(podman({"exec", "a", "sh", "-c", "echo hi >/dev/shm/f"}).status == 0);
    Expect(podman({"exec", "b", "sh", "-c", "cat /dev/shm/f; hostname"}), 0, "hi\nweb\n");
    // The infra container's process is the first of all.
    CHECK(podman({"exec", "b", "ps"}).out.find("1 root     /bin/sleep 100000") !=
          std::string::npos);
    const Finished top = podman({"pod", "top", "web", "args"});
    CHECK(Has(top.out, "/bin/sleep 100000"));
    CHECK(Has(top.out, "sleep 1000 \n"));
    CHECK(podman({"rm", "-f", "-t", "0", "a"}).status == 0);
    Expect(podman({"run", "--rm", "--pod", "web", "-e", "PATH=/bin", "bb", "cat", "/dev/shm/f"}), 0,
           "hi\n");
    CHECK(podman({"pod", "stop", "-t", "0", "web"}).status == 0);
    CHECK(machines() == 0);
    CHECK(podman({"pod", "start", "web"}).status == 0);
    Expect(podman({"exec", "b", "echo", "again"}), 0, "again\n");
    CHECK(podman({"pod", "rm", "-f", "-t", "0", "web"}).status == 0);
    (void)podman({"rmi", "-f", "bb"});
}

TEST_CASE("ctr runs, enters, pauses and measures a task of cc-runtime") {
    if (SkipWithout("containerd") || SkipWithout("ctr")) return;
    Host host;
    const std::string base = host.directory() + "/cd";
    REQUIRE(MakeDirectories(base, 0700));
    const std::string configuration =
        Cat("version = 2\nroot = \"", base, "/root\"\nstate = \"", base,
            "/state\"\ndisabled_plugins = [\"io.containerd.grpc.v1.cri\"]\n[grpc]\naddress = \"",
            base, "/sock\"\n[ttrpc]\naddress = \"", base, "/ttrpc\"\n");
    REQUIRE(WriteFileAtomic(base + "/config.toml", configuration, 0600));
    const Daemon daemon(host, Cat(Find("containerd"), " -c ", base, "/config.toml"));
    Engine ctr(host, "ctr", {"-a", base + "/sock"});
    REQUIRE_MESSAGE(ctr.Answers({"version"}), daemon.log());
    const auto run = [&](std::vector<std::string> options, const std::string& id,
                         const std::vector<std::string>& command) {
        options.insert(options.begin(),
                       {"run", "--runc-binary", Wrapper(host), "--env", "PATH=/bin", "--rootfs"});
        options.push_back(host.rootfs());
        options.push_back(id);
        options.insert(options.end(), command.begin(), command.end());
        return ctr(options);
    };
    Expect(run({"--rm"}, "one", {"echo", "hello"}), 0, "hello\n");
    CHECK(run({"--rm"}, "two", {"sh", "-c", "exit 9"}).status == 9);
    REQUIRE(run({"-d"}, "three", {"sleep", "1000"}).status == 0);
    Expect(ctr({"task", "exec", "--exec-id", "e", "three", "echo", "in"}), 0, "in\n");
    CHECK(Has(ctr({"task", "metrics", "three"}).out, "memory"));
    CHECK(ctr({"task", "pause", "three"}).status == 0);
    CHECK(Has(ctr({"task", "ls"}).out, "PAUSED"));
    CHECK(ctr({"task", "resume", "three"}).status == 0);
    CHECK(ctr({"task", "kill", "-s", "KILL", "three"}).status == 0);
    for (int i = 0; i < 100 && !Has(ctr({"task", "ls"}).out, "STOPPED"); ++i)
        std::this_thread::sleep_for(std::chrono::milliseconds(100));
    (void)ctr({"task", "rm", "three"});  // its status is the task's
    CHECK(ctr({"container", "rm", "three"}).status == 0);
    const Daemon events(host, Cat(Find("ctr"), " -a ", base, "/sock events"));
    CHECK(run({"--rm", "--memory-limit", "67108864"}, "four", kHungry).status == 137);
    for (int i = 0; i < 100 && !Has(events.log(), "/tasks/oom"); ++i)
        std::this_thread::sleep_for(std::chrono::milliseconds(100));
    CHECK(Has(events.log(), "/tasks/oom"));
}

TEST_CASE("containerd's CRI plugin runs a pod of cc-runtime, as a kubelet would ask it to") {
    if (SkipWithout("containerd") || SkipWithout("iptables")) return;
    if (!Exists("/usr/lib/cni/bridge") || !Exists("/usr/lib/python3/dist-packages/grpc")) {
        Skip(
            "CNI's plugins or python3-grpcio are not installed (packaging/install-deps.sh "
            "engines)");
        return;
    }
    Host host;
    const std::string base = host.directory() + "/cri";
    REQUIRE(MakeDirectories(base, 0700));
    REQUIRE(MakeDirectories(host.run_directory() + "/vm", 0700));
    const std::string configuration =
        Cat("version = 2\nroot = \"", base, "/root\"\nstate = \"", base,
            "/state\"\n[grpc]\naddress = \"", base, "/sock\"\n[ttrpc]\naddress = \"", base,
            "/ttrpc\"\n[plugins.\"io.containerd.grpc.v1.cri\"]\n",
            "sandbox_image = \"localhost/pause:latest\"\nstream_server_address = \"127.0.0.1\"\n",
            "[plugins.\"io.containerd.grpc.v1.cri\".containerd]\nsnapshotter = \"native\"\n",
            "[plugins.\"io.containerd.grpc.v1.cri\".cni]\nbin_dir = \"/usr/lib/cni\"\n");
    REQUIRE(WriteFileAtomic(base + "/config.toml", configuration, 0600));
    const Finished setup = host.Runtime(
        {"setup", "containerd", "--config", base + "/config.toml", "--runtime", Wrapper(host)});
    REQUIRE_MESSAGE(setup.status == 0, setup.err);
    const Finished done = RunProgram(
        "/usr/bin/unshare",
        {"unshare", "--net", "--mount", "/usr/bin/python3", CC_TESTS_DIR "/e2e/cri/pod.py",
         "--directory", base, "--rootfs", host.rootfs(), "--config", base + "/config.toml",
         "--machines", host.run_directory() + "/vm", "--effective-user", CC_EFFECTIVE_USER},
        "", host.Environment(), std::chrono::minutes(4));
    CHECK_MESSAGE(done.status == 0, done.out, done.err);
}

}  // namespace cc::test
