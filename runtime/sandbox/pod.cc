// SPDX-License-Identifier: Apache-2.0
#include "runtime/sandbox/pod.h"

#include "base/text.h"

namespace cc::runtime {

namespace {
constexpr const char* kTypeKeys[] = {"io.kubernetes.cri.container-type",
                                     "io.kubernetes.cri-o.ContainerType",
                                     "io.kubernetes.docker.type"};
}

Result<void> CheckPodRole(const OciSpec& spec) {
    for (const char* key : kTypeKeys) {
        const auto found = spec.annotations.find(key);
        if (found == spec.annotations.end()) continue;
        const std::string& role = found->second;
        if (role == "sandbox" || role == "podsandbox") return {};
        if (role == "container")
            return Fail(Cat("annotation ", key,
                            ": several containers in one sandbox are not supported yet"));
        return Fail(Cat("annotation ", key, ": unknown container type ", Quoted(role)));
    }
    return {};
}

}  // namespace cc::runtime
