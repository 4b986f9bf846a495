// SPDX-License-Identifier: Apache-2.0
// The cgroups of a container on the host.
#include <algorithm>

#include <doctest/doctest.h>
#include <unistd.h>

#include "base/file.h"
#include "tests/e2e/host.h"
#include "tests/e2e/templates.h"

namespace cc::test {

namespace {

const std::string kMount = "/sys/fs/cgroup/";

bool HasV1() {
    return Exists(kMount + "memory/memory.limit_in_bytes") && Exists(kMount + "pids/cgroup.procs");
}

std::string Value(const std::string& controller, const std::string& leaf, const std::string& file) {
    return std::string(
        Trim(ReadFile(Cat(kMount, controller, "/", leaf, "/", file), 65536).value_or("missing")));
}

std::string VmLeaf(const std::string& controller, const std::string& parent) {
    const auto entries = ListDirectory(Cat(kMount, controller, "/", parent));
    if (entries)
        for (const auto& entry : *entries)
            if (entry.starts_with("cc-vm-")) return Cat(parent, "/", entry);
    return "none";
}

}  // namespace

TEST_CASE("limits read back from the container's cgroup, and small ones do not touch the VM") {
    if (!HasV1()) return Skip("the memory and pids controllers are not mounted as cgroup v1");
    Host host;
    const std::string tag = host.directory().substr(host.directory().rfind('/') + 1);
    host.Start("c1", {"sleep", "1000"}, "", [&](Json& config) {
        config["linux"]["cgroupsPath"] = "/" + tag + "/c1";
        config["linux"]["resources"] = {{"memory", {{"limit", 64 << 20}}},
                                        {"pids", {{"limit", 2}}},
                                        {"cpu", {{"shares", 512}, {"quota", 90000}}}};
    });
    const std::string leaf = tag + "/c1";
    const std::string pid = Cat(host.State("c1")["pid"].get<pid_t>());
    CHECK(Value("memory", leaf, "cgroup.procs") == pid);
    CHECK(Value("memory", leaf, "memory.limit_in_bytes") == Cat(64 << 20));
    CHECK(Value("pids", leaf, "pids.max") == "2");
    CHECK(Value("cpu", leaf, "cpu.shares") == "512");
    CHECK(Value("cpu", leaf, "cpu.cfs_quota_us") == "90000");
    const auto processes = Split(Value("pids", VmLeaf("pids", tag), "cgroup.procs"), '\n');
    CHECK(processes.size() == 2);
    CHECK(std::find(processes.begin(), processes.end(), Cat(host.PidOf("cc-vmm"))) !=
          processes.end());
    CHECK(Value("pids", VmLeaf("pids", tag), "pids.max") == "max");
    // Processors and memory are counted as the container's, but of memory it has a limit.
    const std::string keeper = Cat(host.PidOf("cc-vmm"));
    CHECK(Has(Value("cpu", VmLeaf("cpu", leaf), "cgroup.procs"), keeper));
    CHECK(VmLeaf("cpu", tag) == "none");
    CHECK(VmLeaf("memory", leaf) == "none");
    CHECK(ParseNumber<int64_t>(Value("memory", VmLeaf("memory", tag), "memory.limit_in_bytes"))
              .value_or(0) > (64 << 20));
    // Shims of exec do not crowd the container's cgroup.
    CHECK(host.Runtime({"exec", "c1", "true"}).status == 0);
    CHECK(host.Runtime({"delete", "--force", "c1"}).status == 0);
    host.CheckNoResidue();
}

TEST_CASE(
    "without a limit the VM's memory counts as the container's, and one that comes later is the "
    "guest's") {
    if (!HasV1()) return Skip("the memory controller is not mounted as cgroup v1");
    // 0: the usual size.
    Host host = Host::WithTemplates(kNoPool, "default_memory = 0");
    const std::string tag = host.directory().substr(host.directory().rfind('/') + 1);
    host.Start("c1", {"sleep", "1000"}, "",
               [&](Json& config) { config["linux"]["cgroupsPath"] = "/" + tag + "/c1"; });
    const std::string leaf = tag + "/c1";
    const auto number = [&](const char* controller, const char* file) {
        return ParseNumber<int64_t>(Value(controller, leaf, file)).value_or(0);
    };
    constexpr int64_t kBig = 150 << 20;  // more than a VM had once, and than its limit below
    CHECK(host.Runtime({"exec", "c1", "sh", "-c",
                        Cat("dd if=/dev/zero of=/dev/null bs=", kBig, " count=1 2>/dev/null")})
              .status == 0);
    CHECK(number("memory", "memory.usage_in_bytes") > kBig);
    CHECK(number("cpuacct", "cpuacct.usage") > 100'000'000);
    const Finished updated = host.Runtime({"update", "--memory", "64m", "c1"});
    CHECK_MESSAGE(updated.status == 0, updated.err);
    CHECK(number("memory", "memory.limit_in_bytes") > kBig);
    CHECK(host.Runtime({"exec", "c1", "sh", "-c", "dd if=/dev/zero of=/dev/null bs=100M count=1"})
              .status == 137);
    CHECK(host.Runtime({"delete", "--force", "c1"}).status == 0);
    CHECK_FALSE(Exists(Cat(kMount, "memory/", tag)));
}

TEST_CASE("a VM is made large enough for the container's memory limit") {
    Host host;
    const std::string program = "head -c 200000000 /dev/zero >/dev/shm/big && wc -c </dev/shm/big";
    const Finished run = host.Run("c1", {"sh", "-c", program}, "", [](Json& config) {
        for (auto& mount : config["mounts"])
            if (mount["destination"] == "/dev/shm") mount["options"] = {"size=300m"};
        config["linux"]["resources"] = {{"memory", {{"limit", 256 << 20}}}};
    });
    CHECK_MESSAGE(run.status == 0, run.err);
    CHECK(run.out == "200000000\n");
}

TEST_CASE("cgroups that were there before stay, with their limits") {
    if (!HasV1()) return Skip("the memory controller is not mounted as cgroup v1");
    Host host;
    const std::string name = Cat("cc-kept-", ::getpid());
    const std::string kept = Cat(kMount, "memory/", name);
    REQUIRE(MakeDirectories(kept, 0755));
    const Finished run = host.Run("c1", {"true"}, "", [&](Json& config) {
        config["linux"]["cgroupsPath"] = "/" + name + "/c1";
    });
    CHECK_MESSAGE(run.status == 0, run.err);
    CHECK(Exists(kept));
    CHECK_FALSE(Exists(kept + "/c1"));
    CHECK_FALSE(Exists(Cat(kMount, "pids/", name)));
    CHECK(::rmdir(kept.c_str()) == 0);
}

TEST_CASE("with --systemd-cgroup the shim and the VM have scopes, which go with the container") {
    Host host;
    const std::string tag = host.directory().substr(host.directory().rfind('/') + 1);
    const std::string bundle = host.Bundle("c1", {"sleep", "1000"}, [&](Json& config) {
        config["linux"]["cgroupsPath"] = "system.slice:cc-test:" + tag;
    });
    // The shim keeps the caller's stdio.
    const std::string command = Join(
        host.RuntimeArguments({"--systemd-cgroup", "run", "-d", "--bundle", bundle, "c1"}), " ");
    Finished run = RunProgram("/bin/sh",
                              {"sh", "-c",
                               Cat("exec ", CC_BIN_DIR, "/", command, " </dev/null >/dev/null 2>",
                                   host.directory(), "/err")},
                              "", host.Environment());
    run.err = ReadFile(host.directory() + "/err", 10000).value();
    if (!Exists("/run/systemd/private") && !Exists("/run/dbus/system_bus_socket")) {
        CHECK(run.status == 1);
        CHECK(run.err.find("--systemd-cgroup: systemd is not reachable: ") != std::string::npos);
        CHECK(run.err.find("/run/systemd/private") != std::string::npos);
        CHECK(run.err.find("native.cgroupdriver=cgroupfs") != std::string::npos);
        return Skip("systemd does not run on this machine: no scopes of it");
    }
    REQUIRE_MESSAGE(run.status == 0, run.err);
    const auto cgroup = [](pid_t pid) {
        return ReadFile(Cat("/proc/", pid, "/cgroup"), 65536).value();
    };
    CHECK(cgroup(host.PidOf("cc-shim")).find("/system.slice/cc-test-" + tag + ".scope") !=
          std::string::npos);
    // In a scope of its own, or in the container's.
    CHECK(Has(cgroup(host.PidOf("cc-vmm")), "/cc-vm-"));
    CHECK(host.Runtime({"update", "--pids-limit", "50", "c1"}).status == 0);
    CHECK(host.Runtime({"delete", "--force", "c1"}).status == 0);
}

}  // namespace cc::test
