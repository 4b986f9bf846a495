// SPDX-License-Identifier: Apache-2.0
// Pieces of an OCI configuration, for spec_oci.cc.
#pragma once

#include <type_traits>
#include <vector>

#include "agent/spec.h"
#include "base/json.h"
#include "base/text.h"

namespace cc::agent {

Result<std::string> PathMember(const Json& object,
                               std::string_view key);  // required; a relative one is taken from "/"
Result<uint32_t> UnsignedMember(const Json& object, std::string_view key, uint32_t fallback,
                                uint32_t high);

// The elements of a list, each of which must be an object.
Result<std::vector<const Json*>> ObjectsMember(const Json& object, std::string_view key);
// What `read` makes of each of them; its error is said of that one: "devices[2]: ...".
template <class Read, class Value = typename std::invoke_result_t<Read, const Json&>::value_type>
Result<std::vector<Value>> ListMember(const Json& object, std::string_view key, const Read& read) {
    std::vector<Value> list;
    CC_ASSIGN(const auto elements, ObjectsMember(object, key));
    for (const Json* element : elements) {
        CC_ASSIGN(Value value, Context(Cat(key, "[", list.size(), "]"), read(*element)));
        list.push_back(std::move(value));
    }
    return list;
}

// An OCI process object. `container`: the first process of the container that it joins, whose
// privileges count where the object does not name any; null for a first process.
Result<ProcessSpec> ReadProcess(const Json& json, const ProcessSpec* container);
Result<SeccompSpec> ReadSeccomp(const Json& json);
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
