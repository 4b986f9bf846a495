// SPDX-License-Identifier: Apache-2.0
#include "runtime/config.h"

#include <doctest/doctest.h>
#include <unistd.h>

#include "base/text.h"
#include "tests/data.h"
#include "tests/unit/runtime/temp_directory.h"

namespace cc::runtime {

TEST_CASE("an empty configuration is the defaults") {
    const auto config = ParseConfig("", "c.toml");
    REQUIRE(config);
    CHECK(config->machine == MachineType::kPc);
    CHECK(config->memory_mib == DefaultMemoryMib());
    CHECK(config->vcpus == 1);
    CHECK(config->ProxySocket() == "/run/clear-containers/proxy.sock");
    CHECK(config->boot_timeout == std::chrono::seconds(60));
}

TEST_CASE("a key outside of all sections is warned about, with its line") {
    const auto config = ParseConfig(
        "kernel = \"/k\"\n[runtime]\nenable_debug = true\nnew = 1\n[other]\nx = 2\n", "/c.toml");
    REQUIRE(config);
    CHECK(config->debug);
    CHECK(config->warnings == std::vector<std::string>{"/c.toml:1: kernel: ignored, because it "
                                                       "stands outside of all sections"});
}

TEST_CASE("3.0's keys and ours are read, unknown ones are passed over") {
    const auto config = ParseConfig(R"(
surprise = 1
[hypervisor.qemu]
path = "/q"
kernel = "/k"
image = "/i"
initrd = "/r"
machine_type = "q35"
kernel_params = "a=b c"
asset_annotations = ["/a/*", "/b"]
firmware = "/f"
machine_accelerators = "x=y"
shared_fs = "virtio-fs"
virtio_fs_daemon = "/v"
virtio_fs_cache = "never"
virtio_fs_extra_args = ["-o", "posix_acl"]
default_vcpus = -1
default_bridges = 1
default_memory = 256
disable_block_device_use = true
block_device_driver = "virtio-blk"
enable_mem_prealloc = true
enable_hugepages = true
reclaim_guest_freed_memory = false
enable_swap = true
enable_debug = true
disable_nesting_checks = true
accel = "tcg"
new_key = [1, 2]
[proxy.cc]
path = "/p"
enable_debug = true
socket = "/s"
ksm = "auto"
[shim.cc]
path = "/h"
enable_debug = true
[agent.cc]
[runtime]
enable_debug = true
internetworking_model = "macvtap"
run_dir = "/d"
boot_timeout = 5
[elsewhere]
x = 1
)",
                                    "c.toml");
    REQUIRE_MESSAGE(config, config.error().message);
    CHECK(config->hypervisor == "/q");
    CHECK(config->kernel == "/k");
    CHECK(config->image == "/i");
    CHECK(config->initrd == "/r");
    CHECK(config->machine == MachineType::kQ35);
    CHECK(config->acceleration == Acceleration::kTcg);
    CHECK(config->kernel_params == "a=b c");
    CHECK(config->asset_annotations == std::vector<std::string>{"/a/*", "/b"});
    CHECK(config->shared_fs == SharedFs::kVirtioFs);
    CHECK(config->file_server == FileServerConfig{"/v", "none", {"-o", "posix_acl"}});
    CHECK(config->vcpus == ::sysconf(_SC_NPROCESSORS_ONLN));
    CHECK(config->memory_mib == 256);
    CHECK(config->mem_prealloc);
    CHECK(config->hugepages);
    CHECK_FALSE(config->reclaim_freed_memory);
    CHECK(config->hypervisor_debug);
    CHECK(config->disable_block_devices);
    CHECK(config->ProxySocket() == "/s");
    CHECK(config->proxy_ksm == "auto");
    CHECK(config->proxy_path == "/p");
    CHECK(config->shim_path == "/h");
    CHECK(config->debug);
    CHECK(config->run_dir == "/d");
    CHECK(config->boot_timeout == std::chrono::seconds(5));
}

TEST_CASE("small numbers mean the default, as in 3.0") {
    CHECK(ParseConfig("[hypervisor.qemu]\ndefault_memory = 7", "c")->memory_mib ==
          DefaultMemoryMib());
    CHECK(ParseConfig("[hypervisor.qemu]\ndefault_vcpus = 0", "c")->vcpus == 1);
}

