// SPDX-License-Identifier: Apache-2.0
// Block devices, and root file systems on them, with loop devices of the host.
#include <csignal>

#include <doctest/doctest.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/file.h"
#include "base/text.h"
#include "tests/e2e/host.h"

namespace cc::test {

namespace {

using EditConfig = std::function<void(Json&)>;

bool SkipWithoutLoops() {
    const Finished free = RunProgram("/usr/sbin/losetup", {"losetup", "--find"});
    if (free.status == 0) return false;
    Skip(Cat("this machine gives no loop devices: ", free.err));
    return true;
}

// A mount namespace of the test's own, whose mounts are shared as those of a host with systemd are.
// Other VMs of this machine, whose keepers copy the mounts that they find, do not see ours.
class OwnMounts {
  public:
    OwnMounts()
        : host_(OpenFile("/proc/self/ns/mnt", O_RDONLY).value()),
          directory_(OpenFile(".", O_RDONLY | O_DIRECTORY).value()) {
        REQUIRE(::unshare(CLONE_NEWNS) == 0);
        for (const unsigned long how : {MS_PRIVATE, MS_SHARED})
            REQUIRE(::mount(nullptr, "/", nullptr, MS_REC | how, nullptr) == 0);
    }
    OwnMounts(const OwnMounts&) = delete;
    OwnMounts& operator=(const OwnMounts&) = delete;
    ~OwnMounts() {
        CHECK(::setns(host_.get(), CLONE_NEWNS) == 0);
        CHECK(::fchdir(directory_.get()) == 0);
    }

  private:
    Fd host_, directory_;
};

// A file as a block device, empty or with a file system, which is gone with the test.
class Loop {
  public:
    Loop(const Host& host, const std::string& name, const std::string& tree = "")
        : file_(host.directory() + "/" + name + ".disk"), place_(file_ + ".mount") {
        REQUIRE(WriteFileAtomic(file_, "", 0600));
        REQUIRE(::truncate(file_.c_str(), 16 << 20) == 0);
        if (!tree.empty()) {
            const Finished made =
                RunProgram("/sbin/mkfs.ext4", {"mkfs.ext4", "-q", "-F", "-d", tree, file_});
            REQUIRE_MESSAGE(made.status == 0, made.err);
        }
        const Finished bound =
            RunProgram("/usr/sbin/losetup", {"losetup", "--find", "--show", file_});
        REQUIRE_MESSAGE(bound.status == 0, bound.err);
        path_ = std::string(Trim(bound.out));
    }
    Loop(const Loop&) = delete;
    Loop& operator=(const Loop&) = delete;
    ~Loop() {
        while (::umount2(place_.c_str(), MNT_DETACH) == 0)
            continue;
        CHECK(Detach());
    }

    const std::string& path() const { return path_; }
    const std::string& place() const { return place_; }
    // At once, which the kernel does only when nobody has it open.
    bool Detach() {
        if (path_.empty()) return true;
        const bool free = IsFree();
        CHECK(RunProgram("/usr/sbin/losetup", {"losetup", "-d", path_}).status == 0);
        path_.clear();
        return free;
    }
    // Nobody has it open for good: it can be claimed, and its file is let go of.
    bool IsFree() const {
        for (int i = 0; i < 100; ++i) {
            const Fd claimed = Fd::Adopt(::open(path_.c_str(), O_RDWR | O_EXCL | O_CLOEXEC));
            if (claimed) return true;
            ::usleep(20000);
        }
        return false;
    }
    std::string Read(size_t bytes) const {
        const Fd fd = OpenFile(path_, O_RDONLY).value();
        (void)::ioctl(fd.get(), BLKFLSBUF, 0);
        std::string text(bytes, '\0');
        REQUIRE(::pread(fd.get(), text.data(), bytes, 0) == static_cast<ssize_t>(bytes));
        return text;
    }
    void Mount() const {
        REQUIRE(MakeDirectories(place_, 0755));
        REQUIRE(::mount(path_.c_str(), place_.c_str(), "ext4", MS_NOATIME, nullptr) == 0);
    }
    std::string Mounted() const {  // what a mount table says is there
        std::string found;
        const auto table = ReadFile("/proc/self/mountinfo", 1 << 24).value();
        for (const auto& line : Split(table, '\n'))
            if (Has(line, Cat(" ", place_, " "))) found += line + "\n";
        return found;
    }
    // In a configuration, as engines write it.
    EditConfig As(const std::string& path, const std::string& access = "rwm") const {
        struct stat status {};
        REQUIRE(::stat(path_.c_str(), &status) == 0);
        const dev_t number = status.st_rdev;
        return [path, access, number](Json& config) {
            Json& section = config["linux"];
            section["devices"].push_back({{"path", path},
                                          {"type", "b"},
                                          {"major", major(number)},
                                          {"minor", minor(number)},
                                          {"fileMode", 0640},
                                          {"uid", 0},
                                          {"gid", 6}});
            Json& rules = section["resources"]["devices"];
            if (rules.empty()) rules.push_back({{"allow", false}, {"access", "rwm"}});
            rules.push_back({{"allow", true},
                             {"type", "b"},
                             {"major", major(number)},
                             {"minor", minor(number)},
                             {"access", access}});
        };
    }
    EditConfig AsRoot() const {
        return [place = place_](Json& config) { config["root"]["path"] = place; };
    }

