// SPDX-License-Identifier: Apache-2.0
#include "runtime/oci/default_spec.h"

#include "base/json_full.h"
#include "base/version.h"

namespace cc::runtime {

namespace {

Json Mount(const char* destination, const char* type, const char* source,
           const std::vector<std::string>& options) {
    Json mount = {{"destination", destination}, {"type", type}, {"source", source}};
    if (!options.empty()) mount["options"] = options;
    return mount;
}

Json Mounts() {
    return Json::array({
        Mount("/proc", "proc", "proc", {}),
        Mount("/dev", "tmpfs", "tmpfs", {"nosuid", "strictatime", "mode=755", "size=65536k"}),
        Mount("/dev/pts", "devpts", "devpts",
              {"nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"}),
        Mount("/dev/shm", "tmpfs", "shm",
              {"nosuid", "noexec", "nodev", "mode=1777", "size=65536k"}),
        Mount("/dev/mqueue", "mqueue", "mqueue", {"nosuid", "noexec", "nodev"}),
        Mount("/sys", "sysfs", "sysfs", {"nosuid", "noexec", "nodev", "ro"}),
        Mount("/sys/fs/cgroup", "cgroup", "cgroup",
              {"nosuid", "noexec", "nodev", "relatime", "ro"}),
    });
}

Json Process() {
    const std::vector<std::string> capabilities = {"CAP_AUDIT_WRITE", "CAP_KILL",
                                                   "CAP_NET_BIND_SERVICE"};
    const std::vector<std::string> environment = {
        "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "TERM=xterm"};
    return {
        {"terminal", true},
        {"user", {{"uid", 0}, {"gid", 0}}},
        {"args", Json::array({"sh"})},
        {"env", environment},
        {"cwd", "/"},
        {"capabilities",
         {{"bounding", capabilities}, {"effective", capabilities}, {"permitted", capabilities}}},
        {"rlimits", Json::array({{{"type", "RLIMIT_NOFILE"}, {"hard", 1024}, {"soft", 1024}}})},
        {"noNewPrivileges", true}};
}

Json Linux() {
    Json namespaces = Json::array();
    for (const char* type : {"pid", "network", "ipc", "uts", "mount"})
        namespaces.push_back({{"type", type}});
    const std::vector<std::string> masked = {
        "/proc/acpi",          "/proc/asound",     "/proc/kcore",       "/proc/keys",
        "/proc/latency_stats", "/proc/timer_list", "/proc/timer_stats", "/proc/sched_debug",
        "/sys/firmware",       "/proc/scsi"};
    const std::vector<std::string> read_only = {"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys",
                                                "/proc/sysrq-trigger"};
    Json no_devices = Json::array({{{"allow", false}, {"access", "rwm"}}});  // but the default ones
    return {{"resources", {{"devices", std::move(no_devices)}}},
            {"namespaces", std::move(namespaces)},
            {"maskedPaths", masked},
            {"readonlyPaths", read_only}};
}

Json Spec() {
    return {{"ociVersion", kOciVersion},
            {"process", Process()},
            {"root", {{"path", "rootfs"}, {"readonly", true}}},
            {"hostname", "clear"},
            {"mounts", Mounts()},
            {"linux", Linux()}};
}

Json IdMapping(unsigned host) {
    return Json::array({{{"containerID", 0}, {"hostID", host}, {"size", 1}}});
}

}  // namespace

std::string DefaultSpec() {
    return DumpJsonPretty(Spec(), 4) + "\n";
}

std::string RootlessSpec(unsigned uid, unsigned gid) {
    Json spec = Spec();
    Json namespaces = Json::array();
    for (const auto& space : spec["linux"]["namespaces"])
        if (space["type"] != "network") namespaces.push_back(space);
    namespaces.push_back({{"type", "user"}});
    spec["linux"]["namespaces"] = std::move(namespaces);
    spec["linux"].erase("resources");
    spec["linux"]["uidMappings"] = IdMapping(uid);
    spec["linux"]["gidMappings"] = IdMapping(gid);
    for (auto& mount : spec["mounts"]) {
        if (mount["destination"] == "/sys")
            mount = Mount("/sys", "none", "/sys", {"rbind", "nosuid", "noexec", "nodev", "ro"});
        Json options = Json::array();  // ids that are not mapped cannot own anything
        for (const auto& option : mount.value("options", Json::array()))
            if (!option.get<std::string>().starts_with("gid=")) options.push_back(option);
        if (mount.contains("options")) mount["options"] = std::move(options);
    }
    return DumpJsonPretty(spec, 4) + "\n";
}

}  // namespace cc::runtime