TEST_CASE("a wrong type or value is an error that names file, line and key") {
    const std::pair<const char*, const char*> bad[] = {
        {"[hypervisor.qemu]\n\nkernel = 7", "c.toml:3: hypervisor.qemu.kernel: must be a string"},
        {"[hypervisor.qemu]\nkernel = \"k\"",
         "c.toml:2: hypervisor.qemu.kernel: must be an absolute path"},
        {"[hypervisor.qemu]\ndefault_vcpus = \"1\"",
         "c.toml:2: hypervisor.qemu.default_vcpus: must be an integer"},
        {"[hypervisor.qemu]\nenable_debug = 1",
         "c.toml:2: hypervisor.qemu.enable_debug: must be true or false"},
        {"[hypervisor.qemu]\ndefault_bridges = 6", "c.toml:2: hypervisor.qemu.default_bridges"},
        {"[hypervisor.qemu]\nblock_device_driver = \"floppy\"", "virtio-scsi, virtio-blk"},
        {"[hypervisor.qemu]\nmachine_type = \"vax\"", "c.toml:2: hypervisor.qemu.machine_type"},
        {"[hypervisor.qemu]\naccel = \"steam\"", "c.toml:2: hypervisor.qemu.accel"},
        {"[hypervisor.qemu]\nshared_fs = \"nfs\"", "known are 9p and virtio-fs"},
        {"[hypervisor.qemu]\nvirtio_fs_daemon = \"v\"",
         "c.toml:2: hypervisor.qemu.virtio_fs_daemon: must be an absolute path"},
        {"[hypervisor.qemu]\nvirtio_fs_cache = \"some\"", "one of auto, always, none"},
        {"[hypervisor.qemu]\nvirtio_fs_extra_args = \"-d\"", "must be a list of strings"},
        {"[proxy.cc]\nksm = \"on\"", "c.toml:2: proxy.cc.ksm: must be one of off, initial, auto"},
        {"[runtime]\nboot_timeout = 0", "c.toml:2: runtime.boot_timeout"},
        {"hypervisor = 1", "c.toml:1: hypervisor"},
        {"[runtime", "c.toml:1"},
        {"[runtime]\nx = ", "c.toml:2"},
    };
    for (const auto& [text, part] : bad) {
        CAPTURE(text);
        const auto config = ParseConfig(text, "c.toml");
        REQUIRE_FALSE(config);
        CHECK_MESSAGE(config.error().message.find(part) != std::string::npos,
                      config.error().message);
    }
}

TEST_CASE("a configuration that was named must be there") {
    const auto config = LoadConfig("/no/such/configuration.toml");
    REQUIRE_FALSE(config);
    CHECK(config.error().message.find("/no/such/configuration.toml") != std::string::npos);
}

TEST_CASE("a list of paths is just that") {
    const auto error = [](const std::string& value) {
        const auto config =
            ParseConfig(Cat("[hypervisor.qemu]\nasset_annotations = ", value, "\n"), "c.toml");
        return config ? "" : config.error().message;
    };
    CHECK(error("[]").empty());
    CHECK(error("\"/a\"").ends_with("must be a list of strings"));
    CHECK(error("[1]").ends_with("must be a list of strings"));
    CHECK(error("[\"/a\", \"b/*\"]").ends_with("\"b/*\" must be an absolute path"));
}

TEST_CASE("every key of the default configuration is known and has its default") {
    const auto text = ReadFile(test::TestData("../../packaging/configuration.toml.in"), 1 << 20);
    REQUIRE(text);
    // Each key stands there as a comment with its default: take the comments away.
    std::string active;
    for (size_t at = 0; at < text->size();) {
        const size_t end = std::min(text->find('\n', at), text->size());
        std::string line = text->substr(at, end - at);
        if (line.starts_with("#") && line.find(" = ") != std::string::npos && line[1] != ' ')
            line.erase(0, 1);
        active += line + "\n";
        at = end + 1;
    }
    const auto config = ParseConfig(active, "configuration.toml.in");
    REQUIRE_MESSAGE(config, config.error().message);
    const RuntimeConfig defaults;
    CHECK(config->memory_mib == defaults.memory_mib);
    CHECK(config->machine == defaults.machine);
    CHECK(config->run_dir == defaults.run_dir);
    CHECK(config->boot_timeout == defaults.boot_timeout);
    CHECK(config->kernel == "/usr/share/clear-containers/vmlinux.container");
}

TEST_CASE("what becomes of the host's devices is one of three") {
    const auto config = [](const std::string& what) {
        return ParseConfig("[runtime]\nphysical_interfaces = \"" + what + "\"\n", "c.toml");
    };
    CHECK(ParseConfig("", "c.toml")->physical == PhysicalLinks::kAuto);
    for (const auto what : {PhysicalLinks::kAuto, PhysicalLinks::kVfio, PhysicalLinks::kTap})
        CHECK(config(std::string(Name(what)))->physical == what);
    const auto wrong = config("sriov");
    REQUIRE_FALSE(wrong);
    CHECK(wrong.error().message.find("auto, vfio, tap") != std::string::npos);
    CHECK(ParseConfig("", "c.toml")->guard_addresses);
    CHECK_FALSE(ParseConfig("[runtime]\nguard_addresses = false\n", "c.toml")->guard_addresses);
}

TEST_CASE("network models, 3.0's and ours") {
    const auto config = [](const std::string& model) {
        return ParseConfig("[runtime]\ninternetworking_model = \"" + model + "\"\n", "c.toml");
    };
    for (const char* model : {"default", "tcfilter"}) {
        CHECK(config(model)->network);
        CHECK(config(model)->model == LinkModel::kTcfilter);
    }
    for (const auto model : {LinkModel::kMacvtap, LinkModel::kBridged}) {
        CHECK(config(std::string(Name(model)))->network);
        CHECK(config(std::string(Name(model)))->model == model);
    }
    CHECK_FALSE(config("none")->network);
    CHECK_FALSE(config("enlightened"));
    CHECK(ParseConfig("", "c.toml")->network);
}

}  // namespace cc::runtime
