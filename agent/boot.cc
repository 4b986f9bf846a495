// SPDX-License-Identifier: Apache-2.0
#include "agent/boot.h"

#include <cstdlib>

#include <sys/mount.h>
#include <sys/reboot.h>
#include <unistd.h>

#include "agent/cgroup.h"
#include "agent/console.h"
#include "agent/control_channel.h"
#include "agent/kernel_settings.h"
#include "agent/modules.h"
#include "base/file.h"
#include "base/log.h"
#include "base/text.h"

namespace cc::agent {

namespace {

// Survives the execve from stage 1 to the root image's init.
constexpr const char* kStartedVariable = "CC_AGENT_STARTED_MS";
constexpr const char* kModules = "/modules";

struct Mount {
    const char* type;
    const char* target;
    unsigned long flags;
    const char* data;
};

Result<void> MountAll(std::initializer_list<Mount> mounts) {
    for (const auto& mount : mounts)
        CC_TRY(MountOn(mount.type, mount.target, mount.flags, mount.data));
    return {};
}

Result<void> MountKernelFileSystems() {
    return MountAll({{"devtmpfs", "/dev", MS_NOSUID, "mode=0755"},
                     {"proc", "/proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, nullptr},
                     {"sysfs", "/sys", MS_NOSUID | MS_NODEV | MS_NOEXEC, nullptr}});
}

void StartLogging(const BootParameters& parameters) {
    LogOptions log;
    log.name = "cc-agent";
    log.level = ParseLogLevel(parameters.log_level).value_or(LogLevel::kWarn);
    (void)StartLog(log);
}

Result<void> LeaveInitramfs(const BootParameters& parameters) {
    if (!parameters.root.empty()) {
        const auto failed = SwitchToImage(parameters);
        Log(LogLevel::kWarn, "going on without the root image",
            {{"error", failed.error().message}});
    }
    return SwitchToTmpfs();
}

Result<void> PrepareMachine() {
    CC_TRY(MountAll({{"devpts", "/dev/pts", MS_NOSUID | MS_NOEXEC, "mode=0620,gid=5,ptmxmode=0666"},
                     {"tmpfs", "/run", MS_NOSUID | MS_NODEV, "mode=0755"},
                     {"tmpfs", "/tmp", MS_NOSUID | MS_NODEV, "mode=1777"},
                     {"cgroup2", kCgroupMount, MS_NOSUID | MS_NODEV | MS_NOEXEC, nullptr}}));
    CC_TRY(EnableControllers(kCgroupMount));
    // What follows is comfort; a machine without it still runs containers.
    if (auto up = RaiseLoopback(); !up) Log(LogLevel::kWarn, up.error().message);
    constexpr std::string_view kHostname = "clear-containers";  // until a pod has a name
    (void)::sethostname(kHostname.data(), kHostname.size());
    ::reboot(RB_DISABLE_CAD);
    SetKernelSettings();
    SeedEntropy();
    return {};
}

}  // namespace

BootParameters ParseCommandLine(const std::string& text) {
    BootParameters parameters;
    for (const auto& word : Split(Trim(text), ' ')) {
        const auto take = [&](std::string_view key, std::string& value) {
            if (word.starts_with(key)) value = word.substr(key.size());
        };
        take("root=", parameters.root);
        take("rootfstype=", parameters.root_type);
        take("agent.log=", parameters.log_level);
        take("agent.share=", parameters.share);
    }
    return parameters;
}

BootParameters ReadCommandLine() {
    return ParseCommandLine(ReadFile("/proc/cmdline", 65536).value_or(""));
}

int64_t StartedMs() {
    const char* earlier = ::getenv(kStartedVariable);
    return ParseNumber<int64_t>(earlier == nullptr ? "" : earlier).value_or(BootTimeMs());
}

Result<void> Boot(int64_t started_ms) {
    ::setenv(kStartedVariable, std::to_string(started_ms).c_str(), 1);
    CC_TRY(MountKernelFileSystems());
    OpenConsole();
    const auto parameters = ReadCommandLine();
    StartLogging(parameters);
    if (Exists(Cat(kModules, "/order"))) {
        LoadModules(kModules);
        if (parameters.share == kVirtioFsType) LoadModules(kModules, "order.virtiofs");
        OpenConsole();  // its driver may be one of them
    }
    if (InInitramfs()) CC_TRY(Context("leaving the initramfs", LeaveInitramfs(parameters)));
    return PrepareMachine();
}

}  // namespace cc::agent
