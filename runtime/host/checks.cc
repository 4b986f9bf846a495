// SPDX-License-Identifier: Apache-2.0
#include "runtime/host/checks.h"

#include <algorithm>

#include <sys/utsname.h>
#include <unistd.h>

#include "base/file.h"
#include "base/text.h"
#include "host/acceleration.h"
#include "runtime/guest_files.h"
#include "runtime/host/capture.h"
#include "runtime/sandbox/cgroup.h"

namespace cc::runtime {

namespace {

constexpr size_t kSmallFile = 1 << 22;

Check Ok(std::string subject, std::string finding) {
    return {std::move(subject), Verdict::kOk, std::move(finding)};
}
Check Warn(std::string subject, std::string finding) {
    return {std::move(subject), Verdict::kWarn, std::move(finding)};
}
Check Bad(std::string subject, std::string finding) {
    return {std::move(subject), Verdict::kFail, std::move(finding)};
}

Check CheckUser() {
    if (::geteuid() == 0) return Ok("user", "root");
    return Bad("user", Cat("user ", ::geteuid(),
                           "; namespaces, mounts and cgroups need root: run it as root"));
}

Check CheckHypervisor(const RuntimeConfig& config) {
    const auto path = FindHypervisor(config, SelfPath().value_or(""));
    if (!path) return Bad("hypervisor", path.error().message);
    const auto version = Capture(*path, {"--version"});
    if (!version) return Bad("hypervisor", version.error().message);
    return Ok("hypervisor", Cat(*path, ", ", version->substr(0, version->find('\n'))));
}

// Of the share, where QEMU does not serve it.
Check CheckFileServer(const RuntimeConfig& config) {
    const auto server = FindFileServer(config);
    if (!server) return Bad("file server", server.error().message);
    if (config.shared_fs == SharedFs::k9p) return Ok("file server", "QEMU, by 9p");
    const auto version = Capture(server->program, {"--version"});
    if (!version) return Bad("file server", version.error().message);
    return Ok("file server", Cat(server->program, ", ", version->substr(0, version->find('\n'))));
}

Check CheckAcceleration(const RuntimeConfig& config) {
    const auto choice = ChooseAcceleration(config.acceleration);
    if (!choice) return Bad("acceleration", choice.error().message);
    if (choice->engine == Acceleration::kKvm)
        return Ok("acceleration", Cat("KVM: ", choice->reason));
    const std::string finding =
        Cat("emulation, which is several times slower than KVM: ", choice->reason);
    return config.acceleration == Acceleration::kTcg ? Ok("acceleration", finding)
                                                     : Warn("acceleration", finding);
}

Check CheckGuest(const RuntimeConfig& config) {
    const auto guest = FindGuest(config, ShareDirectories(SelfPath().value_or("")));
    if (!guest) return Bad("guest files", guest.error().message);
    std::string finding = guest->kernel;
    for (const auto& file : {guest->image, guest->initrd})
        if (!file.empty()) finding += Cat(", ", file);
    return Ok("guest files", finding);
}

Check CheckCgroups() {
    const auto mounts = ReadFile("/proc/self/mountinfo", kSmallFile);
    if (!mounts) return Bad("cgroups", mounts.error().message);
    std::vector<std::string> places;
    for (const auto& hierarchy : ParseHierarchies(*mounts))
        places.push_back(hierarchy.mount_point);
    if (places.empty())
        return Warn("cgroups",
                    "no writable hierarchy is mounted: containers with linux.cgroupsPath run, but "
                    "engines cannot measure them");
    return Ok("cgroups", Join(places, ", "));
}

// The directory itself may be made by the first container.
Check CheckRunDirectory(const RuntimeConfig& config) {
    std::string path = config.run_dir;
    while (!Exists(path) && path.size() > 1)
        path.resize(std::max<size_t>(path.rfind('/'), 1));
    if (::access(path.c_str(), W_OK) == 0) return Ok("run directory", config.run_dir);
    return Bad("run directory",
               FailErrno(Cat(path, " (for ", config.run_dir, ")")).value().message);
}

Check CheckDevice(const char* subject, const std::string& path, const char* without) {
    if (::access(path.c_str(), R_OK | W_OK) == 0) return Ok(subject, path);
    return Warn(subject, Cat(path, " is missing: ", without));
}

}  // namespace

Check CheckKernelRelease(const std::string& release) {
    // mount_setattr(2), with which mount trees are handed to the VM's keeper.
    constexpr int kMajor = 5, kMinor = 12;
    const auto numbers = Split(release, '.');
    const auto number = [&](size_t i) {
        const std::string text = i < numbers.size() ? numbers[i] : "";
        return ParseNumber<int>(text.substr(0, text.find_first_not_of("0123456789"))).value_or(0);
    };
    if (number(0) > kMajor || (number(0) == kMajor && number(1) >= kMinor))
        return Ok("kernel", Cat("Linux ", release));
    return Bad("kernel", Cat("Linux ", release, ", at least ", kMajor, ".", kMinor, " is needed"));
}

Check CheckMemory(std::string_view meminfo, int64_t wanted_mib) {
    for (const auto& line : Split(meminfo, '\n')) {
        if (!line.starts_with("MemAvailable:")) continue;
        const std::string_view rest = Trim(std::string_view(line).substr(line.find(':') + 1));
        const int64_t mib = ParseNumber<int64_t>(rest.substr(0, rest.find(' '))).value_or(0) / 1024;
        const std::string finding =
            Cat(mib, " MiB are available, a virtual machine gets ", wanted_mib, " MiB");
        // Its pages are made as the guest touches them, so less may do.
        return mib < wanted_mib ? Warn("memory", Cat(finding, "; set default_memory lower"))
                                : Ok("memory", finding);
    }
    return Warn("memory", "/proc/meminfo does not say how much is available");
}

std::vector<Check> CheckHost(const RuntimeConfig& config) {
    utsname system{};
    ::uname(&system);
    return {
        Ok("configuration", config.source.empty() ? "defaults, without a file" : config.source),
        CheckUser(),
        CheckKernelRelease(system.release),
        CheckHypervisor(config),
        CheckFileServer(config),
        CheckAcceleration(config),
        CheckGuest(config),
        CheckMemory(ReadFile("/proc/meminfo", kSmallFile).value_or(""), config.memory_mib),
        CheckCgroups(),
        CheckRunDirectory(config),
        CheckDevice("tun", "/dev/net/tun",
                    "virtual machines cannot get network links; `modprobe tun`"),
        CheckDevice("vhost-net", "/dev/vhost-net",
                    "network goes through the VMM, which is slower; `modprobe vhost_net`"),
    };
}

std::string Table(const std::vector<Check>& checks) {
    std::string out;
    for (const auto& check : checks) {
        constexpr const char* kWords[] = {"OK  ", "WARN", "FAIL"};
        out += Cat(kWords[static_cast<size_t>(check.verdict)], " ", check.subject, ": ",
                   check.finding, "\n");
    }
    return out;
}

bool AllWell(const std::vector<Check>& checks) {
    for (const auto& check : checks)
        if (check.verdict == Verdict::kFail) return false;
    return true;
}

}  // namespace cc::runtime
