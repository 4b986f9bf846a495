// SPDX-License-Identifier: Apache-2.0
// Pods: a sandbox is a VM that was made with one container, the sandbox's own ("pause", "infra"),
// and that others join. Engines say in annotations which is which (reference D6).
#pragma once

#include <map>
#include <optional>
#include <string>

#include "runtime/oci/spec.h"
#include "runtime/sandbox/growth.h"
#include "runtime/state/store.h"

namespace cc::runtime {

struct PodRole {
    enum class Kind {
        kAlone,    // no word of a pod: a sandbox with one container
        kSandbox,  // the first container of a pod
        kMember,   // joins `sandbox_id`
    };
    Kind kind = Kind::kAlone;
    std::string sandbox_id;
    bool joins() const { return kind == Kind::kMember; }
};

// Of container `id`. A part that is unknown or incomplete is an error: a container that shall join
// another's sandbox must not get a machine of its own silently.
Result<PodRole> PodRoleOf(const OciSpec& spec, const std::string& id);
// Podman names the pod itself as the sandbox where the pod has no infra container
// (`pod create --infra=false`): nothing is shared, and each container is one alone.
bool IsOfPodWithoutSandbox(const OciSpec& spec, const PodRole& role, const Store& store);

// The sums of the limits of a pod's containers, as far as the engine tells in the annotations of
// the sandbox's own container.
Limits PodLimits(const std::map<std::string, std::string>& annotations);

// What all containers that live in the sandbox may take together, `id` with these resources in the
// place of those that it has. Under the sandbox's lock.
Result<Limits> LimitsInSandbox(const Store& store, const std::string& sandbox_id,
                               const std::string& id, const Json& resources);

// A sandbox that a container can join now: its VM and its own container live. Otherwise the error
// says which of them does not.
Result<SandboxRecord> LoadJoinable(const Store& store, const std::string& sandbox_id);

// Whose namespaces a container of this sandbox shares in the guest. On the host a namespace is
// named by a path: that of the shim of a container in the sandbox means this container, any other
// the sandbox's own.
Result<NamespaceOwners> OwnersOfNamespaces(const OciSpec& spec, const Store& store,
                                           const std::string& sandbox_id);

}  // namespace cc::runtime
