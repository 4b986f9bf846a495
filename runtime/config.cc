// SPDX-License-Identifier: Apache-2.0
#include "runtime/config.h"

#include <functional>

#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/text.h"
#include "runtime/toml.h"

namespace cc::runtime {

namespace {

constexpr size_t kMaxConfig = 1 << 20;
constexpr int64_t kLeastMemory = 8, kMostMemory = 1 << 24;  // MiB
constexpr int64_t kMostPooled = 1000;
constexpr int64_t kLongestBoot = 3600;  // seconds

int64_t HostCpus() {
    return std::max<int64_t>(1, ::sysconf(_SC_NPROCESSORS_ONLN));
}

// What a key takes, and what it does with it. A setter's error says what is wrong with the value.
struct Key {
    std::string_view section;
    std::string_view name;
    std::function<Result<void>(RuntimeConfig&, const std::string&)> text;
    std::function<Result<void>(RuntimeConfig&, int64_t)> number;
    std::function<Result<void>(RuntimeConfig&, bool)> flag;
    std::function<Result<void>(RuntimeConfig&, std::vector<std::string>)> list = {};
};

Key Text(std::string_view section, std::string_view name, std::string RuntimeConfig::*member) {
    Key key{.section = section, .name = name, .text = {}, .number = {}, .flag = {}};
    key.text = [member](RuntimeConfig& config, const std::string& value) -> Result<void> {
        config.*member = value;
        return {};
    };
    return key;
}

Key Path(std::string_view section, std::string_view name, std::string RuntimeConfig::*member) {
    Key key = Text(section, name, member);
    key.text = [member](RuntimeConfig& config, const std::string& value) -> Result<void> {
        if (!value.empty() && value[0] != '/') return Fail("must be an absolute path");
        config.*member = value;
        return {};
    };
    return key;
}

Key Flag(std::string_view section, std::string_view name, bool RuntimeConfig::*member) {
    Key key{.section = section, .name = name, .text = {}, .number = {}, .flag = {}};
    key.flag = [member](RuntimeConfig& config, bool value) -> Result<void> {
        config.*member = value;
        return {};
    };
    return key;
}

Key Number(std::string_view section, std::string_view name,
           std::function<Result<void>(RuntimeConfig&, int64_t)> set) {
    return {.section = section, .name = name, .text = {}, .number = std::move(set), .flag = {}};
}

Key Choice(std::string_view section, std::string_view name,
           std::function<Result<void>(RuntimeConfig&, const std::string&)> set) {
    return {.section = section, .name = name, .text = std::move(set), .number = {}, .flag = {}};
}

Result<void> SetMachine(RuntimeConfig& config, const std::string& value) {
    // 3.0's pc-lite was a patched pc; what it left out is left out of ours anyway.
    CC_ASSIGN(config.machine, ParseMachineType(value == "pc-lite" ? "pc" : value));
    return {};
}
Result<void> SetAcceleration(RuntimeConfig& config, const std::string& value) {
    CC_ASSIGN(config.acceleration, ParseAcceleration(value));
    return {};
}
Result<void> SetSharedFs(RuntimeConfig& config, const std::string& value) {
    CC_ASSIGN(config.shared_fs, ParseSharedFs(value));
    return {};
}
Result<void> SetFileServer(RuntimeConfig& config, const std::string& value) {
    if (!value.empty() && value[0] != '/') return Fail("must be an absolute path");
    config.file_server.program = value;
    return {};
}
Result<void> SetFileServerCache(RuntimeConfig& config, const std::string& value) {
    // "never" is what the newer virtiofsd, and Kata Containers, call it.
    const std::string mode = value == "never" ? "none" : value;
    if (mode != "auto" && mode != "always" && mode != "none")
        return Fail("must be one of auto, always, none");
    config.file_server.cache = mode;
    return {};
}
Result<void> SetProxyKsm(RuntimeConfig& config, const std::string& value) {
    if (value != "off" && value != "initial" && value != "auto")
        return Fail("must be one of off, initial, auto");
    config.proxy_ksm = value;
    return {};
}
Result<void> SetCpus(RuntimeConfig& config, int64_t value) {
    const int64_t host = HostCpus();
    config.vcpus = value == 0 ? 1 : value < 0 || value > host ? host : value;
    return {};
}
Result<void> SetMemory(RuntimeConfig& config, int64_t value) {
    if (value > kMostMemory) return Fail(Cat("must be at most ", kMostMemory, " (MiB)"));
    config.memory_mib = value < kLeastMemory ? DefaultMemoryMib() : value;
    return {};
}
Result<void> SetMemoryOverhead(RuntimeConfig& config, int64_t value) {
    if (value < 0 || value > kMostMemory)
        return Fail(Cat("must lie between 0 and ", kMostMemory, " (MiB)"));
    config.memory_overhead_mib = value;
    return {};
}
Result<void> SetPool(RuntimeConfig& config, int64_t value) {
    if (value < -1 || value > kMostPooled)
        return Fail(Cat("must lie between -1 and ", kMostPooled));
    config.pool = value;
    return {};
}
Result<void> SetBootTimeout(RuntimeConfig& config, int64_t value) {
    if (value < 1 || value > kLongestBoot)
        return Fail(Cat("must lie between 1 and ", kLongestBoot, " (seconds)"));
    config.boot_timeout = std::chrono::seconds(value);
    return {};
}

Key Texts(std::string_view section, std::string_view name,
          std::function<Result<void>(RuntimeConfig&, std::vector<std::string>)> set) {
    Key key{.section = section, .name = name, .text = {}, .number = {}, .flag = {}};
    key.list = std::move(set);
    return key;
}

Key Paths(std::string_view section, std::string_view name,
          std::vector<std::string> RuntimeConfig::*member) {
    Key key{.section = section, .name = name, .text = {}, .number = {}, .flag = {}};
    key.list = [member](RuntimeConfig& config, std::vector<std::string> paths) -> Result<void> {
        for (const auto& path : paths)
            if (path.empty() || path[0] != '/')
                return Fail(Cat(Quoted(path), " must be an absolute path"));
        config.*member = std::move(paths);
        return {};
    };
    return key;
}

Result<void> SetNetworkModel(RuntimeConfig& config, const std::string& value) {
    config.network = value != "none";
    if (!config.network) return {};
    CC_ASSIGN(config.model, ParseLinkModel(value == "default" ? "tcfilter" : value));
    return {};
}

Result<void> SetPhysicalLinks(RuntimeConfig& config, const std::string& value) {
    CC_ASSIGN(config.physical, ParsePhysicalLinks(value));
    return {};
}

// Keys of 3.0 that are checked and kept for what comes later.
Key UnusedFlag(std::string_view section, std::string_view name) {
    Key key{.section = section, .name = name, .text = {}, .number = {}, .flag = {}};
    key.flag = [](RuntimeConfig&, bool) -> Result<void> { return {}; };
    return key;
}
Key UnusedChoice(std::string_view section, std::string_view name,
                 std::vector<std::string> choices) {
    return Choice(
        section, name,
        [choices = std::move(choices)](RuntimeConfig&, const std::string& value) -> Result<void> {
            for (const auto& choice : choices)
                if (value == choice) return {};
            return Fail(Cat("must be one of ", Join(choices, ", ")));
        });
}

const std::vector<Key>& Keys() {
    using C = RuntimeConfig;
    constexpr std::string_view qemu = "hypervisor.qemu", proxy = "proxy.cc", shim = "shim.cc",
                               factory = "factory", own = "runtime";
    static const std::vector<Key> keys = {
        Path(qemu, "path", &C::hypervisor),
        Path(qemu, "kernel", &C::kernel),
        Path(qemu, "image", &C::image),
        Path(qemu, "initrd", &C::initrd),
        Path(qemu, "firmware", &C::firmware),
        Paths(qemu, "asset_annotations", &C::asset_annotations),
        Text(qemu, "kernel_params", &C::kernel_params),
        Text(qemu, "machine_accelerators", &C::machine_accelerators),
        Choice(qemu, "machine_type", SetMachine),
        Choice(qemu, "accel", SetAcceleration),
        Number(qemu, "default_vcpus", SetCpus),
        Number(qemu, "default_memory", SetMemory),
        Number(qemu, "memory_overhead", SetMemoryOverhead),
        Number(qemu, "default_bridges",
               [](C&, int64_t value) -> Result<void> {
                   if (value < 0 || value > 5) return Fail("must lie between 0 and 5");
                   return {};
               }),
        Flag(qemu, "enable_mem_prealloc", &C::mem_prealloc),
        Flag(qemu, "enable_hugepages", &C::hugepages),
        Flag(qemu, "reclaim_guest_freed_memory", &C::reclaim_freed_memory),
        Flag(qemu, "disable_vhost_net", &C::disable_vhost_net),
        Choice(qemu, "shared_fs", SetSharedFs),
        Choice(qemu, "virtio_fs_daemon", SetFileServer),
        Choice(qemu, "virtio_fs_cache", SetFileServerCache),
        Texts(qemu, "virtio_fs_extra_args",
              [](C& config, std::vector<std::string> arguments) -> Result<void> {
                  config.file_server.arguments = std::move(arguments);
                  return {};
              }),
        Flag(qemu, "enable_debug", &C::hypervisor_debug),
        UnusedFlag(qemu, "enable_swap"),
        UnusedFlag(qemu, "disable_nesting_checks"),
        Flag(qemu, "disable_block_device_use", &C::disable_block_devices),
        UnusedChoice(qemu, "block_device_driver", {"virtio-scsi", "virtio-blk"}),
        Path(proxy, "path", &C::proxy_path),
        Path(proxy, "socket", &C::proxy_socket),
        Choice(proxy, "ksm", SetProxyKsm),
        Flag(proxy, "enable_debug", &C::proxy_debug),
        Path(shim, "path", &C::shim_path),
        Flag(shim, "enable_debug", &C::shim_debug),
        Flag(factory, "enable_template", &C::enable_template),
        Path(factory, "template_path", &C::template_path),
        Number(factory, "vm_cache_number", SetPool),
        Flag(own, "enable_debug", &C::debug),
        Path(own, "run_dir", &C::run_dir),
        Number(own, "boot_timeout", SetBootTimeout),
        Choice(own, "internetworking_model", SetNetworkModel),
        Choice(own, "physical_interfaces", SetPhysicalLinks),
        Flag(own, "guard_addresses", &C::guard_addresses),
    };
    return keys;
}

// Tables that may stand in the file, also without keys.
constexpr std::string_view kSections[] = {"hypervisor", "hypervisor.qemu", "proxy", "proxy.cc",
                                          "shim",       "shim.cc",         "agent", "agent.cc",
                                          "factory",    "runtime"};

bool IsSection(std::string_view name) {
    return std::find(std::begin(kSections), std::end(kSections), name) != std::end(kSections);
}

Result<std::vector<std::string>> TextsOf(const toml::node& node) {
    std::vector<std::string> texts;
    const auto* array = node.as_array();
    if (array == nullptr) return Fail("must be a list of strings");
    for (const auto& element : *array) {
        const auto* text = element.as_string();
        if (text == nullptr) return Fail("must be a list of strings");
        texts.push_back(text->get());
    }
    return texts;
}

Result<void> Apply(const Key& key, const toml::node& node, RuntimeConfig& config) {
    if (key.text) {
        const auto* value = node.as_string();
        return value == nullptr ? Fail("must be a string") : key.text(config, value->get());
    }
    if (key.number) {
        const auto* value = node.as_integer();
        return value == nullptr ? Fail("must be an integer") : key.number(config, value->get());
    }
    if (key.list) {
        CC_ASSIGN(auto texts, TextsOf(node));
        return key.list(config, std::move(texts));
    }
    const auto* value = node.as_boolean();
    return value == nullptr ? Fail("must be true or false") : key.flag(config, value->get());
}

std::string Where(const std::string& path, const toml::node& node, std::string_view name) {
    return Cat(path, ":", node.source().begin.line, ": ", name);
}

Result<void> ApplyTable(const toml::table& table, const std::string& section,
                        const std::string& path, RuntimeConfig& config) {
    for (const auto& [raw, node] : table) {
        const std::string name(raw.str());
        const std::string full = section.empty() ? name : Cat(section, ".", name);
        if (IsSection(full)) {
            if (!node.is_table()) return Fail(Cat(Where(path, node, full), " must be a table"));
            CC_TRY(ApplyTable(*node.as_table(), full, path, config));
            continue;
        }
        const Key* known = nullptr;
        for (const auto& key : Keys())
            if (key.section == section && key.name == name) known = &key;
        if (known != nullptr)
            CC_TRY(Context(Where(path, node, full), Apply(*known, node, config)));
        else if (section.empty() && !node.is_table())
            config.warnings.push_back(Cat(Where(path, node, full),
                                          ": ignored, because it stands outside of all sections"));
        else
            Log(LogLevel::kInfo, "unknown configuration key ignored",
                {{"where", Where(path, node, full)}});
    }
    return {};
}

}  // namespace

int64_t DefaultMemoryMib() {
    constexpr int64_t kLeast = 128, kMost = 2048;
    const int64_t host = ::sysconf(_SC_PHYS_PAGES) / ((1 << 20) / ::sysconf(_SC_PAGESIZE));
    return std::clamp(host / 2 / kLeast * kLeast, kLeast, kMost);
}

const std::vector<std::string>& DefaultConfigPaths() {
    static const std::vector<std::string> paths = {
        "/etc/clear-containers/configuration.toml",
        "/usr/share/defaults/clear-containers/configuration.toml",
    };
    return paths;
}

Result<RuntimeConfig> ParseConfig(std::string_view text, const std::string& path) {
    const toml::parse_result parsed = toml::parse(text, path);
    if (!parsed) {
        const auto& error = parsed.error();
        return Fail(Cat(path, ":", error.source().begin.line, ": ", error.description()));
    }
    RuntimeConfig config;
    config.source = path;
    CC_TRY(ApplyTable(parsed.table(), "", path, config));
    return config;
}

Result<RuntimeConfig> LoadConfig(const std::string& path) {
    std::string chosen = path;
    if (chosen.empty())
        for (const auto& candidate : DefaultConfigPaths())
            if (chosen.empty() && Exists(candidate)) chosen = candidate;
    if (chosen.empty()) return RuntimeConfig{};
    CC_ASSIGN(const std::string text, Context("configuration", ReadFile(chosen, kMaxConfig)));
    return Context("configuration", ParseConfig(text, chosen));
}

}  // namespace cc::runtime
