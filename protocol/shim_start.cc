// SPDX-License-Identifier: Apache-2.0
#include "protocol/shim_start.h"

#include "base/json_full.h"

namespace cc {

std::string Encode(const ShimStart& start) {
    Json json = Json::object();
    json["token"] = start.token;
    json["uri"] = start.uri;
    if (!start.keeper.empty()) json["keeper"] = start.keeper;
    if (!start.proxy_executable.empty()) json["proxyExecutable"] = start.proxy_executable;
    if (!start.proxy_log_level.empty()) json["proxyLogLevel"] = start.proxy_log_level;
    if (!start.proxy_ksm.empty()) json["proxyKsm"] = start.proxy_ksm;
    if (start.connected) json["connected"] = true;
    if (!start.memory_cgroup.empty()) json["memoryCgroup"] = start.memory_cgroup;
    return DumpJson(json);
}

Result<ShimStart> ParseShimStart(std::string_view text) {
    CC_ASSIGN(const Json json, ParseJson(text, {.bytes = 16384, .depth = 4}));
    if (!json.is_object()) return Fail("the start message is not a JSON object");
    ShimStart start;
    CC_ASSIGN(start.token, StringMember(json, "token"));
    CC_ASSIGN(start.uri, StringMember(json, "uri"));
    CC_ASSIGN(start.keeper, StringMember(json, "keeper"));
    CC_ASSIGN(start.proxy_executable, StringMember(json, "proxyExecutable"));
    CC_ASSIGN(start.proxy_log_level, StringMember(json, "proxyLogLevel"));
    CC_ASSIGN(start.proxy_ksm, StringMember(json, "proxyKsm"));
    CC_ASSIGN(start.connected, BoolMember(json, "connected"));
    CC_ASSIGN(start.memory_cgroup, StringMember(json, "memoryCgroup"));
    if (start.token.empty() || start.uri.empty())
        return Fail("the start message lacks its token or uri");
    return start;
}

}  // namespace cc
