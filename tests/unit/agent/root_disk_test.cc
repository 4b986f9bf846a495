// SPDX-License-Identifier: Apache-2.0
// A root file system on a block device with the real agent, by 3.0's fields and by ours; a loop
// device of this host stands for the machine's disk.
#include <csignal>

#include <doctest/doctest.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/text.h"
#include "tests/scratch.h"
#include "tests/unit/agent/host_side.h"
#include "tests/unit/agent/messages.h"

namespace cc::agent {

namespace {

std::string Say(const std::string& command) {
    FILE* pipe = ::popen(command.c_str(), "r");
    REQUIRE(pipe != nullptr);
    std::string said;
    char buffer[256];
    while (::fgets(buffer, sizeof buffer, pipe) != nullptr)
        said += buffer;
    ::pclose(pipe);
    return std::string(Trim(said));
}

// With the tree that the share has, in the directory "rootfs" of its file system.
struct LoopDisk {
    test::Scratch scratch;
    std::string name;  // "loop3"; empty: this host gives none

    explicit LoopDisk(const std::string& tree) {
        const std::string file = scratch / "disk";
        name = Say(Cat("mkfs.ext4 -q -d ", tree, " ", file, " 16M && losetup --find --show ", file,
                       " 2>/dev/null"));
        if (name.empty())
            std::printf("SKIPPED: this host gives no loop device\n");
        else
            name = name.substr(name.rfind('/') + 1);
    }
    ~LoopDisk() {
        if (!name.empty()) CHECK(Say(Cat("losetup -d /dev/", name, " 2>&1")).empty());
    }
    bool InUse() const {
        const Fd claimed =
            Fd::Adopt(::open(("/dev/" + name).c_str(), O_RDONLY | O_EXCL | O_CLOEXEC));
        return !claimed;
    }
};

std::string Message(const std::string& id, const AgentProcess& process, const std::string& image,
                    const std::string& oci = "") {
    NewContainer message;
    message.id = id;
    message.image = image;
    message.rootfs = "rootfs";
    message.fs_type = "ext4";
    message.process = process;
    message.oci = oci;
    if (!oci.empty()) message.root_options = {"ro", "noatime"};
    return Encode(message);
}

constexpr const char* kShowRoot = "grep ' / ' /proc/mounts; echo x > /x";

}  // namespace

TEST_CASE("3.0's fields name a block device that the root file system is on") {
    if (SkipWithoutRoot()) return;
    HostAgent agent;
    const LoopDisk disk(agent.share() + "/c");
    if (disk.name.empty()) return;
    HostSide host = agent.StartPod();
    Acknowledged(
        host.Call(ControlCode::kNewContainer, Message("b", Shell(kShowRoot, 11), disk.name)));
    CHECK(host.WaitExit(11) == 0);
    CHECK(host.Output(11).find(Cat("/dev/", disk.name, " / ext4 rw")) == 0);
    Acknowledged(host.Call(ControlCode::kRemoveContainer, Encode(RemoveContainer{"b"})));
    CHECK_FALSE(disk.InUse());
    // Two at once of the same: the second finds what the first has written.
    Acknowledged(host.Call(ControlCode::kNewContainer,
                           Message("b", Shell("cat /x; exec sleep 100", 21), disk.name)));
    host.WaitOutput(21, "x\n");
    CHECK(disk.InUse());
    const std::string twin =
        host.CallFails(ControlCode::kNewContainer, Message("b", Shell("true", 23), disk.name));
    CHECK(twin.find("already exists") != std::string::npos);
    Acknowledged(
        host.Call(ControlCode::kKillContainer, Encode(KillContainer{"b", SIGKILL, true, 0})));
    CHECK(host.WaitExit(21) == 137);
    Acknowledged(host.Call(ControlCode::kRemoveContainer, Encode(RemoveContainer{"b"})));
    CHECK_FALSE(disk.InUse());
}

TEST_CASE("a root on a disk with a whole configuration and options") {
    if (SkipWithoutRoot()) return;
    HostAgent agent;
    const LoopDisk disk(agent.share() + "/c");
    if (disk.name.empty()) return;
    HostSide host = agent.StartPod();
    const std::string oci = R"({"ociVersion":"1.0.2","root":{"path":"r"},"mounts":[
        {"destination":"/proc","type":"proc","source":"proc"},
        {"destination":"/dev","type":"tmpfs","source":"tmpfs"}],
        "process":{"cwd":"/","args":["sh","-c","grep ' / ' /proc/mounts; echo x > /x || echo no"],
        "env":["PATH=/bin"],"user":{"uid":0,"gid":0}},"linux":{"namespaces":[{"type":"mount"}]}})";
    // The mount points have to be there.
    const std::string place = disk.scratch / "mnt";
    CHECK(Say(Cat("mkdir ", place, " && mount /dev/", disk.name, " ", place, " && mkdir -p ", place,
                  "/rootfs/dev ", place, "/rootfs/proc; umount ", place, " 2>&1"))
              .empty());
    Acknowledged(
        host.Call(ControlCode::kNewContainer, Message("b", Shell("", 11), disk.name, oci)));
    CHECK(host.WaitExit(11) == 0);
    CHECK(host.Output(11).find("/ ext4 ro,noatime") != std::string::npos);
    CHECK(host.Output(11).find("no\n") != std::string::npos);
    Acknowledged(host.Call(ControlCode::kRemoveContainer, Encode(RemoveContainer{"b"})));
    CHECK_FALSE(disk.InUse());
}

TEST_CASE("a root that cannot be mounted is an error that says why, and nothing is left") {
    if (SkipWithoutRoot()) return;
    HostAgent agent;
    const LoopDisk disk(agent.share() + "/c");
    if (disk.name.empty()) return;
    HostSide host = agent.StartPod();
    NewContainer message;
    message.id = "b";
    message.image = disk.name;
    message.rootfs = "elsewhere";
    message.fs_type = "ext4";
    message.process = Shell("true", 11);
    const auto fails = [&] { return host.CallFails(ControlCode::kNewContainer, Encode(message)); };
    CHECK(fails().find("no root file system") != std::string::npos);
    CHECK_FALSE(disk.InUse());
    message.fs_type = "nofs";
    CHECK(fails().find("disable_block_device_use") != std::string::npos);
    message.fs_type = "../ext4";
    CHECK(fails().find("no such name") != std::string::npos);
    message.fs_type = "ext4";
    message.image = "../etc/passwd";
    CHECK(fails().find("did not appear within") != std::string::npos);
    CHECK_FALSE(disk.InUse());
}

}  // namespace cc::agent
