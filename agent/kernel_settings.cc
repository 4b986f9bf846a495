// SPDX-License-Identifier: Apache-2.0
#include "agent/kernel_settings.h"

#include <string>
#include <string_view>

#include <sys/resource.h>

#include "base/file.h"
#include "base/log.h"
#include "base/text.h"

namespace cc::agent {

namespace {

struct Setting {
    std::string_view name;  // below /proc/sys
    std::string_view value;
};

constexpr Setting kSettings[] = {
    // All memory that these take counts as the container's. Of threads there are never more than
    // numbers for them.
    {"kernel/threads-max", "4194304"},
    {"fs/file-max", "9223372036854775807"},
    {"fs/inotify/max_user_watches", "524288"},
    // Containers of a pod share the kernel. As Debian has them.
    {"kernel/dmesg_restrict", "1"},
    {"kernel/kptr_restrict", "1"},
    {"kernel/unprivileged_bpf_disabled", "2"},
};

void Set(const Setting& setting) {
    const auto set = WriteExisting(Cat("/proc/sys/", setting.name), std::string(setting.value));
    if (!set && set.error().code != ENOENT) Log(LogLevel::kWarn, set.error().message);
}

}  // namespace

void SetKernelSettings() {
    for (const auto& setting : kSettings)
        Set(setting);
    // What containers inherit: the kernel's defaults are half of the threads above.
    const rlimit unlimited{RLIM_INFINITY, RLIM_INFINITY};
    for (const auto resource : {RLIMIT_NPROC, RLIMIT_SIGPENDING})
        if (::setrlimit(resource, &unlimited) < 0)
            Log(LogLevel::kWarn, FailErrno("raising a limit of resources").value().message);
}

}  // namespace cc::agent
