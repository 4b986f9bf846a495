// SPDX-License-Identifier: Apache-2.0
// configuration.toml: 3.0's keys (reference D2) and a few of ours. Everything has a default, so
// that no file is needed.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "protocol/vm_config.h"
#include "runtime/network/link_policy.h"

namespace cc::runtime {

// 2048 as in 3.0, on a host of less than 4 GiB half of it, at least 128.
int64_t DefaultMemoryMib();

struct RuntimeConfig {
    std::string source;                 // the file it was read from; empty: none
    std::vector<std::string> warnings;  // what its writer can hardly have meant

    // [hypervisor.qemu]; empty paths: found by FindGuest (guest_files.h)
    std::string hypervisor;
    std::string kernel;
    std::string image;
    std::string initrd;
    std::string firmware;
    std::vector<std::string> asset_annotations;  // patterns of files that annotations may choose
    std::string kernel_params;
    std::string machine_accelerators;
    MachineType machine = MachineType::kPc;
    Acceleration acceleration = Acceleration::kAuto;
    int64_t vcpus = 1;
    int64_t memory_mib = DefaultMemoryMib();
    int64_t memory_overhead_mib = 64;
    bool mem_prealloc = false;
    bool hugepages = false;
    bool reclaim_freed_memory = true;
    bool disable_vhost_net = false;
    SharedFs shared_fs = SharedFs::k9p;
    FileServerConfig file_server;  // path empty: found by FindFileServer (guest_files.h)
    bool disable_block_devices = false;
    bool hypervisor_debug = false;

    // [proxy.cc], [shim.cc]; empty paths: this program itself
    std::string proxy_path;
    std::string proxy_socket;  // empty: <run_dir>/proxy.sock
    std::string proxy_ksm = "initial";
    bool proxy_debug = false;
    std::string shim_path;
    bool shim_debug = false;

    // [factory]
    bool enable_template = true;
    std::string template_path;  // empty: <run_dir>/template
    int64_t pool = -1;          // VMs to keep ready; -1: by the memory at hand

    // [runtime]
    bool network = true;  // machines have a network device
    LinkModel model = LinkModel::kTcfilter;
    PhysicalLinks physical = PhysicalLinks::kAuto;
    bool guard_addresses = true;
    bool debug = false;
    std::string run_dir = "/run/clear-containers";
    std::chrono::seconds boot_timeout{60};

    std::string TemplatePath() const {
        return template_path.empty() ? run_dir + "/template" : template_path;
    }
    std::string ProxySocket() const {
        return proxy_socket.empty() ? run_dir + "/proxy.sock" : proxy_socket;
    }
};

// Where a configuration is looked for when none is named, in this order.
const std::vector<std::string>& DefaultConfigPaths();

// `path` empty: the first default path that exists, else the defaults. Unknown keys are logged; a
// wrong type or value is an error that names file, line and key.
Result<RuntimeConfig> LoadConfig(const std::string& path);
Result<RuntimeConfig> ParseConfig(std::string_view text, const std::string& path);

}  // namespace cc::runtime
