// SPDX-License-Identifier: Apache-2.0
#include "runtime/oci/exec_process.h"

#include <algorithm>

#include "base/json_full.h"

namespace cc::runtime {

namespace {

Result<uint32_t> ParseId(std::string_view text, std::string_view what) {
    const auto id = ParseNumber<uint32_t>(text);
    if (!id) return Fail(Cat(what, " ", Quoted(text), " is not a number"));
    return *id;
}

Result<void> SetUser(Json& process, const std::string& user) {
    const size_t colon = user.find(':');
    CC_ASSIGN(process["user"]["uid"], ParseId(user.substr(0, colon), "--user: user id"));
    if (colon == std::string::npos) return {};
    CC_ASSIGN(process["user"]["gid"], ParseId(user.substr(colon + 1), "--user: group id"));
    return {};
}

void AddCapabilities(Json& process, const std::vector<std::string>& names) {
    for (const auto& name : names)
        for (const char* set : {"bounding", "effective", "permitted"}) {
            Json& list = process["capabilities"][set];
            if (list.is_null()) list = Json::array();
            if (std::find(list.begin(), list.end(), Json(name)) == list.end()) list.push_back(name);
        }
}

Result<ExecProcess> Checked(const Json& json) {
    ExecProcess made;
    CC_ASSIGN(made.process, Context("process", ParseProcess(json)));
    CC_TRY(CheckProcess(made.process));
    made.json = DumpJson(json);
    return made;
}

Json SizeJson(int rows, int columns) {
    return {{"height", rows}, {"width", columns}};
}

}  // namespace

Result<ExecProcess> MakeExecProcess(const OciSpec& container, const ExecRequest& request) {
    if (request.command.empty()) return Fail("process args cannot be empty");
    Json process = (*container.document)["process"];
    process.erase("consoleSize");
    process["args"] = request.command;
    process["terminal"] = request.tty;
    if (request.cwd) process["cwd"] = *request.cwd;
    for (const auto& entry : request.env)
        process["env"].push_back(entry);
    if (!request.user.empty()) CC_TRY(SetUser(process, request.user));
    for (const auto& group : request.additional_gids) {
        CC_ASSIGN(const uint32_t id, ParseId(group, "--additional-gids: group id"));
        process["user"]["additionalGids"].push_back(id);
    }
    AddCapabilities(process, request.capabilities);
    if (request.no_new_privileges) process["noNewPrivileges"] = true;
    return Checked(process);
}

Result<ExecProcess> ReadExecProcess(std::string_view text) {
    CC_ASSIGN(const Json json, ParseJson(text, {.bytes = kMaxSpecBytes, .depth = kMaxSpecDepth}));
    return Checked(json);
}

Result<std::string> SubCgroup(const std::vector<std::string>& values) {
    if (values.empty()) return std::string();
    for (const auto& value : values) {
        const std::string wrong = Cat("invalid --cgroup argument: ", Quoted(value));
        const auto parts = Split(value, ':');
        if (parts.size() > 2 || parts.back().empty()) return Fail(wrong);
        if (parts.size() == 2 && !parts[0].empty())
            return Fail(Cat(wrong, ": unknown controller ", Quoted(parts[0], 64),
                            "; the guest has the unified hierarchy, where a path stands alone"));
        if (values.size() > 1) return Fail(Cat(wrong, " (missing <controller>: prefix)"));
    }
    const std::string path = Split(values.front(), ':').back();
    // What a process of the container sees as "/../x" is not the container's.
    const auto names = Split(path, '/');
    if (std::find(names.begin(), names.end(), "..") != names.end())
        return Fail(Cat("--cgroup: ", Quoted(path), " is not a sub cgroup path"));
    return path;
}

Result<ExecProcess> WithConsoleSize(ExecProcess process, int rows, int columns) {
    if (process.process.rows != 0) return process;
    CC_ASSIGN(Json json, ParseJson(process.json, {.bytes = kMaxSpecBytes, .depth = kMaxSpecDepth}));
    json["consoleSize"] = SizeJson(rows, columns);
    return Checked(json);
}

std::string ConfigWithConsoleSize(const OciSpec& spec, int rows, int columns) {
    Json json = *spec.document;
    json["process"]["consoleSize"] = SizeJson(rows, columns);
    return DumpJson(json);
}

}  // namespace cc::runtime
