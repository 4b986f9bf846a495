// SPDX-License-Identifier: Apache-2.0
#include "agent/disks.h"

#include <sys/stat.h>

#include "agent/device_events.h"
#include "base/file.h"
#include "base/text.h"

namespace cc::agent {

namespace {

constexpr size_t kSysfsFile = 4096;

std::string Attribute(const std::string& path) {
    return std::string(Trim(ReadFile(path, kSysfsFile).value_or("")));
}

// A name that a message brought: one component, in which nothing of the file system is meant.
bool IsPlainName(std::string_view name) {
    return !name.empty() && name.front() != '.' &&
           name.find_first_of(std::string_view("/\0", 2)) == std::string_view::npos;
}

std::string NameBySerial(const std::string& serial, const DiskPlaces& places) {
    for (const auto& name : ListDirectory(places.block).value_or(std::vector<std::string>{}))
        if (Attribute(Cat(places.block, "/", name, "/serial")) == serial) return name;
    return {};
}

// The bus tells nobody of what is plugged into it: each of its hosts is asked to look.
std::string NameByAddress(const std::string& address, const DiskPlaces& places) {
    const std::string device = Cat(places.scsi_disks, "/0:0:", address, "/device/block");
    auto names = ListDirectory(device);
    if (!names) {
        const auto parts = Split(address, ':');
        for (const auto& host :
             ListDirectory(places.scsi_hosts).value_or(std::vector<std::string>{}))
            (void)WriteExisting(Cat(places.scsi_hosts, "/", host, "/scan"),
                                Cat("0 ", parts.front(), " ", parts.back()));
        names = ListDirectory(device);
    }
    return names && !names->empty() ? names->front() : std::string();
}

std::string NameOf(const DiskReference& reference, const DiskPlaces& places) {
    if (!reference.serial.empty()) return NameBySerial(reference.serial, places);
    if (!reference.scsi_address.empty()) return NameByAddress(reference.scsi_address, places);
    return reference.name;
}

bool IsScsiAddress(const std::string& text) {
    const auto parts = Split(text, ':');
    return parts.size() == 2 && ParseNumber<uint32_t>(parts[0]) && ParseNumber<uint32_t>(parts[1]);
}

}  // namespace

std::string Describe(const DiskReference& reference) {
    if (!reference.serial.empty()) return Cat("the disk ", Quoted(reference.serial, 32));
    if (!reference.scsi_address.empty())
        return Cat("the disk at the SCSI address ", Quoted(reference.scsi_address, 32));
    return Cat("the disk /dev/", Quoted(reference.name, 64));
}

std::optional<Disk> FindDisk(const DiskReference& reference, const DiskPlaces& places) {
    if (reference.serial.empty() && !reference.scsi_address.empty() &&
        !IsScsiAddress(reference.scsi_address))
        return std::nullopt;
    Disk disk;
    disk.name = NameOf(reference, places);
    if (!IsPlainName(disk.name)) return std::nullopt;
    const std::string own = Cat(places.block, "/", disk.name);
    const auto numbers = Split(Attribute(own + "/dev"), ':');
    // Its node comes before its event, but after the attributes.
    if (numbers.size() != 2 || !Exists(Cat(places.devices, "/", disk.name))) return std::nullopt;
    const auto major = ParseNumber<uint32_t>(numbers[0]), minor = ParseNumber<uint32_t>(numbers[1]);
    if (!major || !minor) return std::nullopt;
    disk.major = *major;
    disk.minor = *minor;
    disk.read_only = Attribute(own + "/ro") == "1";
    return disk;
}

std::optional<DiskReference> RootDiskOf(const NewContainer& message) {
    if (message.fs_type.empty() && message.root_disk.empty() && message.scsi_address.empty())
        return std::nullopt;
    return DiskReference{message.root_disk, message.scsi_address, message.image};
}

std::vector<DiskReference> DisksOf(const NewContainer& message) {
    constexpr std::string_view kDevices = "/dev/";
    std::vector<DiskReference> disks;
    if (auto root = RootDiskOf(message)) disks.push_back(std::move(*root));
    for (const auto& disk : message.disks)
        disks.push_back({disk.serial, {}, {}});
    if (!message.oci.empty()) return disks;
    for (const auto& mount : message.mounts)
        if (!mount.scsi_address.empty())
            disks.push_back({{}, mount.scsi_address, {}});
        else if (mount.absolute_path && mount.source.starts_with(kDevices))
            disks.push_back({{}, {}, mount.source.substr(kDevices.size())});
    return disks;
}

Result<void> AwaitDisks(const std::vector<DiskReference>& disks, std::chrono::milliseconds deadline,
                        const DiskPlaces& places) {
    const DiskReference* missing = nullptr;
    const auto there = [&]() -> Result<bool> {
        for (const auto& disk : disks)
            if (!FindDisk(disk, places)) {
                missing = &disk;
                return false;
            }
        return true;
    };
    CC_ASSIGN(const bool found, AwaitDevices(there, deadline));
    if (found) return {};
    return Fail(Cat(Describe(*missing), " did not appear within ", deadline.count(), " ms"),
                ETIMEDOUT);
}

}  // namespace cc::agent
