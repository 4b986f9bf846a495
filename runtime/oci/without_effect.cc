// SPDX-License-Identifier: Apache-2.0
#include "runtime/oci/without_effect.h"

#include <set>

#include "base/json_full.h"
#include "base/text.h"
#include "runtime/oci/capabilities.h"

namespace cc::runtime {

namespace {

struct Setting {
    const char* section;
    const char* name;
    const char* reason;
};

constexpr Setting kSettings[] = {
    {"process", "apparmorProfile", "the guest has no AppArmor"},
    {"process", "selinuxLabel", "the guest has no SELinux"},
    {"linux", "mountLabel", "the guest has no SELinux"},
    {"linux", "intelRdt", "the host's cache and memory bandwidth are not the guest's to divide"},
    {"linux", "memoryPolicy", "its nodes are the host's"},
    {"linux", "netDevices", "devices of the host cannot move into a virtual machine"},
};

const Json* Find(const Json& config, const char* section, const char* name) {
    const Json* object = Member(config, section);
    return object == nullptr ? nullptr : Member(*object, name);
}

bool Asks(const Json& value) {
    const std::string text = value.is_string() ? value.get<std::string>() : "an object";
    return !value.empty() && !text.empty() && text != "unconfined";
}

void AddNamespaces(const Json& config, const NamespaceOwners& shared,
                   std::vector<std::string>& found) {
    const Json* namespaces = Find(config, "linux", "namespaces");
    if (namespaces == nullptr || !namespaces->is_array()) return;
    for (const auto& entry : *namespaces) {
        const std::string path = StringMember(entry, "path").value_or("");
        const std::string type = StringMember(entry, "type").value_or("");
        // The network's is entered: it is where the VM's cards are looked for.
        if (path.empty() || type == "network" || shared.contains(type)) continue;
        found.push_back(Cat("linux.namespaces ", type,
                            ": the path names a namespace of the host's kernel; the container "
                            "gets a new one"));
    }
}

void AddCapabilities(const Json& config, std::vector<std::string>& found) {
    const Json* sets = Find(config, "process", "capabilities");
    if (sets == nullptr || !sets->is_object()) return;
    std::set<std::string> unknown;
    for (const auto& set : *sets)
        if (set.is_array())
            for (const auto& name : set)
                if (name.is_string() && !IsCapability(name.get<std::string>()))
                    unknown.insert(name.get<std::string>());
    for (const auto& name : unknown)
        found.push_back(
            Cat("process.capabilities: the guest's kernel knows no ", Quoted(name, 64)));
}

}  // namespace

std::vector<std::string> WithoutEffect(const Json& config, const NamespaceOwners& shared) {
    std::vector<std::string> found;
    for (const auto& [section, name, reason] : kSettings) {
        const Json* value = Find(config, section, name);
        if (value != nullptr && Asks(*value))
            found.push_back(Cat(section, ".", name, ": ", reason));
    }
    AddCapabilities(config, found);
    AddNamespaces(config, shared, found);
    for (const char* name : {"rdma", "network"}) {
        const Json* resources = Find(config, "linux", "resources");
        const Json* value = resources == nullptr ? nullptr : Member(*resources, name);
        if (value != nullptr && Asks(*value))
            found.push_back(Cat("linux.resources.", name, ": the guest has no such controller"));
    }
    return found;
}

}  // namespace cc::runtime
