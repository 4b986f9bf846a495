// SPDX-License-Identifier: Apache-2.0
#include "runtime/oci/spec.h"

#include <algorithm>

#include "base/json_full.h"
#include "protocol/oci_hooks.h"

namespace cc::runtime {

namespace {

constexpr int64_t kMaxId = 0xffffffffLL;  // of users and groups

Result<std::vector<OciMount>> ParseMounts(const Json& root) {
    std::vector<OciMount> mounts;
    CC_ASSIGN(const Json* array, ArrayMember(root, "mounts"));
    if (array == nullptr) return mounts;
    for (const Json& entry : *array) {
        const std::string where = Cat("mounts[", mounts.size(), "]");
        if (!entry.is_object()) return Fail(Cat(where, " must be an object"));
        OciMount mount;
        CC_ASSIGN(mount.destination, Context(where, TextMember(entry, "destination")));
        CC_ASSIGN(mount.type, Context(where, TextMember(entry, "type")));
        CC_ASSIGN(mount.source, Context(where, TextMember(entry, "source")));
        CC_ASSIGN(mount.options, Context(where, TextsMember(entry, "options")));
        if (mount.destination.empty()) return Fail(Cat(where, " has no destination"));
        mounts.push_back(std::move(mount));
    }
    return mounts;
}

Result<std::vector<OciNamespace>> ParseNamespaces(const Json& linux_section) {
    std::vector<OciNamespace> namespaces;
    CC_ASSIGN(const Json* array, ArrayMember(linux_section, "namespaces"));
    if (array == nullptr) return namespaces;
    for (const Json& entry : *array) {
        const std::string where = Cat("linux.namespaces[", namespaces.size(), "]");
        if (!entry.is_object()) return Fail(Cat(where, " must be an object"));
        OciNamespace space;
        CC_ASSIGN(space.type, Context(where, TextMember(entry, "type")));
        CC_ASSIGN(space.path, Context(where, TextMember(entry, "path")));
        for (const auto& other : namespaces)
            if (other.type == space.type)
                return Fail(Cat(where, ": a second namespace of type ", Quoted(space.type)));
        namespaces.push_back(std::move(space));
    }
    return namespaces;
}

Result<std::map<std::string, std::string>> ParseAnnotations(const Json& root) {
    std::map<std::string, std::string> annotations;
    CC_ASSIGN(const Json* object, ObjectMember(root, "annotations"));
    if (object == nullptr) return annotations;
    for (const auto& [key, value] : object->items()) {
        if (!value.is_string()) return Fail(Cat("annotations: ", Quoted(key), " must be a string"));
        annotations[key] = value.get<std::string>();
    }
    return annotations;
}

Result<AgentCapabilities> ParseCapabilities(const Json& process) {
    AgentCapabilities capabilities;
    CC_ASSIGN(const Json* object, ObjectMember(process, "capabilities"));
    if (object == nullptr) return capabilities;
    CC_ASSIGN(capabilities.bounding, StringsMember(*object, "bounding"));
    CC_ASSIGN(capabilities.effective, StringsMember(*object, "effective"));
    CC_ASSIGN(capabilities.inheritable, StringsMember(*object, "inheritable"));
    CC_ASSIGN(capabilities.permitted, StringsMember(*object, "permitted"));
    CC_ASSIGN(capabilities.ambient, StringsMember(*object, "ambient"));
    return capabilities;
}

Result<void> ParseUser(const Json& process, OciProcess& out) {
    CC_ASSIGN(const Json* user, ObjectMember(process, "user"));
    if (user == nullptr) return {};
    CC_ASSIGN(out.uid, IntMember(*user, "uid", 0, 0, kMaxId));
    CC_ASSIGN(out.gid, IntMember(*user, "gid", 0, 0, kMaxId));
    CC_ASSIGN(const Json* groups, ArrayMember(*user, "additionalGids"));
    if (groups == nullptr) return {};
    for (const Json& group : *groups) {
        if (!group.is_number_unsigned() || group.get<uint64_t>() > uint64_t{kMaxId})
            return Fail("additionalGids must be group ids");
        out.additional_gids.push_back(group.get<int64_t>());
    }
    return {};
}

Result<void> ParseLinux(const Json& root, OciSpec& spec) {
    CC_ASSIGN(const Json* section, ObjectMember(root, "linux"));
    if (section == nullptr) return {};
    CC_ASSIGN(spec.namespaces, ParseNamespaces(*section));
    CC_TRY(Context("linux", ObjectMember(*section, "resources")));
    CC_ASSIGN(spec.cgroups_path, Context("linux", TextMember(*section, "cgroupsPath")));
    return {};
}

}  // namespace

bool OciMount::Has(std::string_view option) const {
    return std::find(options.begin(), options.end(), option) != options.end();
}

const OciNamespace* OciSpec::Namespace(std::string_view type) const {
    for (const auto& space : namespaces)
        if (space.type == type) return &space;
    return nullptr;
}

const Json& OciSpec::Resources() const {
    static const Json none;
    const Json* section = Member(*document, "linux");
    const Json* resources = section == nullptr ? nullptr : Member(*section, "resources");
    return resources == nullptr ? none : *resources;
}

Result<OciProcess> ParseProcess(const Json& process) {
    if (!process.is_object()) return Fail("must be an object");
    OciProcess out;
    CC_ASSIGN(out.terminal, BoolMember(process, "terminal"));
    CC_ASSIGN(const Json* size, ObjectMember(process, "consoleSize"));
    if (size != nullptr) {
        CC_ASSIGN(out.rows, IntMember(*size, "height", 0, 0, 65535));
        CC_ASSIGN(out.columns, IntMember(*size, "width", 0, 0, 65535));
    }
    CC_TRY(Context("user", ParseUser(process, out)));
    // Strings of a process end at a NUL byte: with one inside, what is checked is not what would be
    // run.
    CC_ASSIGN(out.args, TextsMember(process, "args"));
    CC_ASSIGN(out.env, TextsMember(process, "env"));
    CC_ASSIGN(out.cwd, TextMember(process, "cwd"));
    CC_ASSIGN(out.no_new_privileges, BoolMember(process, "noNewPrivileges"));
    CC_ASSIGN(out.capabilities, Context("capabilities", ParseCapabilities(process)));
    return out;
}

Result<OciSpec> ParseSpec(std::string_view text) {
    CC_ASSIGN(Json json, ParseJson(text, {.bytes = kMaxSpecBytes, .depth = kMaxSpecDepth}));
    if (!json.is_object()) return Fail("must be a JSON object");
    OciSpec spec;
    CC_ASSIGN(spec.version, StringMember(json, "ociVersion"));
    CC_ASSIGN(const Json* root, ObjectMember(json, "root"));
    if (root != nullptr) {
        CC_ASSIGN(spec.root_path, Context("root", TextMember(*root, "path")));
        CC_ASSIGN(spec.root_read_only, Context("root", BoolMember(*root, "readonly")));
    }
    CC_ASSIGN(const Json* process, ObjectMember(json, "process"));
    if (process != nullptr) {
        CC_ASSIGN(spec.process, Context("process", ParseProcess(*process)));
    }
    CC_ASSIGN(spec.mounts, ParseMounts(json));
    CC_TRY(ParseLinux(json, spec));
    CC_ASSIGN(spec.annotations, ParseAnnotations(json));
    // Hooks are read where they are run; what is wrong with one shall be known before.
    for (const auto stage : kHookStages)
        CC_TRY(ParseHooks(json, stage));
    spec.document = std::make_shared<const Json>(std::move(json));
    return spec;
}

Result<void> CheckProcess(const OciProcess& process) {
    if (process.args.empty() || process.args[0].empty())
        return Fail("process.args must not be empty");
    if (process.cwd.empty()) return Fail("process.cwd must not be empty");
    if (process.cwd[0] != '/') return Fail("process.cwd must be an absolute path");
    return {};
}

Result<void> CheckSpec(const OciSpec& spec) {
    if (spec.version.empty()) return Fail("ociVersion is missing");
    if (!spec.version.starts_with("1."))
        return Fail(Cat("ociVersion ", Quoted(spec.version), " is not supported, 1.x is"));
    if (!spec.process) return Fail("process is missing");
    CC_TRY(CheckProcess(*spec.process));
    if (spec.root_path.empty()) return Fail("root.path is missing");
    return {};
}

}  // namespace cc::runtime
