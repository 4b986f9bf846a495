// SPDX-License-Identifier: Apache-2.0
#include "agent/kernel_settings.h"

#include <string>
#include <string_view>

#include <sys/resource.h>

#include "base/file.h"
#include "base/log.h"

namespace cc::agent {

namespace {

struct Setting {
    const char* path;
    std::string_view value;
};

constexpr Setting kSettings[] = {
    // All memory that these take counts as the container's. Of threads there are never more than
    // numbers for them.
    {"/proc/sys/kernel/threads-max", "4194304"},
    {"/proc/sys/fs/file-max", "9223372036854775807"},
    {"/proc/sys/fs/inotify/max_user_watches", "524288"},
    // Containers of a pod share the kernel. As Debian has them.
    {"/proc/sys/kernel/dmesg_restrict", "1"},
    {"/proc/sys/kernel/kptr_restrict", "1"},
    {"/proc/sys/kernel/unprivileged_bpf_disabled", "2"},
    // Free memory is given back to the host in pieces of 2^7 pages and more, 512 KiB. By default,
    // 4 MiB, the kernel gives nothing back as long as less than 32 of those are free.
    {"/sys/module/page_reporting/parameters/page_reporting_order", "7"},
};

void Set(const Setting& setting) {
    const auto set = WriteExisting(setting.path, std::string(setting.value));
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
