// SPDX-License-Identifier: Apache-2.0
// Pods: several containers in one VM, as Kubernetes engines make them.
#include <atomic>
#include <csignal>
#include <thread>

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/mount.h>
#include <unistd.h>

#include "base/file.h"
#include "runtime/sandbox/removal.h"
#include "tests/e2e/host.h"

namespace cc::test {

namespace {

using Edit = std::function<void(Json&)>;

// One pod: a sandbox "pod" that sleeps as a pause container does, and what else is told to join.
class Pod {
  public:
    explicit Pod(Host& host) : host_(host), shm_(host.directory() + "/shm") {
        // As containerd and Podman do it.
        REQUIRE(MakeDirectories(shm_, 0700));
        REQUIRE(::mount("shm", shm_.c_str(), "tmpfs", 0, "size=1m,mode=1777") == 0);
    }
    ~Pod() { ::umount2(shm_.c_str(), MNT_DETACH); }

    void Start() { host_.Start("pod", {"sleep", "100000"}, "", Sandbox()); }
    void Join(const std::string& id, const Edit& more = nullptr) {
        host_.Start(id, {"sleep", "100000"}, "", Member(id, more));
    }
    Edit Sandbox() const {
        return [this](Json& config) {
            config["annotations"] = {{"io.kubernetes.cri.container-type", "sandbox"},
                                     {"io.kubernetes.cri.sandbox-id", "pod"}};
            config["hostname"] = "the-pod";
            Common(config, "pod");
        };
    }
    // In the sandbox's network, ipc and uts namespaces, as containerd has it.
    Edit Member(const std::string& id, const Edit& more = nullptr) {
        pid_ = host_.State("pod")["pid"].get<pid_t>();
        return [this, id, more](Json& config) {
            config["annotations"] = {{"io.kubernetes.cri.container-type", "container"},
                                     {"io.kubernetes.cri.sandbox-id", "pod"}};
            config.erase("hostname");
            for (const char* type : {"network", "ipc", "uts"})
                Share(config, type);
            Common(config, id);
            if (more) more(config);
        };
    }
    // With the sandbox's pid namespace, too (shareProcessNamespace).
    Edit SharedPids() const {
        return [this](Json& config) { Share(config, "pid"); };
    }
    // What a command in a container says.
    std::string Ask(const std::string& id, const std::string& script) {
        const Finished run = host_.Runtime({"exec", id, "sh", "-c", script});
        CHECK_MESSAGE(run.status == 0, run.err);
        return run.out;
    }
    std::string Namespace(const std::string& id, const std::string& type) {
        return Ask(id, "readlink /proc/self/ns/" + type);
    }
    size_t Count(const std::string& name) const {
        size_t count = 0;
        for (const auto& process : host_.Processes())
            count += process.name.starts_with(name) ? 1 : 0;
        return count;
    }
    // All of them, the sandbox last.
    void Delete(const std::vector<std::string>& ids) {
        for (const auto& id : ids) {
            const Finished removed = host_.Runtime({"delete", "--force", id});
            CHECK_MESSAGE(removed.status == 0, removed.err);
        }
        ::umount2(shm_.c_str(), MNT_DETACH);
        host_.CheckNoResidue();
    }
    // Nothing but the sandbox itself is there, and it is well.
    void CheckAloneAndWell() {
        CHECK(ListDirectory(host_.root() + "/containers").value() ==
              std::vector<std::string>{"pod"});
        CHECK(Count("cc-shim") == 1);
        CHECK(Count("qemu") == 1);
        CHECK(VmMounts().find("/share/pod/rootfs") != std::string::npos);
        for (const auto& line : Split(VmMounts(), '\n'))
            CHECK_MESSAGE(line.find("/share/c/") == std::string::npos, line);
        CHECK(Ask("pod", "echo well") == "well\n");
    }
    std::string VmMounts() const {
        for (const auto& process : host_.Processes())
            if (process.name.starts_with("qemu"))
                return ReadFile(Cat("/proc/", process.pid, "/mountinfo"), 1 << 20).value_or("");
        return {};
    }

  private:
    void Share(Json& config, const std::string& type) const {
        for (auto& entry : config["linux"]["namespaces"])
            if (entry["type"] == type)
                entry["path"] =
                    Cat("/proc/", pid_, "/ns/", type == "network" ? std::string("net") : type);
    }
    void Common(Json& config, const std::string& id) const {
        config["linux"]["cgroupsPath"] = Cat("/", Tag(host_), "/", id);
        for (auto& mount : config["mounts"])
            if (mount["destination"] == "/dev/shm")
                mount = {{"destination", "/dev/shm"},
                         {"type", "bind"},
                         {"source", shm_},
                         {"options", {"rbind", "rw"}}};
    }

