// SPDX-License-Identifier: Apache-2.0
// A container from an OCI runtime configuration. Only what the guest acts on is read; the rest of
// the document has been checked by the runtime, and is none of the agent's business.
#include <sys/personality.h>
#include <sys/stat.h>

#include "agent/oci_reader.h"
#include "agent/spec.h"
#include "base/json_full.h"
#include "seccomp/filter.h"

namespace cc::agent {

namespace {

Result<MountSpec> ReadMount(const Json& json) {
    MountSpec mount;
    CC_ASSIGN(mount.destination, PathMember(json, "destination"));
    CC_ASSIGN(mount.type, TextMember(json, "type"));
    CC_ASSIGN(mount.source, TextMember(json, "source"));
    CC_ASSIGN(const auto options, TextsMember(json, "options"));
    CC_ASSIGN(mount.options, ParseMountOptions(options));
    // The specification lets either the type or an option say that a mount is a bind mount.
    if (mount.type == "bind") mount.options.bind = true;
    if (mount.type.empty() && !mount.options.bind)
        return Fail(Cat("the mount on ", mount.destination, " has no type"));
    CC_ASSIGN(mount.id_map, ReadIdMappings(json));
    return mount;
}

Result<DeviceSpec> ReadDevice(const Json& json) {
    DeviceSpec device;
    CC_ASSIGN(device.path, PathMember(json, "path"));
    CC_ASSIGN(const std::string type, TextMember(json, "type"));
    if (type == "c" || type == "u")
        device.type = S_IFCHR;
    else if (type == "b")
        device.type = S_IFBLK;
    else if (type == "p")
        device.type = S_IFIFO;
    else
        return Fail(Cat("the device ", device.path, " has the unknown type ", Quoted(type, 16)));
    CC_ASSIGN(const auto major, DeviceNumber(json, "major", kMajorMax));
    CC_ASSIGN(const auto minor, DeviceNumber(json, "minor", kMinorMax));
    device.major = major.value_or(0);
    device.minor = minor.value_or(0);
    // Podman writes the file's type into it, too, as stat(2) has it.
    CC_ASSIGN(device.mode, UnsignedMember(json, "fileMode", 0666, 0177777));
    device.mode &= 07777;
    CC_ASSIGN(device.uid, UnsignedMember(json, "uid", 0, UINT32_MAX));
    CC_ASSIGN(device.gid, UnsignedMember(json, "gid", 0, UINT32_MAX));
    return device;
}

Result<void> ReadSysctl(const Json& linux_json, ContainerSpec& spec) {
    CC_ASSIGN(const Json* sysctl, ObjectMember(linux_json, "sysctl"));
    if (sysctl == nullptr) return {};
    for (const auto& [key, value] : sysctl->items()) {
        if (!value.is_string())
            return Fail(Cat("linux.sysctl: ", Quoted(key), " must be a string"));
        spec.sysctl.emplace_back(key, value.get<std::string>());
        if (key == "kernel.hostname" && !spec.hostname.empty() &&
            spec.sysctl.back().second != spec.hostname)
            return Fail(Cat("linux.sysctl: kernel.hostname contradicts \"hostname\", which is ",
                            Quoted(spec.hostname, 80)));
    }
    return {};
}

// A mount that is to be mapped without saying how is mapped as the container is.
Result<void> CompleteIdMaps(ContainerSpec& spec) {
    for (auto& mount : spec.mounts) {
        const bool asked = mount.options.id_mapped || mount.options.recursive_id_map;
        if (asked && mount.id_map.empty()) mount.id_map = spec.id_map;
        if (asked && mount.id_map.empty())
            return Fail(Cat("the mount on ", mount.destination,
                            " shall be id-mapped, but neither it nor the container has mappings"));
        if (mount.id_map.uids.empty() != mount.id_map.gids.empty())
            return Fail(
                Cat("the mount on ", mount.destination, " needs both uidMappings and gidMappings"));
    }
    return {};
}

Result<void> ReadPersonality(const Json& json, ContainerSpec& spec) {
    CC_ASSIGN(const Json* personality, ObjectMember(json, "personality"));
    if (personality == nullptr) return {};
    CC_ASSIGN(const std::string domain, TextMember(*personality, "domain"));
    CC_ASSIGN(const auto flags, StringsMember(*personality, "flags"));
    if (domain != "LINUX" && domain != "LINUX32")
        return Fail(Cat("the domain ", Quoted(domain, 32), " is unknown, LINUX and LINUX32 are"));
    if (!flags.empty()) return Fail("the specification knows no flags yet");
    spec.personality = domain == "LINUX32" ? PER_LINUX32 : PER_LINUX;
    return {};
}

Result<void> ReadLinux(const Json& json, ContainerSpec& spec) {
    CC_TRY(Context("linux", ReadNamespaces(json, spec)));
    CC_TRY(Context("linux.personality", ReadPersonality(json, spec)));
    CC_ASSIGN(spec.devices, Context("linux", ListMember(json, "devices", ReadDevice)));
    CC_ASSIGN(spec.masked_paths, TextsMember(json, "maskedPaths"));
    CC_ASSIGN(spec.read_only_paths, TextsMember(json, "readonlyPaths"));
    CC_ASSIGN(const std::string propagation, TextMember(json, "rootfsPropagation"));
    if (!propagation.empty()) {
        spec.root_propagation = ParsePropagation(propagation);
        if (spec.root_propagation == 0)
            return Fail(Cat("linux.rootfsPropagation ", Quoted(propagation, 32), " is unknown"));
    }
    CC_TRY(ReadSysctl(json, spec));
    CC_ASSIGN(const Json* resources, ObjectMember(json, "resources"));
    CC_ASSIGN(spec.resources, Context("linux.resources", ReadResources(resources)));
    CC_ASSIGN(const Json* seccomp, ObjectMember(json, "seccomp"));
    if (seccomp != nullptr) {  // of a host that does not make the filter itself
        CC_ASSIGN(spec.seccomp, CompileSeccomp(*seccomp));
    }
    return {};
}

}  // namespace

Result<ResourceSpec> ParseResources(std::string_view text) {
    CC_ASSIGN(const Json json, Context("linux.resources", ParseJson(text)));
    CC_ASSIGN(ResourceSpec spec, Context("linux.resources", ReadResources(&json)));
    // The filter that the container was made with stays: another one would only add to it.
    spec.devices.reset();
    return spec;
}

Result<ContainerSpec> ContainerFromOci(const NewContainer& message) {
    CC_ASSIGN(const Json json, Context("the OCI configuration", ParseJson(message.oci)));
    if (!json.is_object()) return Fail("the OCI configuration is not a JSON object");
    ContainerSpec spec;
    spec.seccomp = message.seccomp;
    CC_ASSIGN(spec.hostname, TextMember(json, "hostname"));
    CC_ASSIGN(spec.domainname, TextMember(json, "domainname"));
    CC_ASSIGN(const Json* root, ObjectMember(json, "root"));
    if (root != nullptr) {
        CC_ASSIGN(spec.read_only_root, BoolMember(*root, "readonly"));
    }
    CC_ASSIGN(spec.mounts, ListMember(json, "mounts", ReadMount));
    CC_ASSIGN(const Json* linux_json, ObjectMember(json, "linux"));
    // One that is left out is one that names nothing: there is a filter of devices in any case.
    CC_TRY(ReadLinux(linux_json == nullptr ? Json::object() : *linux_json, spec));
    CC_ASSIGN(spec.start_hooks, ParseHooks(json, "startContainer"));
    CC_ASSIGN(spec.hook_state, StringMember(json, "state"));
    CC_TRY(CompleteIdMaps(spec));
    CC_ASSIGN(const Json* process, ObjectMember(json, "process"));
    if (process == nullptr) return Fail("the OCI configuration has no \"process\"");
    CC_ASSIGN(spec.process, Context("process", ReadProcess(*process, nullptr)));
    return spec;
}

Result<ProcessSpec> ProcessFromOci(std::string_view text, const ProcessSpec* container) {
    CC_ASSIGN(const Json json, Context("the OCI process", ParseJson(text)));
    if (!json.is_object()) return Fail("the OCI process is not a JSON object");
    return Context("the OCI process", ReadProcess(json, container));
}

}  // namespace cc::agent
