// SPDX-License-Identifier: Apache-2.0
#include "runtime/host/environment.h"

#include <sys/utsname.h>

#include "base/file.h"
#include "base/json_full.h"
#include "base/version.h"
#include "host/acceleration.h"
#include "runtime/guest_files.h"
#include "runtime/host/capture.h"

namespace cc::runtime {

namespace {

constexpr const char* kUnknown = "<<unknown>>";
constexpr const char* kFormat = "1.0.9";  // of the structure, as 3.0 counts
constexpr size_t kReportFile = 1 << 20;

std::string OrUnknown(const std::string& text) {
    return text.empty() ? kUnknown : text;
}

std::string FirstLine(const std::string& text) {
    return text.substr(0, text.find('\n'));
}

// Of a program of its own; `path` empty: this very program.
std::string VersionOf(const std::string& path) {
    if (path.empty()) return Cat(kRelease, " (commit ", kCommit, ")");
    return OrUnknown(FirstLine(Capture(path, {"--version"}).value_or("")));
}

Json Part(const char* type, const std::string& path, bool debug) {
    return {{"Type", type},
            {"Version", VersionOf(path)},
            {"Path", OrUnknown(path.empty() ? SelfPath().value_or("") : path)},
            {"Debug", debug}};
}

Json Runtime(const RuntimeConfig& config) {
    return {{"Debug", config.debug},
            {"Version", {{"Semver", kRelease}, {"Commit", kCommit}, {"OCI", kOciVersion}}},
            {"Config", {{"Path", config.source}}}};
}

Json Hypervisor(const RuntimeConfig& config) {
    const std::string path = FindHypervisor(config, SelfPath().value_or("")).value_or("");
    const auto choice = ChooseAcceleration(config.acceleration);
    return {{"MachineType", Name(config.machine)},
            {"Version", path.empty() ? kUnknown : VersionOf(path)},
            {"Path", OrUnknown(path)},
            {"Debug", config.hypervisor_debug},
            {"SharedFS", std::string(Name(config.shared_fs))},
            {"BlockDeviceDriver", "virtio-blk"},
            {"Accelerator", choice ? Name(choice->engine) : "none"},
            {"AcceleratorReason", choice ? choice->reason : choice.error().message}};
}

Json Host() {
    utsname system{};
    ::uname(&system);
    const std::string release = ReadFile("/etc/os-release", kReportFile).value_or("");
    const std::string cpuinfo = ReadFile("/proc/cpuinfo", kReportFile).value_or("");
    const auto choice = ChooseAcceleration(Acceleration::kKvm);
    return {{"Kernel", system.release},
            {"Architecture", system.machine},
            {"VMContainerCapable", choice.has_value()},
            {"Distro",
             {{"Name", OrUnknown(OsReleaseValue(release, "NAME"))},
              {"Version", OrUnknown(OsReleaseValue(release, "VERSION_ID"))}}},
            {"CPU",
             {{"Vendor", OrUnknown(CpuinfoValue(cpuinfo, "vendor_id"))},
              {"Model", OrUnknown(CpuinfoValue(cpuinfo, "model name"))}}}};
}

void AppendTable(std::string& out, const std::string& name, const Json& object) {
    if (!name.empty()) out += Cat(out.empty() ? "" : "\n", "[", name, "]\n");
    // Values first: behind a table's header they would belong to it.
    for (const auto& [key, value] : object.items())
        if (!value.is_object())
            // A text in JSON is one in TOML, too.
            out += Cat(name.empty() ? "" : "  ", key, " = ", DumpJson(value), "\n");
    for (const auto& [key, value] : object.items())
        if (value.is_object()) AppendTable(out, name.empty() ? key : Cat(name, ".", key), value);
}

}  // namespace

Json DescribeEnvironment(const RuntimeConfig& config) {
    const auto self = SelfPath();
    const auto guest = FindGuest(config, ShareDirectories(self.value_or("")));
    const GuestFiles files = guest.value_or(GuestFiles{});
    return {{"Meta", {{"Version", kFormat}}},
            {"Runtime", Runtime(config)},
            {"Hypervisor", Hypervisor(config)},
            {"Image", {{"Path", OrUnknown(files.image)}}},
            {"Initrd", {{"Path", OrUnknown(files.initrd)}}},
            {"Kernel", {{"Path", OrUnknown(files.kernel)}, {"Parameters", config.kernel_params}}},
            {"Proxy", Part("ccProxy", config.proxy_path, config.proxy_debug)},
            {"Shim", Part("ccShim", config.shim_path, config.shim_debug)},
            {"Agent", {{"Type", "hyperstart"}, {"Version", VersionOf("")}}},
            {"Host", Host()}};
}

std::string ToToml(const Json& object) {
    std::string out;
    AppendTable(out, "", object);
    return out;
}

std::string OsReleaseValue(std::string_view text, std::string_view key) {
    for (const auto& line : Split(text, '\n')) {
        if (!line.starts_with(Cat(key, "="))) continue;
        std::string value = line.substr(key.size() + 1);
        const bool quoted = value.size() >= 2 && (value.front() == '"' || value.front() == '\'') &&
                            value.back() == value.front();
        return quoted ? value.substr(1, value.size() - 2) : value;
    }
    return {};
}

std::string CpuinfoValue(std::string_view text, std::string_view key) {
    for (const auto& line : Split(text, '\n')) {
        const size_t colon = line.find(':');
        if (colon != std::string::npos && Trim(std::string_view(line).substr(0, colon)) == key)
            return std::string(Trim(std::string_view(line).substr(colon + 1)));
    }
    return {};
}

}  // namespace cc::runtime
