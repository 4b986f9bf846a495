// SPDX-License-Identifier: Apache-2.0
#include "runtime/oci/caller_limits.h"

#include <algorithm>
#include <set>
#include <string>

#include <sys/resource.h>

#include "base/json_full.h"

namespace cc::runtime {

namespace {

struct Type {
    const char* name;
    int resource;
    rlim_t most = RLIM_INFINITY;
};

// Linux lets nobody have more open files than fs.nr_open, and this is its default.
constexpr rlim_t kMostFiles = 1024 * 1024;

constexpr Type kTypes[] = {
    {"RLIMIT_AS", RLIMIT_AS},
    {"RLIMIT_CORE", RLIMIT_CORE},
    {"RLIMIT_CPU", RLIMIT_CPU},
    {"RLIMIT_DATA", RLIMIT_DATA},
    {"RLIMIT_FSIZE", RLIMIT_FSIZE},
    {"RLIMIT_LOCKS", RLIMIT_LOCKS},
    {"RLIMIT_MEMLOCK", RLIMIT_MEMLOCK},
    {"RLIMIT_MSGQUEUE", RLIMIT_MSGQUEUE},
    {"RLIMIT_NICE", RLIMIT_NICE},
    {"RLIMIT_NOFILE", RLIMIT_NOFILE, kMostFiles},
    {"RLIMIT_NPROC", RLIMIT_NPROC},
    {"RLIMIT_RSS", RLIMIT_RSS},
    {"RLIMIT_RTPRIO", RLIMIT_RTPRIO},
    {"RLIMIT_RTTIME", RLIMIT_RTTIME},
    {"RLIMIT_SIGPENDING", RLIMIT_SIGPENDING},
    {"RLIMIT_STACK", RLIMIT_STACK},
};

}  // namespace

void AddCallerLimits(Json& process) {
    if (!process.is_object()) return;
    Json& limits = process["rlimits"];
    if (limits.is_null()) limits = Json::array();
    if (!limits.is_array()) return;  // the guest says what is wrong with it
    std::set<std::string> named;
    for (const auto& limit : limits)
        named.insert(StringMember(limit, "type").value_or(""));
    for (const auto& type : kTypes) {
        rlimit own{};
        if (named.contains(type.name) ||
            ::getrlimit(static_cast<__rlimit_resource>(type.resource), &own) < 0)
            continue;
        limits.push_back({{"type", type.name},
                          {"soft", std::min(own.rlim_cur, type.most)},
                          {"hard", std::min(own.rlim_max, type.most)}});
    }
}

}  // namespace cc::runtime