    Host& host_;
    std::string shm_;
    pid_t pid_ = 0;  // of the sandbox
};

void CheckOneClearLine(const Finished& run, const std::string& part) {
    CHECK(run.status == 1);
    CHECK_MESSAGE(Split(std::string(Trim(run.err)), '\n').size() == 1, run.err);
    CHECK_MESSAGE(run.err.find(part) != std::string::npos, run.err);
}

std::vector<std::string> JoinSteps(Host& host) {
    const Finished steps = host.Runtime({"create", "--list-join-steps"});
    REQUIRE_MESSAGE(steps.status == 0, steps.err);
    const auto names = Split(std::string(Trim(steps.out)), '\n');
    REQUIRE(names.size() >= 6);
    return names;
}

// The shim keeps the caller's output open, so it must be a file.
Finished CreateQuietly(Host& host, std::vector<std::string> options) {
    options.insert(options.begin(), "create");
    return RunProgram("/bin/sh",
                      {"sh", "-c",
                       Cat("exec ", CC_BIN_DIR, "/", Join(host.RuntimeArguments(options), " "),
                           " </dev/null >/dev/null 2>&1")},
                      "", host.Environment());
}

}  // namespace

TEST_CASE("the containers of a pod share its VM, network, ipc, host name and memory, and no more") {
    Host host;
    Pod pod(host);
    pod.Start();
    pod.Join("a");
    pod.Join("b", pod.SharedPids());
    CHECK(pod.Count("cc-vmm") == 1);
    CHECK(pod.Count("qemu") == 1);
    CHECK(pod.Count("cc-shim") == 3);
    CHECK(pod.VmMounts().find("/share/a/rootfs") != std::string::npos);
    CHECK(host.Runtime({"list", "--quiet"}).out == "a\nb\npod\n");
    CHECK(host.State("a")["pid"] != host.State("pod")["pid"]);

    for (const std::string type : {"net", "ipc", "uts"}) {
        CHECK(pod.Namespace("a", type) == pod.Namespace("pod", type));
        CHECK(pod.Namespace("b", type) == pod.Namespace("pod", type));
    }
    CHECK(pod.Namespace("a", "mnt") != pod.Namespace("b", "mnt"));
    CHECK(pod.Namespace("a", "pid") != pod.Namespace("pod", "pid"));
    CHECK(pod.Namespace("b", "pid") == pod.Namespace("pod", "pid"));
    CHECK(pod.Ask("a", "hostname") == "the-pod\n");
    pod.Ask("a", "echo shared >/dev/shm/f; echo own >/dev/g");
    CHECK(pod.Ask("b", "cat /dev/shm/f; ls /dev/g 2>/dev/null || echo none") == "shared\nnone\n");
    CHECK(pod.Ask("pod", "cat /dev/shm/f; df -k /dev/shm | grep -c ' 1024 '") == "shared\n1\n");
    // Nothing of it came to the host.
    CHECK(ListDirectory(host.directory() + "/shm").value().empty());
    // ps of one container shows its processes only.
    const std::string table = host.Runtime({"ps", "a"}).out;
    CHECK_MESSAGE(Split(std::string(Trim(table)), '\n').size() == 2, table);
    CHECK(host.Runtime({"events", "--stats", "b"}).out.find("\"id\":\"b\"") != std::string::npos);
    pod.Delete({"a", "b", "pod"});
}

TEST_CASE("a container of a pod is killed, deleted and made again, and the others do not notice") {
    Host host;
    Pod pod(host);
    pod.Start();
    pod.Join("c");
    pod.Join("d", pod.SharedPids());
    for (int round = 0; round < 2; ++round) {
        CHECK(host.Runtime({"kill", "c", "KILL"}).status == 0);
        CHECK(host.WaitStatus("c", "stopped"));
        CHECK(host.State("d")["status"] == "running");
        CHECK(host.Runtime({"delete", "c"}).status == 0);
        CHECK(host.Runtime({"state", "c"}).status == 1);
        CHECK(pod.VmMounts().find("/share/c/") == std::string::npos);
        CHECK_FALSE(Exists(Cat("/sys/fs/cgroup/pids/", Tag(host), "/c")));
        CHECK(pod.Ask("d", "echo here") == "here\n");
        pod.Join("c");
        CHECK(pod.Ask("c", "ls -d /bin") == "/bin\n");
    }
    // One that runs, and one that was only created.
    CHECK(host.Runtime({"delete", "c"}).status == 1);
    CHECK(host.Runtime({"delete", "--force", "c"}).status == 0);
    CHECK(host.Runtime({"delete", "--force", "d"}).status == 0);
    const std::string bundle = host.Bundle("c", {"sleep", "1000"}, pod.Member("c"));
    CHECK(CreateQuietly(host, {"--bundle", bundle, "c"}).status == 0);
    CHECK(host.State("c")["status"] == "created");
    CHECK(host.Runtime({"delete", "c"}).status == 0);
    pod.CheckAloneAndWell();
    pod.Delete({"pod"});
}

TEST_CASE("the death of a pod's VM stops all its containers, and each can be deleted") {
    Host host;
    Pod pod(host);
    pod.Start();
    pod.Join("a");
    const std::string bundle = host.Bundle("b", {"sleep", "1000"}, pod.Member("b"));
    Finished run;
    std::thread waiting([&] { run = host.Runtime({"run", "--keep", "--bundle", bundle, "b"}); });
    for (int i = 0; i < 300 && host.Runtime({"exec", "b", "true"}).status != 0; ++i)
        ::usleep(100000);
    CHECK(host.Kill(kVmm, SIGKILL));
    waiting.join();
    CHECK(run.status == kKilled);
    for (const char* id : {"pod", "a", "b"})
        CHECK(host.WaitStatus(id, "stopped"));
    const std::string late = host.Bundle("late", {"true"}, [&](Json& config) {
        pod.Member("late")(config);
        // The sandbox's shim has gone, and its namespaces with it.
        for (auto& entry : config["linux"]["namespaces"])
            if (entry["type"] == "network") entry["path"] = "/proc/self/ns/net";
    });
    CheckOneClearLine(host.Runtime({"run", "--bundle", late, "late"}), "virtual machine has ended");
    for (const char* id : {"a", "pod", "b"}) {
        const Finished removed = host.Runtime({"delete", id});
        CHECK_MESSAGE(removed.status == 0, removed.err);
    }
    pod.Delete({});
}

TEST_CASE("a sandbox with running containers goes by force only, and takes its VM with it") {
    Host host;
    Pod pod(host);
    pod.Start();
    pod.Join("a");
    pod.Join("b");
    // Its own container's end is not the others'.
    CHECK(host.Runtime({"kill", "pod", "KILL"}).status == 0);
    CHECK(host.WaitStatus("pod", "stopped"));
    CHECK(pod.Ask("a", "echo here") == "here\n");
    const std::string late = host.Bundle("late", {"true"}, [&](Json& config) {
        pod.Member("late")(config);
        for (auto& entry : config["linux"]["namespaces"])
            if (entry["type"] == "network") entry["path"] = "/proc/self/ns/net";
    });
    CheckOneClearLine(host.Runtime({"run", "--bundle", late, "late"}), "own container has ended");
    CheckOneClearLine(host.Runtime({"delete", "pod"}), "not stopped: a, b");
    CHECK(host.Runtime({"delete", "--force", "pod"}).status == 0);
    CHECK(pod.Count("qemu") == 0);
    for (const char* id : {"a", "b"})
        CHECK(host.WaitStatus(id, "stopped"));
    // The name of the sandbox is free when the last of it has gone.
    CheckOneClearLine(host.Run("pod", {"true"}), "sandbox with given ID already exists");
    CHECK(host.Runtime({"delete", "b"}).status == 0);
    CHECK(host.Runtime({"delete", "a"}).status == 0);
    pod.Delete({});
}

TEST_CASE("a container that cannot join says why, and nothing is left of it") {
    Host host;
    Pod pod(host);
    pod.Start();
    const auto join = [&](const Edit& more) {
        return host.Runtime(
            {"run", "--bundle", host.Bundle("c", {"true"}, pod.Member("c", more)), "c"});
    };
    CheckOneClearLine(
        join([](Json& config) { config["annotations"]["io.kubernetes.cri.sandbox-id"] = "none"; }),
        "sandbox \"none\" does not exist");
    CheckOneClearLine(
        join([](Json& config) { config["annotations"].erase("io.kubernetes.cri.sandbox-id"); }),
        "names the sandbox");
    CheckOneClearLine(join([](Json& config) {
                          for (auto& entry : config["linux"]["namespaces"])
                              entry.erase("path");
                      }),
                      "network of its own");
    CheckOneClearLine(join([](Json& config) { config["process"]["args"] = {"no-such-program"}; }),
                      "not found");
    pod.CheckAloneAndWell();
    pod.Delete({"pod"});
}

TEST_CASE("a failure after any step of joining leaves the sandbox as it was") {
    Host host;
    Pod pod(host);
    pod.Start();
    const std::string bundle = host.Bundle("c", {"true"}, pod.Member("c"));
    for (const auto& step : JoinSteps(host)) {
        CAPTURE(step);
        CheckOneClearLine(host.Runtime({"run", "--fail-after", step, "--bundle", bundle, "c"}),
                          step);
        pod.CheckAloneAndWell();
    }
    CHECK(host.Runtime({"run", "--bundle", bundle, "c"}).status == 0);
    pod.CheckAloneAndWell();
    pod.Delete({"pod"});
}

TEST_CASE(
    "a joining create that is killed after any step leaves nothing that delete does not remove") {
    Host host;
    Pod pod(host);
    pod.Start();
    const std::string bundle = host.Bundle("c", {"true"}, pod.Member("c"));
    for (const auto& step : JoinSteps(host)) {
        CAPTURE(step);
        CHECK(CreateQuietly(host, {"--kill-after", step, "--bundle", bundle, "c"}).status ==
              kKilled);
        const Finished removed = host.Runtime({"delete", "--force", "c"});
        CHECK_MESSAGE(removed.status == 0, removed.err);
        for (int i = 0; i < 40 && pod.Count("cc-shim") > 1; ++i)
            ::usleep(50000);
        pod.CheckAloneAndWell();
    }
    CHECK(host.Runtime({"run", "--bundle", bundle, "c"}).status == 0);
    pod.Delete({"pod"});
}

TEST_CASE("a delete in a pod that is killed after any step is completed by the next one") {
    Host host;
    Pod pod(host);
    pod.Start();
    for (const auto step : runtime::kRemovalSteps) {
        CAPTURE(std::string(step));
        pod.Join("c");
        CHECK(host.Runtime({"delete", "--force", "--kill-after", std::string(step), "c"}).status ==
              kKilled);
        CHECK(host.Runtime({"delete", "--force", "c"}).status == 0);
        pod.CheckAloneAndWell();
    }
    pod.Join("c");
    CHECK(host.Runtime({"delete", "--force", "--kill-after", "vm", "pod"}).status == kKilled);
    CHECK(host.Runtime({"delete", "c"}).status == 0);
    pod.Delete({"pod"});
}

TEST_CASE("commands that meet in one sandbox wait for one another") {
    Host host;
    Pod pod(host);
    pod.Start();
    std::vector<std::string> bundles;
    for (int i = 0; i < 4; ++i)
        bundles.push_back(host.Bundle(Cat("m", i), {"true"}, pod.Member(Cat("m", i))));
    std::atomic<int> good = 0;
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i)
        threads.emplace_back([&, i] {
            for (int round = 0; round < 3; ++round) {
                const Finished run =
                    host.Runtime({"run", "--bundle", bundles[static_cast<size_t>(i)], Cat("m", i)});
                CHECK_MESSAGE(run.status == 0, run.err);
                good += run.status == 0 ? 1 : 0;
            }
        });
    for (auto& thread : threads)
        thread.join();
    CHECK(good == 12);
    pod.CheckAloneAndWell();
    // A join that meets the sandbox's end either came before it or is told.
    std::thread deletion([&] { CHECK(host.Runtime({"delete", "--force", "pod"}).status == 0); });
    const Finished late = host.Runtime({"run", "--bundle", bundles[0], "m0"});
    deletion.join();
    CHECK_MESSAGE((late.status == 0 || late.status == 1 || late.status == kKilled), late.err);
    pod.Delete({"m0"});
}

