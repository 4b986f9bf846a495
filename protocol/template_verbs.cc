// SPDX-License-Identifier: Apache-2.0
#include "protocol/template_verbs.h"

#include <algorithm>
#include <array>

#include "base/json_full.h"

namespace cc {

namespace {

constexpr JsonLimits kTemplateLimits{.bytes = kMaxVmMessage, .depth = 8};
constexpr int64_t kMostPooled = 1000;

constexpr std::array<std::pair<TemplateVerb, std::string_view>, 4> kTemplateVerbs{
    {{TemplateVerb::kTake, "take"},
     {TemplateVerb::kWait, "wait"},
     {TemplateVerb::kStatus, "status"},
     {TemplateVerb::kStop, "stop"}}};

Json ToJson(const TemplateStatus& status) {
    return {{"pid", status.pid},
            {"ready", status.ready},
            {"memory_bytes", status.memory_bytes},
            {"pool", status.pool},
            {"pool_ready", status.pool_ready},
            {"clones", status.clones},
            {"started", status.started_s},
            {"kernel", status.kernel},
            {"machine", status.machine},
            {"memory_mib", status.memory_mib}};
}

Result<TemplateStatus> StatusFromJson(const Json& json) {
    TemplateStatus status;
    const auto number = [&](std::string_view key, int64_t& to) -> Result<void> {
        CC_ASSIGN(to, IntMember(json, key, 0, 0, INT64_MAX));
        return {};
    };
    CC_TRY(number("pid", status.pid));
    CC_ASSIGN(status.ready, BoolMember(json, "ready"));
    CC_TRY(number("memory_bytes", status.memory_bytes));
    CC_TRY(number("pool", status.pool));
    CC_TRY(number("pool_ready", status.pool_ready));
    CC_TRY(number("clones", status.clones));
    CC_TRY(number("started", status.started_s));
    CC_ASSIGN(status.kernel, StringMember(json, "kernel"));
    CC_ASSIGN(status.machine, StringMember(json, "machine"));
    CC_TRY(number("memory_mib", status.memory_mib));
    return status;
}

Result<TemplateReply> TemplateReplyFromJson(const Json& document) {
    TemplateReply reply;
    CC_ASSIGN(reply.error, StringMember(document, "error"));
    CC_ASSIGN(const bool ok, BoolMember(document, "ok"));
    if (!ok && reply.error.empty()) return Fail("neither success nor an error");
    if (const Json* vm = Member(document, "vm")) {
        reply.pooled = true;
        CC_ASSIGN(const VmReply status, ParseVmReply(DumpJson(*vm)));
        reply.vm = status.status;
    }
    if (const Json* status = Member(document, "status")) {
        CC_ASSIGN(reply.status, StatusFromJson(*status));
    }
    return reply;
}

}  // namespace

std::string Encode(const TemplateConfig& config) {
    Json document;
    document["directory"] = config.directory;
    document["key"] = config.key;
    document["vm"] = Encode(config.vm);
    document["pool"] = config.pool;
    return DumpJson(document);
}

Result<TemplateConfig> ParseTemplateConfig(std::string_view text) {
    CC_ASSIGN(const Json document, Context("template configuration", ParseJson(text)));
    TemplateConfig config;
    CC_ASSIGN(config.directory, StringMember(document, "directory"));
    CC_ASSIGN(config.key, StringMember(document, "key"));
    CC_ASSIGN(const std::string vm, StringMember(document, "vm"));
    CC_ASSIGN(config.vm, ParseVmConfig(vm));
    CC_ASSIGN(config.pool, IntMember(document, "pool", 0, 0, kMostPooled));
    return config;
}

std::string Encode(const TemplateRequest& request) {
    Json document;
    for (const auto& [verb, name] : kTemplateVerbs)
        if (verb == request.verb) document["verb"] = std::string(name);
    if (request.verb == TemplateVerb::kTake || request.verb == TemplateVerb::kWait)
        document["key"] = request.key;
    if (request.verb == TemplateVerb::kTake) document["directory"] = request.directory;
    return DumpJson(document);
}

Result<TemplateRequest> ParseTemplateRequest(std::string_view text) {
    CC_ASSIGN(const Json document, Context("template request", ParseJson(text, kTemplateLimits)));
    CC_ASSIGN(const std::string name, Context("template request", StringMember(document, "verb")));
    const auto* found = std::find_if(kTemplateVerbs.begin(), kTemplateVerbs.end(),
                                     [&](const auto& verb) { return verb.second == name; });
    if (found == kTemplateVerbs.end())
        return Fail(Cat("template request: unknown verb ", Quoted(name)));
    TemplateRequest request;
    request.verb = found->first;
    CC_ASSIGN(request.key, Context(name, StringMember(document, "key")));
    if (request.verb != TemplateVerb::kTake) return request;
    CC_ASSIGN(request.directory, Context(name, StringMember(document, "directory")));
    if (!request.directory.starts_with('/') || request.directory.find('\0') != std::string::npos)
        return Fail(Cat("take: ", Quoted(request.directory), " is not an absolute path"));
    return request;
}

std::string Encode(const TemplateReply& reply, TemplateVerb to) {
    Json document;
    if (!reply.error.empty()) {
        document["error"] = reply.error;
        return DumpJson(document);
    }
    document["ok"] = true;
    if (reply.pooled)
        document["vm"] = *ParseJson(
            Encode(VmReply{.error = {}, .status = reply.vm, .console = {}}, VmVerb::kStatus));
    if (to == TemplateVerb::kStatus) document["status"] = ToJson(reply.status);
    return DumpJson(document);
}

Result<TemplateReply> ParseTemplateReply(std::string_view text) {
    CC_ASSIGN(const Json document, Context("template reply", ParseJson(text, kTemplateLimits)));
    return Context("template reply", TemplateReplyFromJson(document));
}

}  // namespace cc
