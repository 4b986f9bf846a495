// SPDX-License-Identifier: Apache-2.0
#include "agent/disks.h"

#include <doctest/doctest.h>
#include <sys/stat.h>

#include "agent/guest_numbers.h"
#include "base/file.h"
#include "base/text.h"
#include "tests/scratch.h"

namespace cc::agent {

namespace {

struct Machine {
    test::Scratch scratch;
    DiskPlaces places{scratch / "block", scratch / "scsi_disk", scratch / "scsi_host",
                      scratch / "dev"};

    Machine() {
        for (const auto* path :
             {&places.block, &places.scsi_disks, &places.scsi_hosts, &places.devices})
            REQUIRE(MakeDirectories(*path, 0700));
    }
    void Write(const std::string& path, std::string_view text) const {
        REQUIRE(MakeDirectories(path.substr(0, path.rfind('/')), 0700));
        REQUIRE(WriteFileAtomic(path, text, 0600));
    }
    void Plug(const std::string& name, const std::string& serial, const std::string& numbers,
              const std::string& read_only = "0") const {
        const std::string own = Cat(places.block, "/", name);
        Write(own + "/dev", numbers + "\n");
        Write(own + "/ro", read_only + "\n");
        if (!serial.empty()) Write(own + "/serial", serial);
        Write(Cat(places.devices, "/", name), "");
    }
};

DeviceRule Rule(bool allow, char type, std::optional<uint32_t> major, std::optional<uint32_t> minor,
                uint32_t access = DeviceRule::kAll) {
    return {allow, type, major, minor, access};
}

}  // namespace

TEST_CASE("a disk is found by what it says of itself, not by its name") {
    const Machine machine;
    machine.Plug("vda", "cc-disk-1", "254:0");
    machine.Plug("vdb", "cc-disk-0", "254:16", "1");
    machine.Plug("pmem0", "", "259:0");
    const auto found = FindDisk({"cc-disk-0", {}, "vda"}, machine.places);
    REQUIRE(found);
    CHECK(found->name == "vdb");
    CHECK(found->major == 254);
    CHECK(found->minor == 16);
    CHECK(found->read_only);
    CHECK_FALSE(FindDisk({"cc-disk-2", {}, {}}, machine.places));
    CHECK(FindDisk({{}, {}, "vda"}, machine.places)->minor == 0);
    for (const char* name : {"", "..", "../block/vda", "vdz"})
        CHECK_FALSE(FindDisk({{}, {}, name}, machine.places));
}

TEST_CASE("at a SCSI address a disk is looked for as 3.0 does") {
    const Machine machine;
    machine.Write(machine.places.scsi_hosts + "/host0/scan", "");
    CHECK_FALSE(FindDisk({{}, "0:1", {}}, machine.places));
    CHECK(ReadFile(machine.places.scsi_hosts + "/host0/scan", 100).value() == "0 0 1");
    REQUIRE(MakeDirectories(machine.places.scsi_disks + "/0:0:0:1/device/block/sda", 0700));
    machine.Plug("sda", "", "8:0");
    CHECK(FindDisk({{}, "0:1", {}}, machine.places)->major == 8);
    for (const char* address : {"0", "0:1:2", "a:b", "../0:1"})
        CHECK_FALSE(FindDisk({{}, address, {}}, machine.places));
}

TEST_CASE("disks are waited for, and one that does not come is named") {
    const Machine machine;
    CHECK(AwaitDisks({}, std::chrono::milliseconds(0), machine.places));
    const auto late =
        AwaitDisks({{"cc-disk-3", {}, {}}}, std::chrono::milliseconds(10), machine.places);
    REQUIRE_FALSE(late);
    CHECK(late.error().message == "the disk \"cc-disk-3\" did not appear within 10 ms");
    machine.Plug("vda", "cc-disk-3", "254:0");
    CHECK(AwaitDisks({{"cc-disk-3", {}, {}}}, std::chrono::milliseconds(10), machine.places));
}

TEST_CASE("a message says which disks it needs, in our words and in 3.0's") {
    NewContainer ours;
    ours.oci = "{}";
    ours.image = "c";
    CHECK(DisksOf(ours).empty());
    ours.disks = {{"cc-disk-0", 7, 3}};
    ours.mounts = {{"/dev/sda", "/x", false, true, {}}};  // for an agent that reads no "oci"
    ours.root_disk = "cc-disk-1";
    ours.fs_type = "ext4";
    REQUIRE(DisksOf(ours).size() == 2);
    CHECK(DisksOf(ours)[0].serial == "cc-disk-1");
    CHECK(DisksOf(ours)[1].serial == "cc-disk-0");
    NewContainer theirs;
    theirs.image = "vda";
    theirs.fs_type = "ext4";
    theirs.mounts = {{"c/x", "/x", false, false, {}},
                     {"/dev/vdb", "/y", false, true, {}},
                     {"", "/z", false, true, "0:2"}};
    const auto disks = DisksOf(theirs);
    REQUIRE(disks.size() == 3);
    CHECK(disks[0].name == "vda");
    CHECK(disks[1].name == "vdb");
    CHECK(disks[2].scsi_address == "0:2");
}

TEST_CASE("rules speak of the machine's disks, and of no other device that has such a number") {
    const std::vector<NumberedDisk> disks = {{7, 3, {"vda", 254, 0}}, {7, 4, {"vdb", 254, 16}}};
    const std::vector<DeviceRule> rules = {
        Rule(false, 'a', {}, {}),
        Rule(true, 'c', 10, 229),
        Rule(true, 'b', 7, 3, DeviceRule::kRead),
        Rule(true, 'b', 254, 0),  // a disk of the host's that the machine has not
        Rule(true, 'b', 7, {}),
        Rule(false, 'a', 7, 4),
        Rule(true, 'b', {}, {}, DeviceRule::kMknod)};
    const std::vector<DeviceRule> expected = {Rule(false, 'a', {}, {}),
                                              Rule(true, 'c', 10, 229),
                                              Rule(true, 'b', 254, 0, DeviceRule::kRead),
                                              Rule(true, 'b', 254, 0),
                                              Rule(true, 'b', 254, 16),
                                              Rule(false, 'c', 7, 4),
                                              Rule(false, 'b', 254, 16),
                                              Rule(true, 'b', {}, {}, DeviceRule::kMknod)};
    CHECK(RulesForGuest(rules, disks) == expected);
    std::vector<DeviceSpec> devices = {{"/dev/xvdc", S_IFBLK, 7, 4, 0660, 0, 6},
                                       {"/dev/c", S_IFCHR, 7, 4, 0600, 0, 0},
                                       {"/dev/other", S_IFBLK, 8, 0, 0600, 0, 0}};
    NumberDevices(devices, disks);
    CHECK(devices[0].major == 254);
    CHECK(devices[0].minor == 16);
    CHECK(devices[0].mode == 0660);
    CHECK(devices[1].major == 7);
    CHECK(devices[2].major == 8);
}

}  // namespace cc::agent
