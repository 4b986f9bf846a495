// SPDX-License-Identifier: Apache-2.0
#include "runtime/storage/block_devices.h"

#include <algorithm>

#include <fcntl.h>
#include <sys/sysmacros.h>

#include "base/file.h"
#include "base/json_full.h"
#include "base/text.h"
#include "runtime/storage/device_node.h"

namespace cc::runtime {

namespace {

struct Access {
    bool named = false;
    bool read = false;
    bool write = false;
};

Result<bool> Covers(const Json& rule, std::string_view key, unsigned number, bool& named) {
    CC_ASSIGN(const int64_t wanted, IntMember(rule, key, -1, -1, UINT32_MAX));
    named = wanted >= 0;
    return wanted < 0 || wanted == int64_t{number};
}

// Of several rules for one access the last decides, as in the guest (agent/device_filter.h).
Result<Access> AccessTo(const Json& rules, dev_t device) {
    Access access;
    for (const Json& rule : rules) {
        CC_ASSIGN(const std::string type, StringMember(rule, "type"));
        if (!type.empty() && type != "a" && type != "b") continue;
        bool by_major = false, by_minor = false;
        CC_ASSIGN(const bool major_fits, Covers(rule, "major", major(device), by_major));
        CC_ASSIGN(const bool minor_fits, Covers(rule, "minor", minor(device), by_minor));
        if (!major_fits || !minor_fits) continue;
        CC_ASSIGN(const bool allow, BoolMember(rule, "allow"));
        CC_ASSIGN(const std::string what, StringMember(rule, "access"));
        const bool read = what.empty() || what.find('r') != std::string::npos;
        const bool write = what.empty() || what.find('w') != std::string::npos;
        if (allow && by_major && (read || write)) access.named = true;
        if (read) access.read = allow;
        if (write) access.write = allow;
    }
    return access;
}

Result<dev_t> NumberOf(const Json& device) {
    CC_ASSIGN(const int64_t major, IntMember(device, "major", 0, 0, UINT32_MAX));
    CC_ASSIGN(const int64_t minor, IntMember(device, "minor", 0, 0, UINT32_MAX));
    return makedev(static_cast<unsigned>(major), static_cast<unsigned>(minor));
}

}  // namespace

Result<std::vector<BlockDevice>> PlanBlockDevices(const OciSpec& spec,
                                                  const std::string& sys_dev_block) {
    std::vector<BlockDevice> plan;
    const Json* section = Member(*spec.document, "linux");
    if (section == nullptr) return plan;
    CC_ASSIGN(const Json* devices, ArrayMember(*section, "devices"));
    CC_ASSIGN(const Json* rules, ArrayMember(spec.Resources(), "devices"));
    if (devices == nullptr || rules == nullptr) return plan;
    for (const Json& device : *devices) {
        CC_ASSIGN(const std::string type, StringMember(device, "type"));
        if (type != "b") continue;
        CC_ASSIGN(const dev_t number, NumberOf(device));
        const bool known = std::any_of(plan.begin(), plan.end(),
                                       [&](const auto& one) { return one.number == number; });
        if (known || !Exists(Cat(sys_dev_block, "/", major(number), ":", minor(number)))) continue;
        CC_ASSIGN(const Access access, AccessTo(*rules, number));
        if (!access.named || (!access.read && !access.write)) continue;
        CC_ASSIGN(std::string path, StringMember(device, "path"));
        plan.push_back({number, std::move(path), !access.write});
    }
    return plan;
}

Result<Fd> OpenForVm(BlockDevice& device) {
    const std::string what = Cat("linux.devices: ", Quoted(device.path), " (", major(device.number),
                                 ":", minor(device.number), ")");
    if (!device.read_only) {
        const auto claimed = OpenBlockDevice(device.number, O_RDONLY | O_EXCL);
        if (!claimed && claimed.error().code == EBUSY)
            return Fail(Cat(what,
                            " is in use on the host: it is mounted, a part of another device, or "
                            "the root file system of a virtual machine. Unmount it, or pass it "
                            "read-only (--device ...:r)"),
                        EBUSY);
        auto opened = OpenBlockDevice(device.number, O_RDWR);
        if (opened) return opened;
        const int code = opened.error().code;
        if (code != EROFS && code != EACCES && code != EPERM)
            return Context(what, std::move(opened));
        device.read_only = true;
    }
    return Context(what, OpenBlockDevice(device.number, O_RDONLY));
}

}  // namespace cc::runtime