TEST_CASE("a pod's VM grows with the limits of those that join it, and keeps its size") {
    Host host;
    Pod pod(host);
    pod.Start();
    const auto memory = [&] {  // MiB
        const auto kib = Trim(pod.Ask("pod", "awk '/MemTotal/ {print $2}' /proc/meminfo"));
        return ParseNumber<int64_t>(kib).value_or(0) / 1024;
    };
    const auto with = [](int64_t mib, int64_t cpus) -> Edit {
        return [mib, cpus](Json& config) {
            config["linux"]["resources"]["memory"] = {{"limit", mib << 20}};
            config["linux"]["resources"]["cpu"] = {{"quota", cpus * 100000}, {"period", 100000}};
        };
    };
    const std::string processors = ::sysconf(_SC_NPROCESSORS_ONLN) > 1 ? "2\n" : "1\n";
    CHECK(memory() < 128);
    pod.Join("small", with(100, 1));
    const int64_t with_small = memory();
    CHECK(with_small > 128);
    CHECK(with_small < 256);
    CHECK(pod.Ask("small", "nproc") == "1\n");
    // From the first moment on.
    const std::string bundle =
        host.Bundle("large", {"sh", "-c", "nproc; awk '/MemTotal/ {print $2}' /proc/meminfo"},
                    pod.Member("large", with(256, 2)));
    const Finished first = host.Runtime({"run", "--bundle", bundle, "large"});
    CHECK_MESSAGE(first.out.starts_with(processors), first.out, first.err);
    const int64_t with_large = memory();
    CHECK(with_large >= 100 + 256);
    CHECK(ParseNumber<int64_t>(Trim(Split(first.out, '\n')[1])).value_or(0) / 1024 == with_large);
    // What has gone has left its room to the next one, and no slot of the machine is used for it.
    for (int i = 0; i < 8; ++i)
        CHECK(host.Runtime({"run", "--bundle", bundle, "large"}).out == first.out);
    CHECK(memory() == with_large);
    const std::string vm = Cat("/sys/fs/cgroup/memory/", Tag(host));
    for (const auto& name : ListDirectory(vm).value_or(std::vector<std::string>()))
        if (name.starts_with("cc-vm-")) {
            const auto most = ReadFile(Cat(vm, "/", name, "/memory.limit_in_bytes"), 100);
            CHECK(ParseNumber<int64_t>(Trim(most.value())).value_or(0) >= with_large << 20);
        }
    // So does an update; one that cannot be had says so and changes nothing.
    const Finished update = host.Runtime({"update", "--memory", "640m", "small"});
    CHECK_MESSAGE(update.status == 0, update.err);
    for (int i = 0; i < 100 && memory() <= with_large; ++i)
        ::usleep(100000);
    CHECK(memory() > 640);
    CHECK(host.Runtime({"update", "--memory", "9g", "small"}).status == 1);
    pod.Delete({"small", "pod"});
}

