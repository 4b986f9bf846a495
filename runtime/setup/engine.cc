// SPDX-License-Identifier: Apache-2.0
#include "runtime/setup/engine.h"

#include "base/text.h"
#include "runtime/setup/docker.h"
#include "runtime/setup/toml_engines.h"

namespace cc::runtime {

namespace {

constexpr const char* kRestartContainerd =
    "systemctl restart containerd (containers go on meanwhile)";
constexpr const char* kUseClass =
    "a RuntimeClass with \"handler: cc-runtime\", or crictl runp --runtime cc-runtime";
constexpr const char* kUsePods = "crictl runp: pods have virtual machines from then on";

constexpr Engine kEngines[] = {
    {.name = "docker",
     .path = "/etc/docker/daemon.json",
     .keeps_backup = true,
     .reload = "systemctl reload docker",
     .reload_undone = "systemctl restart docker (a reload does not make dockerd forget a runtime)",
     .use = "docker run --rm --runtime cc-runtime IMAGE uname -r",
     .use_default = "docker run --rm IMAGE uname -r",
     .edit = EditDocker},
    {.name = "containerd",
     .path = "/etc/containerd/config.toml",
     .keeps_backup = false,
     .reload = kRestartContainerd,
     .reload_undone = kRestartContainerd,
     .use = kUseClass,
     .use_default = kUsePods,
     .edit = EditContainerd},
    {.name = "podman",
     .path = "/etc/containers/containers.conf.d/cc-runtime.conf",
     .keeps_backup = false,
     .reload = "",  // no daemon
     .reload_undone = "",
     .use = "podman --runtime cc-runtime run --rm IMAGE uname -r",
     .use_default = "podman run --rm IMAGE uname -r",
     .edit = EditPodman},
    {.name = "crio",
     .path = "/etc/crio/crio.conf.d/50-cc-runtime.conf",
     .keeps_backup = false,
     .reload = "systemctl restart crio",
     .reload_undone = "systemctl restart crio",
     .use = kUseClass,
     .use_default = kUsePods,
     .edit = EditCrio},
};

}  // namespace

std::string EngineNames() {
    std::vector<std::string> names;
    for (const auto& engine : kEngines)
        names.emplace_back(engine.name);
    return Join(names, ", ");
}

Result<const Engine*> FindEngine(const std::string& name) {
    const std::string wanted = name == "cri-o" ? "crio" : name;
    for (const auto& engine : kEngines)
        if (wanted == engine.name) return &engine;
    return Fail(Cat("setup: ", Quoted(name, 32), " is none of ", EngineNames()));
}

}  // namespace cc::runtime
