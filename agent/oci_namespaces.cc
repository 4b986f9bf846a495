// SPDX-License-Identifier: Apache-2.0
// The namespaces of an OCI configuration. The VM is what separates a container from the host, so
// most of the list asks for what is so anyway: mount, pid, uts, ipc and cgroup namespaces are new
// for each container, and the network is the VM's. A path of the host names a namespace of another
// kernel and is not looked at; the runtime puts names of containers where they share one
// (protocol/pod_sharing.h).
#include <algorithm>
#include <iterator>

#include "agent/oci_reader.h"
#include "base/json_full.h"
#include "protocol/pod_sharing.h"

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

Result<std::string> ReadPath(const Json& json) {
    return TextMember(json, "path");
}

Result<void> ReadOwner(const std::string& path, const std::string& type, ContainerSpec& spec) {
    std::string* owner = type == "pid"   ? &spec.pid_of
                         : type == "ipc" ? &spec.ipc_of
                         : type == "uts" ? &spec.uts_of
                                         : nullptr;
    if (owner == nullptr) return {};
    if (!path.starts_with(kNamespaceOf)) return {};
    *owner = path.substr(kNamespaceOf.size());
    return Context(Cat("namespaces: ", type), CheckContainerId(*owner));
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
    CC_ASSIGN(const auto paths, ListMember(linux_json, "namespaces", ReadPath));
    for (size_t i = 0; i < types.size(); ++i)
        CC_TRY(ReadOwner(paths[i], types[i], spec));
    const auto asks = [&](std::string_view type) {
        return std::find(types.begin(), types.end(), type) != types.end();
    };
    spec.user_namespace = asks("user");
    spec.time_namespace = asks("time");
    CC_ASSIGN(spec.id_map, ReadIdMappings(linux_json));
    CC_TRY(CheckIdMap(spec));
    // The builder of a container in a user namespace knows its first process as PID 1.
    if (spec.user_namespace && !spec.pid_of.empty())
        return Fail(
            "a user namespace and the pid namespace of another container exclude each other");
    return ReadTimeOffsets(linux_json, spec);
}

}  // namespace cc::agent