TEST_CASE("a container whose limit is above what its pod's VM can get runs, with a warning") {
    Host host;
    Pod pod(host);
    pod.Start();
    const std::string bundle =
        host.Bundle("huge", {"echo", "runs"}, pod.Member("huge", [](Json& config) {
            config["linux"]["resources"]["memory"] = {{"limit", int64_t{5} << 30}};
        }));
    const std::string log = host.directory() + "/log";
    const Finished run = host.Runtime({"--log", log, "run", "--bundle", bundle, "huge"});
    CHECK_MESSAGE(run.status == 0, run.err);
    CHECK(run.out == "runs\n");
    const std::string said = ReadFile(log, 1 << 20).value();
    CHECK_MESSAGE(said.find("does not grow by all") != std::string::npos, said);
    // Its other limits can be changed all the same.
    pod.Join("huge", [](Json& config) {
        config["linux"]["resources"]["memory"] = {{"limit", int64_t{9} << 30}};
    });
    CHECK(host.Runtime({"update", "--pids-limit", "50", "huge"}).status == 0);
    pod.Delete({"huge", "pod"});
}

TEST_CASE("pause, update and limits are of one container, and the VM lies beside them") {
    Host host;
    Pod pod(host);
    pod.Start();
    pod.Join("a", [](Json& config) {
        config["linux"]["resources"] = {{"pids", {{"limit", 50}}}, {"cpu", {{"shares", 700}}}};
    });
    CHECK(host.Runtime({"pause", "pod"}).status == 0);
    CHECK(host.State("pod")["status"] == "paused");
    CHECK(pod.Ask("a", "echo here") == "here\n");
    pod.Join("b");
    CHECK(host.Runtime({"pause", "a"}).status == 0);
    CHECK(host.Runtime({"exec", "a", "true"}).status == 255);
    CHECK(pod.Ask("b", "echo here") == "here\n");
    CHECK(host.Runtime({"resume", "a"}).status == 0);
    CHECK(host.Runtime({"resume", "pod"}).status == 0);
    CHECK(host.Runtime({"update", "--pids-limit", "30", "--cpu-shares", "800", "a"}).status == 0);
    CHECK(pod.Ask("a", "cat /sys/fs/cgroup/pids.max 2>/dev/null || echo unmounted") != "");
    const std::string cpu = Cat("/sys/fs/cgroup/cpu/", Tag(host));
    if (Exists(cpu + "/a/cpu.shares")) {
        CHECK(Trim(ReadFile(cpu + "/a/cpu.shares", 100).value()) == "800");
        // The VM of a pod has the limits of the directory it lies in, not those of a container.
        const auto names = ListDirectory(cpu).value();
        for (const auto& name : names)
            if (name.starts_with("cc-vm-"))
                CHECK(Trim(ReadFile(Cat(cpu, "/", name, "/cpu.shares"), 100).value()) == "1024");
    }
    pod.Delete({"a", "b", "pod"});
}

}  // namespace cc::test
