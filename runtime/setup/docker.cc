// SPDX-License-Identifier: Apache-2.0
// daemon.json: runtimes, and default-runtime.
#include "runtime/setup/docker.h"

#include "base/json_full.h"

namespace cc::runtime {

namespace {

constexpr const char* kRuntimes = "runtimes";
constexpr const char* kDefault = "default-runtime";

Result<Json> ParseDaemonJson(const std::string& text, const std::string& path) {
    if (Trim(text).empty()) return Json::object();
    auto json = ParseJson(text);
    if (!json)
        return Fail(
            Cat(path, ": ", json.error().message, "; correct the file first, nothing was changed"));
    if (!json->is_object()) return Fail(Cat(path, ": not an object"));
    for (const auto& [key, wanted] :
         {std::pair(kRuntimes, Json::value_t::object), std::pair(kDefault, Json::value_t::string)})
        if (const auto at = json->find(key); at != json->end() && at->type() != wanted)
            return Fail(Cat(path, ": ", key, " is not ",
                            wanted == Json::value_t::object ? "an object" : "a string"));
    return json;
}

// In the file's own indentation: that of its first indented line.
std::string Write(const Json& json, const std::string& like) {
    const size_t line = like.find_first_of(" \t", std::min(like.find('\n'), like.size()));
    const size_t end = line == std::string::npos ? line : like.find_first_not_of(" \t", line);
    const bool tabs = end != std::string::npos && like[line] == '\t';
    const bool known = end != std::string::npos && like[line - 1] == '\n';
    const int width = known ? static_cast<int>(end - line) : 2;
    return json.dump(width, tabs ? '\t' : ' ', false, Json::error_handler_t::replace) + "\n";
}

bool IsDefault(const Json& json) {
    const auto at = json.find(kDefault);
    return at != json.end() && *at == kRuntimeName;
}

void Remove(Json& json, const Json& before) {
    if (const auto at = json.find(kRuntimes); at != json.end()) {
        at->erase(kRuntimeName);
        if (at->empty() && !before.contains(kRuntimes)) json.erase(kRuntimes);
    }
    if (!IsDefault(json)) return;
    if (before.contains(kDefault) && before[kDefault] != kRuntimeName)
        json[kDefault] = before[kDefault];
    else
        json.erase(kDefault);
}

}  // namespace

Result<EngineEdit> EditDocker(const EngineFile& file, const SetupWish& wish) {
    CC_ASSIGN(const Json old, ParseDaemonJson(file.text, file.path));
    CC_ASSIGN(const Json before, ParseDaemonJson(file.backup, file.path + "'s backup"));
    Json json = old;
    if (wish.undo) {
        Remove(json, before);
        if (json != old && json == before) return EngineEdit{file.backup, {}};
    } else {
        json[kRuntimes][kRuntimeName]["path"] = wish.runtime;
        if (wish.make_default) json[kDefault] = kRuntimeName;
    }
    if (json == old) return EngineEdit{file.text, {}};
    return EngineEdit{json.empty() ? "" : Write(json, file.text), {}};
}

}  // namespace cc::runtime
