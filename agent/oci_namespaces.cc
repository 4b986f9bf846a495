// SPDX-License-Identifier: Apache-2.0
// The namespaces of an OCI configuration. The VM is what separates a container from the host, so
// most of the list asks for what is so anyway: mount, pid, uts, ipc and cgroup namespaces are new
// for each container, and the network is the VM's. A path names a namespace of the host's kernel,
// which is on the other side of the wall; the runtime says what it does about one.
#include <algorithm>
#include <iterator>

#include "agent/oci_reader.h"
#include "base/json_full.h"

namespace cc::agent {

namespace {

constexpr std::string_view kTypes[] = {"pid", "network", "mount",  "ipc",
                                       "uts", "user",    "cgroup", "time"};

Result<IdMapping> ReadMapping(const Json& json) {
    IdMapping mapping;
    CC_ASSIGN(mapping.container, UnsignedMember(json, "containerID", 0, UINT32_MAX));
    CC_ASSIGN(mapping.host, UnsignedMember(json, "hostID", 0, UINT32_MAX));
    CC_ASSIGN(mapping.size, UnsignedMember(json, "size", 0, UINT32_MAX));
    return mapping;
}

Result<std::string> ReadType(const Json& json) {
    CC_ASSIGN(std::string type, TextMember(json, "type"));
    if (std::find(std::begin(kTypes), std::end(kTypes), type) == std::end(kTypes))
        return Fail(Cat("the type ", Quoted(type, 32), " is unknown"));
    return type;
}

Result<void> ReadTimeOffsets(const Json& json, ContainerSpec& spec) {
    CC_ASSIGN(const Json* offsets, ObjectMember(json, "timeOffsets"));
    if (offsets == nullptr || offsets->empty()) return {};
    if (!spec.time_namespace)
        return Fail("timeOffsets are given, but namespaces has none of type time");
    for (const auto& [clock, entry] : offsets->items()) {
        if (clock != "boottime" && clock != "monotonic")
            return Fail(Cat("timeOffsets: the clock ", Quoted(clock, 32),
                            " is unknown, boottime and monotonic have offsets"));
        const std::string where = Cat("timeOffsets.", clock);
        if (!entry.is_object()) return Fail(Cat(where, " must be an object"));
        TimeOffset offset;
        offset.clock = clock;
        CC_ASSIGN(offset.seconds,
                  Context(where, IntMember(entry, "secs", 0, INT64_MIN, INT64_MAX)));
        CC_ASSIGN(offset.nanoseconds,
                  Context(where, UnsignedMember(entry, "nanosecs", 0, 999999999)));
        spec.time_offsets.push_back(std::move(offset));
    }
    return {};
}

Result<void> CheckIdMap(const ContainerSpec& spec) {
    if (!spec.user_namespace) {
        if (spec.id_map.empty()) return {};
        return Fail("uidMappings or gidMappings are given, but namespaces has none of type user");
    }
    if (spec.id_map.uids.empty() || spec.id_map.gids.empty())
        return Fail("a user namespace needs uidMappings and gidMappings");
    return {};
}

}  // namespace

Result<IdMappings> ReadIdMappings(const Json& json) {
    IdMappings map;
    CC_ASSIGN(map.uids, ListMember(json, "uidMappings", ReadMapping));
    CC_ASSIGN(map.gids, ListMember(json, "gidMappings", ReadMapping));
    return map;
}

Result<void> ReadNamespaces(const Json& linux_json, ContainerSpec& spec) {
    CC_ASSIGN(const auto types, ListMember(linux_json, "namespaces", ReadType));
    const auto asks = [&](std::string_view type) {
        return std::find(types.begin(), types.end(), type) != types.end();
    };
    spec.user_namespace = asks("user");
    spec.time_namespace = asks("time");
    CC_ASSIGN(spec.id_map, ReadIdMappings(linux_json));
    CC_TRY(CheckIdMap(spec));
    return ReadTimeOffsets(linux_json, spec);
}

}  // namespace cc::agent
