// SPDX-License-Identifier: Apache-2.0
#include "agent/capabilities.h"

#include <algorithm>
#include <cctype>

#include <linux/capability.h>
#include <sys/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/log.h"
#include "base/text.h"

namespace cc::agent {

namespace {

constexpr uint64_t Bit(int capability) {
    return uint64_t{1} << capability;
}

// Whether the running kernel has the capability.
bool Known(int capability) {
    return ::prctl(PR_CAPBSET_READ, capability, 0, 0, 0) >= 0;
}

}  // namespace

uint64_t ParseCapabilities(const std::vector<std::string>& names) {
    uint64_t set = 0;
    for (const auto& name : names) {
        std::string lower = name;
        std::transform(lower.begin(), lower.end(), lower.begin(),
                       [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
        if (!lower.starts_with("cap_")) lower.insert(0, "cap_");
        cap_value_t value = 0;
        if (::cap_from_name(lower.c_str(), &value) == 0 && value >= 0 && value < 64)
            set |= Bit(value);
        else
            Log(LogLevel::kWarn, "unknown capability left out",
                {{"capability", name.substr(0, 64)}});
    }
    return set;
}

CapabilitySets DefaultCapabilities() {
    constexpr uint64_t kDocker = Bit(CAP_CHOWN) | Bit(CAP_DAC_OVERRIDE) | Bit(CAP_FSETID) |
                                 Bit(CAP_FOWNER) | Bit(CAP_MKNOD) | Bit(CAP_NET_RAW) |
                                 Bit(CAP_SETGID) | Bit(CAP_SETUID) | Bit(CAP_SETFCAP) |
                                 Bit(CAP_SETPCAP) | Bit(CAP_NET_BIND_SERVICE) |
                                 Bit(CAP_SYS_CHROOT) | Bit(CAP_KILL) | Bit(CAP_AUDIT_WRITE);
    return {kDocker, kDocker, kDocker, kDocker, kDocker};
}

Result<void> LimitBounding(uint64_t bounding) {
    for (int capability = 0; capability < 64 && Known(capability); ++capability)
        if ((bounding & Bit(capability)) == 0 && ::prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) < 0)
            return FailErrno(Cat("dropping capability ", capability, " from the bounding set"));
    return {};
}

Result<void> KeepCapabilities() {
    if (::prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0)
        return FailErrno("keeping capabilities over setuid");
    return {};
}

Result<void> SetCapabilities(const CapabilitySets& sets) {
    uint64_t known = 0;
    for (int capability = 0; capability < 64 && Known(capability); ++capability)
        known |= Bit(capability);
    // What the caller itself lacks cannot be granted: an outer container, or a test on a limited
    // host.
    __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    __user_cap_data_struct data[2]{};
    if (::syscall(SYS_capget, &header, data) < 0) return FailErrno("reading capabilities");
    const uint64_t have = known & (data[0].permitted | uint64_t{data[1].permitted} << 32);
    const uint64_t permitted = sets.permitted & have;
    const uint64_t effective = sets.effective & permitted;
    const uint64_t inheritable = sets.inheritable & have;
    for (int word = 0; word < 2; ++word) {
        const int shift = 32 * word;
        data[word].permitted = static_cast<uint32_t>(permitted >> shift);
        data[word].effective = static_cast<uint32_t>(effective >> shift);
        data[word].inheritable = static_cast<uint32_t>(inheritable >> shift);
    }
    if (::syscall(SYS_capset, &header, data) < 0) return FailErrno("setting capabilities");
    if (::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0)
        return FailErrno("clearing the ambient capabilities");
    // The kernel allows in the ambient set only what is both permitted and inheritable.
    const uint64_t ambient = sets.ambient & permitted & inheritable;
    for (int capability = 0; capability < 64; ++capability)
        if ((ambient & Bit(capability)) != 0 &&
            ::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, capability, 0, 0) < 0)
            return FailErrno(Cat("raising ambient capability ", capability));
    return {};
}

Result<void> RaisePermittedCapabilities() {
    __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    __user_cap_data_struct data[2]{};
    if (::syscall(SYS_capget, &header, data) < 0) return FailErrno("reading capabilities");
    for (auto& word : data)
        word.effective = word.permitted;
    if (::syscall(SYS_capset, &header, data) < 0) return FailErrno("raising capabilities");
    return {};
}

}  // namespace cc::agent
