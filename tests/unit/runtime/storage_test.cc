// SPDX-License-Identifier: Apache-2.0
// Which block devices become the machine's.
#include <doctest/doctest.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/file.h"
#include "base/json_full.h"
#include "base/text.h"
#include "runtime/storage/block_devices.h"
#include "runtime/storage/block_root.h"
#include "tests/scratch.h"

namespace cc::runtime {

namespace {

struct Devices {
    test::Scratch sys;
    Devices() {
        for (const char* number : {"7:3", "7:4", "8:0"})
            REQUIRE(MakeDirectories(sys / number, 0700));
    }
    Result<std::vector<BlockDevice>> Plan(const std::string& rules,
                                          const std::string& devices) const {
        const auto spec = ParseSpec(R"({"ociVersion":"1.0.2","linux":{"devices":[)" + devices +
                                    R"(],"resources":{"devices":[)" + rules + "]}}}");
        REQUIRE_MESSAGE(spec, spec.error().message);
        return PlanBlockDevices(*spec, sys.path());
    }
};

constexpr const char* kLoop3 = R"({"path":"/dev/xvdc","type":"b","major":7,"minor":3})";
constexpr const char* kDeny = R"({"allow":false,"access":"rwm"})";

}  // namespace

TEST_CASE(
    "a block device that a rule names is the machine's, read-only without the right to write") {
    const Devices devices;
    const auto is = [&](const std::string& rules, bool there, bool read_only = false) {
        const auto plan = devices.Plan(Cat(kDeny, rules.empty() ? "" : ",", rules), kLoop3);
        REQUIRE_MESSAGE(plan, plan.error().message);
        CAPTURE(rules);
        CHECK(plan->size() == (there ? 1 : 0));
        if (!there || plan->empty()) return;
        CHECK(plan->front().number == makedev(7, 3));
        CHECK(plan->front().path == "/dev/xvdc");
        CHECK(plan->front().read_only == read_only);
    };
    is("", false);
    is(R"({"allow":true,"type":"b","major":7,"minor":3,"access":"rwm"})", true);
    is(R"({"allow":true,"type":"b","major":7,"minor":3})", true);
    is(R"({"allow":true,"type":"b","major":7,"minor":3,"access":"r"})", true, true);
    is(R"({"allow":true,"type":"b","major":7,"access":"rm"})", true, true);
    is(R"({"allow":true,"type":"b","major":7,"minor":3,"access":"m"})", false);
    is(R"({"allow":true,"type":"b","major":7,"minor":4,"access":"rw"})", false);
    is(R"({"allow":true,"type":"c","major":7,"minor":3,"access":"rw"})", false);
    // What the last rule says counts.
    is(R"({"allow":true,"type":"b","major":7,"minor":3},{"allow":false,"type":"b","access":"w"})",
       true, true);
    // A privileged container has nodes of all disks of the host.
    is(R"({"allow":true,"access":"rwm"})", false);
    is(R"({"allow":true,"type":"b","access":"rwm"})", false);
}

TEST_CASE("devices that the host has not, character devices and doubles are no disks") {
    const Devices devices;
    const std::string allow = R"({"allow":true,"type":"b","major":7,"access":"rw"},
        {"allow":true,"type":"b","major":9,"access":"rw"},{"allow":true,"type":"c","major":7}
        )";
    const auto plan =
        devices.Plan(allow, Cat(kLoop3, R"(,{"path":"/dev/again","type":"b","major":7,"minor":3},
        {"path":"/dev/none","type":"b","major":9,"minor":9},
        {"path":"/dev/tty","type":"c","major":7,"minor":4},
        {"path":"/dev/l4","type":"b","major":7,"minor":4})"));
    REQUIRE(plan);
    REQUIRE(plan->size() == 2);
    CHECK((*plan)[0].path == "/dev/xvdc");
    CHECK((*plan)[1].path == "/dev/l4");
    CHECK_FALSE(devices.Plan(R"({"allow":1})", kLoop3));
}

namespace {

struct Table {
    test::Scratch sys;
    Table() {
        REQUIRE(MakeDirectories(sys / "7:3/loop", 0700));
        REQUIRE(WriteFileAtomic(sys / "7:3/loop/backing_file", "/x", 0600));
    }
    bool Fits(const std::string& lines) const {
        const auto found = FindBlockRoot(lines, "/b/rootfs", sys.path());
        REQUIRE_MESSAGE(found, found.error().message);
        return found->has_value();
    }
};

constexpr const char* kOther = "22 1 8:1 / / rw,relatime - ext4 /dev/sda1 rw\n";

}  // namespace

TEST_CASE("a root is not a device's because some device's number says so") {
    const Table table;
    // Not a mount point; a part of a file system; a bind mount of a disk that is mounted elsewhere;
    // another kind of file system, of device; something mounted inside; a source that is no device.
    for (const char* line :
         {"", "30 22 7:3 /sub /b/rootfs rw - ext4 /dev/loop3 rw\n",
          "30 22 7:3 / /b/rootfs rw - ext4 /dev/loop3 rw\n31 22 7:3 / /c rw - ext4 /dev/loop3 rw\n",
          "30 22 7:3 / /b/rootfs rw - btrfs /dev/loop3 rw\n",
          "30 22 8:3 / /b/rootfs rw - ext4 /dev/sda3 rw\n",
          "30 22 7:3 / /b/rootfs rw - ext4 /dev/loop3 rw\n31 30 0:5 / /b/rootfs/x rw - tmpfs t "
          "rw\n",
          "30 22 7:3 / /b/rootfs rw - ext4 /dev/null rw\n",
          "30 22 7:3 / /b/rootfs rw - ext4 none rw\n", "30 22 7:3 / /b/rootfs rw\n"}) {
        CAPTURE(line);
        CHECK_FALSE(table.Fits(Cat(kOther, line)));
    }
}

TEST_CASE("a file system that is alone on a loop device is given as it was mounted") {
    struct stat status {};
    if (::stat("/dev/loop0", &status) < 0 || status.st_rdev != makedev(7, 0)) {
        MESSAGE("SKIPPED: this machine has no /dev/loop0");
        return;
    }
    const Table table;
    REQUIRE(MakeDirectories(table.sys / "7:0/dm", 0700));
    REQUIRE(WriteFileAtomic(table.sys / "7:0/dm/uuid", "LVM-x", 0600));
    const auto found =
        FindBlockRoot(Cat(kOther,
                          "30 22 7:0 / /b/root\\040fs rw,nosuid,noatime shared:5 - ext3 /dev/loop0 "
                          "rw,errors=remount-ro,discard,data=ordered\n"),
                      "/b/root fs", table.sys.path());
    REQUIRE(found);
    REQUIRE(*found);
    const BlockRoot& root = **found;
    CHECK(root.place == "/b/root fs");
    CHECK(root.source == "/dev/loop0");
    CHECK(root.type == "ext3");
    CHECK(root.data == "errors=remount-ro,discard,data=ordered");
    CHECK(root.flags == (MS_NOSUID | MS_NOATIME));
    CHECK(root.options == std::vector<std::string>{"nosuid", "noatime", "discard", "data=ordered"});
    CHECK_FALSE(root.read_only);
    const auto read_only = FindBlockRoot("30 22 7:0 / /b/rootfs ro - ext4 /dev/loop0 ro\n",
                                         "/b/rootfs", table.sys.path());
    REQUIRE((read_only && *read_only));
    CHECK((*read_only)->read_only);
}

TEST_CASE("a root that an earlier container has taken along says so") {
    const Table table;
    const auto found = FindBlockRoot("30 22 0:77 / /b/rootfs ro - tmpfs cc-runtime:/dev/loop3 ro\n",
                                     "/b/rootfs", table.sys.path());
    REQUIRE_FALSE(found);
    CHECK(found.error().message.find("mount it again") != std::string::npos);
}

}  // namespace cc::runtime
