// SPDX-License-Identifier: Apache-2.0
#include "runtime/setup/engine.h"

#include "base/text.h"
#include "runtime/setup/docker.h"
#include "runtime/setup/toml_engines.h"

namespace cc::runtime {

namespace {

constexpr Engine kEngines[] = {
    {"docker", "/etc/docker/daemon.json", true, "systemctl reload docker",
     "docker run --rm --runtime cc-runtime IMAGE uname -r", "docker run --rm IMAGE uname -r",
     EditDocker},
    {"containerd", "/etc/containerd/config.toml", false,
     "systemctl restart containerd (containers go on meanwhile)",
     "a RuntimeClass with \"handler: cc-runtime\", or crictl runp --runtime cc-runtime",
     "crictl runp: pods have virtual machines from then on", EditContainerd},
    {"podman", "/etc/containers/containers.conf.d/cc-runtime.conf", false, "",
     "podman --runtime cc-runtime run --rm IMAGE uname -r", "podman run --rm IMAGE uname -r",
     EditPodman},
    {"crio", "/etc/crio/crio.conf.d/50-cc-runtime.conf", false, "systemctl restart crio",
     "a RuntimeClass with \"handler: cc-runtime\", or crictl runp --runtime cc-runtime",
     "crictl runp: pods have virtual machines from then on", EditCrio},
};

}  // namespace

std::string EngineNames() {
    std::vector<std::string> names;
    for (const auto& engine : kEngines)
        names.emplace_back(engine.name);
    return Join(names, ", ");
}

Result<const Engine*> FindEngine(const std::string& name) {
    for (const auto& engine : kEngines)
        if (name == engine.name || (name == "cri-o" && std::string("crio") == engine.name))
            return &engine;
    return Fail(Cat("setup: ", Quoted(name, 32), " is none of ", EngineNames()));
}

}  // namespace cc::runtime
