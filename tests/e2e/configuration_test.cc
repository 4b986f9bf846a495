// SPDX-License-Identifier: Apache-2.0
// What a configuration asks for, carried out by the guest's kernel.
#include <doctest/doctest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "tests/e2e/host.h"

namespace cc::test {

namespace {

// As Docker writes it for --privileged, as far as the guest is concerned.
void MakePrivileged(Json& config) {
    const Json all = {"CAP_CHOWN",     "CAP_DAC_OVERRIDE", "CAP_FOWNER",    "CAP_KILL",
                      "CAP_SETGID",    "CAP_SETUID",       "CAP_MKNOD",     "CAP_SYS_ADMIN",
                      "CAP_NET_ADMIN", "CAP_SYS_RESOURCE", "CAP_SYS_CHROOT"};
    for (const char* set : {"bounding", "effective", "permitted"})
        config["process"]["capabilities"][set] = all;
    config["process"]["noNewPrivileges"] = false;
    config["linux"]["resources"]["devices"] = {{{"allow", true}, {"access", "rwm"}}};
    config["mounts"].push_back({{"destination", "/sys/fs/cgroup"},
                                {"type", "cgroup"},
                                {"source", "cgroup"},
                                {"options", {"rw", "nosuid", "nodev", "noexec"}}});
}

}  // namespace

TEST_CASE("limits of a configuration hold in the guest, and its devices are those allowed") {
    Host host;
    const Finished run = host.Run(
        "c1",
        {"sh", "-c",
         "cd /sys/fs/cgroup; cat memory.max pids.max cpu.max cpu.weight memory.high memory.low;"
         "mknod /dev/node c 1 11 && (: </dev/node) || echo denied; head -c 1 /dev/zero | wc -c;"
         "cat /proc/self/oom_score_adj; cut -d' ' -f19 /proc/self/stat; cat "
         "/proc/self/timens_offsets | tr -s ' '"},
        "", [](Json& config) {
            MakePrivileged(config);
            config["process"]["oomScoreAdj"] = -500;
            config["process"]["scheduler"] = {{"policy", "SCHED_OTHER"}, {"nice", -3}};
            config["linux"]["namespaces"].push_back({{"type", "time"}});
            config["linux"]["timeOffsets"]["boottime"] = {{"secs", 77}};
            config["linux"]["resources"] = Json::parse(R"({
                "memory":{"limit":67108864,"swap":134217728,"reservation":33554432},
                "pids":{"limit":50},"cpu":{"quota":50000,"period":100000,"shares":2048,"cpus":"0-63"},
                "unified":{"memory.high":"50331648"},
                "devices":[{"allow":false,"access":"rwm"}]})");
        });
    CHECK_MESSAGE(run.status == 0, run.err);
    CHECK(run.out ==
          "67108864\n50\n50000 100000\n174\n50331648\n33554432\ndenied\n1\n-500\n-3\n"
          "monotonic 0 0\nboottime 77 0\n");
}

TEST_CASE("a privileged container rules its virtual machine, and nothing of the host") {
    Host host;
    const std::string before = ReadFile("/proc/sys/vm/overcommit_memory", 8).value();
    const Finished run = host.Run(
        "c1",
        {"sh", "-c",
         "mknod /dev/kmsg c 1 11 && (: </dev/kmsg) && echo opened; mkdir /sys/fs/cgroup/mine && "
         "echo divided; mount -t tmpfs tmpfs /tmp && echo mounted; echo 2 >/proc/sys/vm/"
         "overcommit_memory && echo tuned; ls /sys/class/block /dev/kvm /dev/vda; uname -r"},
        "", MakePrivileged);
    CHECK(run.out.find("opened\ndivided\nmounted\ntuned\n") == 0);
    CHECK(run.out.find("6.1.") != std::string::npos);
    CHECK(ReadFile("/proc/sys/vm/overcommit_memory", 8).value() == before);
    CHECK_FALSE(Exists("/sys/fs/cgroup/mine"));
}

TEST_CASE("a user namespace maps the ids of the guest, whose files are the host's") {
    Host host;
    constexpr uid_t kBase = 100000;
    REQUIRE(::chown(host.rootfs().c_str(), kBase, kBase) == 0);
    const auto edit = [](Json& config) {
        config["linux"]["namespaces"].push_back({{"type", "user"}});
        for (const char* map : {"uidMappings", "gidMappings"})
            config["linux"][map] =
                Json::parse(R"([{"containerID":0,"hostID":100000,"size":65536}])");
    };
    const Finished run = host.Run("c1",
                                  {"sh", "-c",
                                   "id -u; tr -s ' ' </proc/self/uid_map; echo x >/made; stat -c "
                                   "'%u %g %a' /made /dev/null; hostname n && hostname; ls -d "
                                   "/sys/kernel; echo y >/dev/stderr"},
                                  "", edit);
    CHECK_MESSAGE(run.status == 0, run.err);
    CHECK(run.out == "0\n 0 100000 65536\n0 0 644\n0 0 666\n/sys/kernel\n");
    CHECK(run.err.ends_with("y\n"));
    struct stat status {};
    REQUIRE(::stat((host.rootfs() + "/made").c_str(), &status) == 0);
    CHECK(status.st_uid == kBase);
}

TEST_CASE("a container without a /dev of its own still has the default devices") {
    Host host;
    const auto edit = [](Json& config) {
        config["mounts"] =
            Json::parse(R"([{"destination":"/proc","type":"proc","source":"proc"}])");
    };
    // The second one finds the places that were made for the devices of the first.
    for (const std::string id : {"c1", "c2"}) {
        const Finished run = host.Run(id,
                                      {"sh", "-c",
                                       "head -c 3 /dev/zero | wc -c; echo x >/dev/null && echo "
                                       "null; stat -c %t:%T /dev/urandom; readlink /dev/fd"},
                                      "", edit);
        CHECK_MESSAGE(run.status == 0, run.err);
        CHECK(run.out == "3\nnull\n1:9\n/proc/self/fd\n");
    }
}

TEST_CASE("what a container wrote is on the host when its exit code is") {
    Host host;
    const Finished run = host.Run(
        "c1", {"sh", "-c", "head -c 3000000 /dev/zero >/big; cp /bin/busybox /copy; exit 9"});
    CHECK(run.status == 9);
    struct stat status {};
    REQUIRE(::stat((host.rootfs() + "/big").c_str(), &status) == 0);
    CHECK(status.st_size == 3000000);
    CHECK(Sha256(ReadFile(host.rootfs() + "/copy", 16 << 20).value()) ==
          Sha256(ReadFile("/bin/busybox", 16 << 20).value()));
}

}  // namespace cc::test
