// SPDX-License-Identifier: Apache-2.0
// Pieces of an OCI configuration, for spec_oci.cc.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "agent/spec.h"
#include "base/json.h"

namespace cc::agent {

Result<std::string> PathMember(const Json& object,
                               std::string_view key);  // required; a relative one is taken from "/"

// An OCI process object. `container`: the first process of the container that it joins, whose
// privileges count where the object does not name any; null for a first process.
Result<ProcessSpec> ReadProcess(const Json& json, const ProcessSpec* container);
// ioPriority, scheduler and execCPUAffinity of a process object.
Result<void> ReadScheduling(const Json& json, const ProcessSpec* container, ProcessSpec& process);
// linux.namespaces and what belongs to them: id mappings, offsets of clocks.
Result<void> ReadNamespaces(const Json& linux_json, ContainerSpec& spec);
// "uidMappings" and "gidMappings" of an object.
Result<IdMappings> ReadIdMappings(const Json& json);
// linux.resources; null: a container that names none, which still has a filter of devices.
Result<ResourceSpec> ReadResources(const Json* json);
constexpr uint32_t kMajorMax = 0xfff, kMinorMax = 0xfffff;
// The device numbers of a rule or a node; -1 and absent are the same.
Result<std::optional<uint32_t>> DeviceNumber(const Json& json, std::string_view key,
                                             uint32_t highest);

}  // namespace cc::agent