  private:
    std::string file_, place_, path_;
};

EditConfig Both(const EditConfig& first, const EditConfig& second) {
    return [first, second](Json& config) {
        first(config);
        second(config);
    };
}

}  // namespace

TEST_CASE(
    "a block device is in the container with its mode and owner, and what is written is there") {
    if (SkipWithoutLoops()) return;
    Host host;
    Loop disk(host, "disk");
    const Finished run = host.Run(
        "c1",
        {"sh", "-c", "stat -c '%a %u %g %F' /dev/xvdc; echo hello | dd of=/dev/xvdc conv=fsync"},
        "", disk.As("/dev/xvdc"));
    CHECK_MESSAGE(run.status == 0, run.err);
    CHECK(Has(run.out, "640 0 6 block special file"));
    CHECK(disk.Read(6) == "hello\n");
    CHECK(disk.IsFree());
}

TEST_CASE("a device that may only be read is read-only, also for the virtual machine") {
    if (SkipWithoutLoops()) return;
    Host host;
    Loop disk(host, "disk");
    const Fd fd = OpenFile(disk.path(), O_WRONLY).value();
    REQUIRE(WriteAll(fd.get(), "secret"));
    const Finished run =
        host.Run("c1",
                 {"sh", "-c",
                  "head -c 6 /dev/xvdc; cat /sys/class/block/vd*/ro; "
                  "echo bad > /dev/xvdc && echo WRITTEN; mknod /tmp/d b 7 0; true"},
                 "", disk.As("/dev/xvdc", "rm"));
    CHECK_MESSAGE(run.status == 0, run.err);
    CHECK(run.out == "secret1\n");
    CHECK(disk.Read(6) == "secret");
}

TEST_CASE("a device at a path of the image, of a directory that takes no nodes") {
    if (SkipWithoutLoops()) return;
    Host host;
    Loop disk(host, "disk");
    const Finished run = host.Run(
        "c1", {"sh", "-c", "stat -c '%a %u %g' /block && echo there > /block && ls -a /dev"}, "",
        disk.As("/block"));
    CHECK_MESSAGE(run.status == 0, run.err);
    CHECK(Has(run.out, "640 0 6"));
    CHECK_FALSE(Has(run.out, ".disk-"));
    CHECK(disk.Read(6) == "there\n");
    ::unlink((host.rootfs() + "/block").c_str());
}

TEST_CASE("a device that is mounted on the host is refused for writing, with one line") {
    if (SkipWithoutLoops()) return;
    const OwnMounts mounts;
    Host host;
    Loop disk(host, "disk", host.rootfs());
    disk.Mount();
    const Finished run = host.Run("c1", {"true"}, "", disk.As("/dev/xvdc"));
    CHECK(run.status == 1);
    CHECK(Has(run.err, "in use on the host"));
    CHECK(Split(Trim(run.err), '\n').size() == 1);
    const Finished read =
        host.Run("c2", {"sh", "-c", "head -c 1 /dev/xvdc | wc -c"}, "", disk.As("/dev/xvdc", "r"));
    CHECK_MESSAGE(read.status == 0, read.err);
    CHECK(read.out == "1\n");
}

TEST_CASE("the disk of a container that is deleted leaves the pod's machine, and others go on") {
    if (SkipWithoutLoops()) return;
    Host host;
    Loop first(host, "first"), second(host, "second");
    const auto annotate = [](const char* kind) {
        return [kind](Json& config) {
            config["annotations"] = {{"io.kubernetes.cri.container-type", kind},
                                     {"io.kubernetes.cri.sandbox-id", "pod"}};
        };
    };
    host.Start("pod", {"sleep", "100000"}, "", annotate("sandbox"));
    const std::string network = Cat("/proc/", host.State("pod")["pid"].get<pid_t>(), "/ns/net");
    const EditConfig member = [&](Json& config) {
        annotate("container")(config);
        for (auto& one : config["linux"]["namespaces"])
            if (one["type"] == "network") one["path"] = network;
    };
    host.Start("a", {"sleep", "100000"}, "", Both(member, first.As("/dev/xvda")));
    host.Start("b", {"sleep", "100000"}, "",
               Both(Both(member, second.As("/dev/xvda")), first.As("/dev/xvdb", "r")));
    const auto ask = [&](const char* id, const char* script) {
        return host.Runtime({"exec", id, "sh", "-c", script});
    };
    CHECK(ask("a", "echo first > /dev/xvda").status == 0);
    CHECK(ask("b", "echo secnd > /dev/xvda").status == 0);
    // One disk for both, one cache.
    CHECK(ask("b", "head -c 5 /dev/xvdb").out == "first");
    CHECK(ask("b", "echo no > /dev/xvdb").status != 0);
    CHECK(host.Runtime({"delete", "--force", "b"}).status == 0);
    CHECK(second.Read(5) == "secnd");
    CHECK(second.Detach());
    CHECK(ask("a", "head -c 5 /dev/xvda").out == "first");
    CHECK(ask("a", "ls /sys/class/block | grep -c vd").out == "1\n");
    CHECK(host.Runtime({"delete", "--force", "a"}).status == 0);
    CHECK(first.Read(5) == "first");
    CHECK(first.Detach());
    CHECK(ask("pod", "ls /sys/class/block | grep -c vd").out == "0\n");
    CHECK(host.Runtime({"delete", "--force", "pod"}).status == 0);
}

TEST_CASE("a root on a block device is the guest's to mount, and leaves a place to unmount") {
    if (SkipWithoutLoops()) return;
    const OwnMounts mounts;
    Host host;
    Loop disk(host, "root", host.rootfs());
    disk.Mount();
    const Finished run = host.Run(
        "c1", {"sh", "-c", "grep ' / ' /proc/mounts; echo kept > /kept; mkdir /d; chown 7:8 /d"},
        "", disk.AsRoot());
    CHECK_MESSAGE(run.status == 0, run.err);
    CHECK(Has(run.out, " / ext4 rw,noatime"));
    CHECK(Has(disk.Mounted(), "- tmpfs cc-runtime:"));
    CHECK(ListDirectory(disk.place()).value().empty());
    const Finished again = host.Run("c2", {"true"}, "", disk.AsRoot());
    CHECK(again.status == 1);
    CHECK(Has(again.err, "mount it again"));
    REQUIRE(::umount2(disk.place().c_str(), 0) == 0);
    CHECK(disk.Mounted().empty());
    CHECK(RunProgram("/sbin/e2fsck", {"e2fsck", "-fn", disk.path()}).status == 0);
    disk.Mount();
    CHECK(ReadFile(disk.place() + "/kept", 100).value() == "kept\n");
    struct stat status {};
    CHECK(::stat((disk.place() + "/d").c_str(), &status) == 0);
    CHECK(status.st_uid == 7);
    REQUIRE(::umount2(disk.place().c_str(), 0) == 0);
}

TEST_CASE("when creation fails a root on a block device is mounted as it was") {
    if (SkipWithoutLoops()) return;
    const OwnMounts mounts;
    Host host;
    Loop disk(host, "root", host.rootfs());
    disk.Mount();
    const std::string bundle = host.Bundle("c1", {"true"}, disk.AsRoot());
    for (const char* step : {"root", "disks", "container", "pid-file"}) {
        CAPTURE(step);
        CHECK(host.Runtime({"create", "--fail-after", step, "--bundle", bundle, "c1"}).status == 1);
        CHECK(Has(disk.Mounted(), "rw,noatime"));
        CHECK(Has(disk.Mounted(), " - ext4 " + disk.path()));
        CHECK(Split(Trim(disk.Mounted()), '\n').size() == 1);
    }
    // Killed in the middle: what is in the root's place can be unmounted.
    (void)host.Runtime({"create", "--kill-after", "disks", "--bundle", bundle, "c1"});
    CHECK(host.Runtime({"delete", "--force", "c1"}).status == 0);
    CHECK(::umount2(disk.place().c_str(), 0) == 0);
    CHECK(disk.IsFree());
}

TEST_CASE("a root is shared when block devices are not to be used, or others use its device") {
    if (SkipWithoutLoops()) return;
    const OwnMounts mounts;
    const std::vector<std::string> show{"sh", "-c", "grep ' / ' /proc/mounts"};
    {
        Host host;
        Loop disk(host, "root", host.rootfs());
        disk.Mount();
        const std::string elsewhere = host.directory() + "/elsewhere";
        REQUIRE(MakeDirectories(elsewhere, 0755));
        REQUIRE(::mount(disk.path().c_str(), elsewhere.c_str(), "ext4", 0, nullptr) == 0);
        const Finished run = host.Run("c1", show, "", disk.AsRoot());
        CHECK_MESSAGE(Has(run.out, " / 9p "), run.out, run.err);
        REQUIRE(::umount2(elsewhere.c_str(), 0) == 0);
        // Not in the mount table: somebody is in it.
        const Fd user = OpenFile(disk.place(), O_RDONLY | O_DIRECTORY).value();
        const Finished busy = host.Run("c2", show, "", disk.AsRoot());
        CHECK_MESSAGE(Has(busy.out, " / 9p "), busy.out, busy.err);
        CHECK(Has(disk.Mounted(), "- ext4 "));
    }
    Host host("disable_block_device_use = true");
    Loop disk(host, "root", host.rootfs());
    disk.Mount();
    const Finished run = host.Run("c1", show, "", disk.AsRoot());
    CHECK_MESSAGE(Has(run.out, " / 9p "), run.out, run.err);
    const Finished refused = host.Run("c2", {"true"}, "", disk.As("/dev/xvdc", "r"));
    CHECK(refused.status == 1);
    CHECK(Has(refused.err, "disable_block_device_use"));
}

TEST_CASE("when QEMU is killed its disks can be detached") {
    if (SkipWithoutLoops()) return;
    const OwnMounts mounts;
    Host host;
    Loop device(host, "device"), root(host, "root", host.rootfs());
    root.Mount();
    host.Start("c1", {"sleep", "100000"}, "", Both(root.AsRoot(), device.As("/dev/xvdc")));
    CHECK(host.Runtime({"exec", "c1", "sh", "-c", "echo x > /x; sync"}).status == 0);
    const Fd claimed = Fd::Adopt(::open(root.path().c_str(), O_RDWR | O_EXCL | O_CLOEXEC));
    CHECK_FALSE(claimed);
    REQUIRE(host.Kill(kVmm, SIGKILL));
    CHECK(device.IsFree());
    CHECK(root.IsFree());
    CHECK(host.Runtime({"delete", "--force", "c1"}).status == 0);
    REQUIRE(::umount2(root.place().c_str(), 0) == 0);
    // As after a power failure.
    root.Mount();
    CHECK(ReadFile(root.place() + "/x", 100).value() == "x\n");
}

TEST_CASE("on q35 there is room for four disks, and one line for the fifth") {
    if (SkipWithoutLoops()) return;
    Host host("machine_type = \"q35\"", "internetworking_model = \"none\"");
    Loop a(host, "a"), b(host, "b"), c(host, "c"), d(host, "d"), e(host, "e");
    const EditConfig four =
        Both(Both(a.As("/dev/a"), b.As("/dev/b")), Both(c.As("/dev/c"), d.As("/dev/d")));
    const Finished run =
        host.Run("c1", {"sh", "-c", "for i in a b c d; do echo $i > /dev/$i; done"}, "", four);
    CHECK_MESSAGE(run.status == 0, run.err);
    CHECK(a.Read(1) == "a");
    CHECK(d.Read(1) == "d");
    const Finished refused = host.Run("c2", {"true"}, "", Both(four, e.As("/dev/e")));
    CHECK(refused.status == 1);
    CHECK(Has(refused.err, "room for 4"));
    CHECK(Split(Trim(refused.err), '\n').size() == 1);
}

TEST_CASE("nothing can be plugged into microvm, and a container says so before anything is made") {
    if (SkipWithoutLoops()) return;
    Host host("machine_type = \"microvm\"");
    Loop disk(host, "disk");
    const Finished refused = host.Run("c1", {"true"}, "", disk.As("/dev/xvdc"));
    CHECK(refused.status == 1);
    CHECK(Has(refused.err, "microvm"));
}

}  // namespace cc::test
