// SPDX-License-Identifier: Apache-2.0
// The process object of an OCI configuration.
#include <algorithm>

#include <sys/resource.h>

#include "agent/oci_reader.h"
#include "base/json_full.h"

namespace cc::agent {

namespace {

struct NamedResource {
    std::string_view name;
    int resource;
};
constexpr NamedResource kResources[] = {
    {"RLIMIT_AS", RLIMIT_AS},           {"RLIMIT_CORE", RLIMIT_CORE},
    {"RLIMIT_CPU", RLIMIT_CPU},         {"RLIMIT_DATA", RLIMIT_DATA},
    {"RLIMIT_FSIZE", RLIMIT_FSIZE},     {"RLIMIT_LOCKS", RLIMIT_LOCKS},
    {"RLIMIT_MEMLOCK", RLIMIT_MEMLOCK}, {"RLIMIT_MSGQUEUE", RLIMIT_MSGQUEUE},
    {"RLIMIT_NICE", RLIMIT_NICE},       {"RLIMIT_NOFILE", RLIMIT_NOFILE},
    {"RLIMIT_NPROC", RLIMIT_NPROC},     {"RLIMIT_RSS", RLIMIT_RSS},
    {"RLIMIT_RTPRIO", RLIMIT_RTPRIO},   {"RLIMIT_RTTIME", RLIMIT_RTTIME},
    {"RLIMIT_STACK", RLIMIT_STACK},     {"RLIMIT_SIGPENDING", RLIMIT_SIGPENDING},
};

// Limits use all 64 bits: 18446744073709551615 is "infinity". Some writers say -1 for it.
Result<uint64_t> LimitMember(const Json& object, std::string_view key) {
    const Json* value = Member(object, key);
    if (value == nullptr) return uint64_t{0};
    if (!value->is_number_integer()) return Fail(Cat(Quoted(key), " must be an integer"));
    return value->is_number_unsigned() ? value->get<uint64_t>()
                                       : static_cast<uint64_t>(value->get<int64_t>());
}

Result<Rlimit> ReadRlimit(const Json& json) {
    Rlimit limit;
    CC_ASSIGN(limit.name, TextMember(json, "type"));
    const auto* found = std::find_if(std::begin(kResources), std::end(kResources),
                                     [&](const auto& known) { return known.name == limit.name; });
    if (found == std::end(kResources))
        return Fail(Cat("the type ", Quoted(limit.name, 32), " is unknown"));
    limit.resource = found->resource;
    CC_ASSIGN(limit.soft, LimitMember(json, "soft"));
    CC_ASSIGN(limit.hard, LimitMember(json, "hard"));
    return limit;
}

Result<std::vector<Rlimit>> ReadRlimits(const Json& json) {
    CC_ASSIGN(auto limits, ListMember(json, "rlimits", ReadRlimit));
    for (size_t i = 0; i < limits.size(); ++i)
        for (size_t earlier = 0; earlier < i; ++earlier)
            if (limits[earlier].resource == limits[i].resource)
                return Fail(Cat("rlimits: ", limits[i].name, " is given twice"));
    return limits;
}

Result<CapabilitySets> ReadCapabilities(const Json& json) {
    CapabilitySets sets;
    const std::pair<std::string_view, uint64_t*> members[] = {{"bounding", &sets.bounding},
                                                              {"effective", &sets.effective},
                                                              {"inheritable", &sets.inheritable},
                                                              {"permitted", &sets.permitted},
                                                              {"ambient", &sets.ambient}};
    for (const auto& [key, set] : members) {
        CC_ASSIGN(const auto names, StringsMember(json, key));
        *set = ParseCapabilities(names);
    }
    return sets;
}

Result<void> ReadUser(const Json& json, ProcessSpec& process) {
    UserSpec& user = process.user;
    CC_ASSIGN(user.uid, UnsignedMember(json, "uid", 0, UINT32_MAX - 1));
    CC_ASSIGN(user.gid, UnsignedMember(json, "gid", 0, UINT32_MAX - 1));
    CC_ASSIGN(process.umask, UnsignedMember(json, "umask", 022, 0777));
    CC_ASSIGN(const Json* groups, ArrayMember(json, "additionalGids"));
    if (groups == nullptr) return {};
    for (const auto& group : *groups) {
        if (!group.is_number_unsigned() || group.get<uint64_t>() >= UINT32_MAX)
            return Fail("\"additionalGids\" must be group numbers");
        user.additional_gids.push_back(group.get<uint32_t>());
    }
    return {};
}

Result<void> ReadPrivileges(const Json& json, const ProcessSpec* container, ProcessSpec& process) {
    CC_ASSIGN(process.no_new_privileges, BoolMember(json, "noNewPrivileges"));
    CC_ASSIGN(const Json* capabilities, ObjectMember(json, "capabilities"));
    if (capabilities != nullptr) {
        CC_ASSIGN(process.capabilities, Context("capabilities", ReadCapabilities(*capabilities)));
    } else if (container != nullptr) {
        process.capabilities = container->capabilities;
    }
    CC_ASSIGN(process.rlimits, ReadRlimits(json));
    if (Member(json, "rlimits") == nullptr && container != nullptr)
        process.rlimits = container->rlimits;
    if (Member(json, "oomScoreAdj") != nullptr) {
        CC_ASSIGN(const int64_t score, IntMember(json, "oomScoreAdj", 0, -1000, 1000));
        process.oom_score_adj = static_cast<int>(score);
    } else if (container != nullptr) {
        process.oom_score_adj = container->oom_score_adj;
    }
    return {};
}

}  // namespace

Result<std::string> PathMember(const Json& object, std::string_view key) {
    CC_ASSIGN(std::string path, TextMember(object, key));
    if (path.empty()) return Fail(Cat(Quoted(key), " is missing"));
    if (!path.starts_with('/')) path.insert(0, "/");
    return path;
}

Result<ProcessSpec> ReadProcess(const Json& json, const ProcessSpec* container) {
    ProcessSpec process;
    CC_ASSIGN(process.terminal, BoolMember(json, "terminal"));
    CC_ASSIGN(const Json* size, ObjectMember(json, "consoleSize"));
    if (size != nullptr) {
        CC_ASSIGN(const uint32_t rows, UnsignedMember(*size, "height", 0, UINT16_MAX));
        CC_ASSIGN(const uint32_t columns, UnsignedMember(*size, "width", 0, UINT16_MAX));
        process.rows = static_cast<uint16_t>(rows);
        process.columns = static_cast<uint16_t>(columns);
    }
    CC_ASSIGN(const Json* user, ObjectMember(json, "user"));
    if (user != nullptr) CC_TRY(Context("user", ReadUser(*user, process)));
    CC_ASSIGN(process.args, TextsMember(json, "args"));
    if (process.args.empty() || process.args.front().empty())
        return Fail("args is empty: there is nothing to execute");
    CC_ASSIGN(process.env, TextsMember(json, "env"));
    CC_ASSIGN(process.cwd, PathMember(json, "cwd"));
    CC_TRY(ReadPrivileges(json, container, process));
    CC_TRY(ReadScheduling(json, container, process));
    return process;
}

}  // namespace cc::agent
