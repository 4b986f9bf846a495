// SPDX-License-Identifier: Apache-2.0
#include "protocol/vm_verbs.h"

#include <algorithm>
#include <array>

#include "base/json_full.h"
#include "protocol/disk.h"

namespace cc {

namespace {

struct VerbName {
    VmVerb verb;
    std::string_view name;
};
constexpr std::array<VerbName, 14> kVerbs{{{VmVerb::kStatus, "status"},
                                           {VmVerb::kShareAdd, "share_add"},
                                           {VmVerb::kShareRemove, "share_remove"},
                                           {VmVerb::kConsole, "console"},
                                           {VmVerb::kPause, "pause"},
                                           {VmVerb::kResume, "resume"},
                                           {VmVerb::kAttachNetwork, "attach_network"},
                                           {VmVerb::kWatchNetwork, "watch_network"},
                                           {VmVerb::kAddDisk, "add_disk"},
                                           {VmVerb::kRemoveDisks, "remove_disks"},
                                           {VmVerb::kGrow, "grow"},
                                           {VmVerb::kAdopt, "adopt"},
                                           {VmVerb::kStartProxy, "start_proxy"},
                                           {VmVerb::kStop, "stop"}}};

bool TakesPath(VmVerb verb) {
    return verb == VmVerb::kShareAdd || verb == VmVerb::kShareRemove || verb == VmVerb::kAdopt ||
           verb == VmVerb::kWatchNetwork;
}

bool TakesDirectory(VmVerb verb) {
    return verb == VmVerb::kAdopt || verb == VmVerb::kWatchNetwork;
}

bool TakesOwner(VmVerb verb) {
    return verb == VmVerb::kAddDisk || verb == VmVerb::kRemoveDisks;
}

// Relative, every component a plain name of a length that a file can have.
Result<void> CheckSharePath(std::string_view path) {
    if (path.empty() || path.size() > 4095) return Fail("the path is empty or too long");
    if (path.find('\0') != std::string_view::npos) return Fail("the path holds a NUL byte");
    for (const auto& component : Split(path, '/'))
        if (component.empty() || component == "." || component == ".." || component.size() > 255)
            return Fail(Cat("the path ", Quoted(path), " is not a plain path below the share"));
    return {};
}

Result<void> CheckAbsolute(std::string_view path, std::string_view what) {
    if (path.empty() || path.front() != '/' || path.size() > 4095 ||
        path.find('\0') != std::string_view::npos)
        return Fail(Cat(Quoted(path), " is not the absolute path of a ", what));
    return {};
}

// Bytes of a guest's console cost up to six each in JSON (\u00XX): the answer stays below the
// message limit.
static_assert(kConsoleTail * 6 < kMaxVmMessage);

constexpr JsonLimits kVmLimits{.bytes = kMaxVmMessage, .depth = 8};

Result<VmGrowth> GrowthFromJson(const Json& document) {
    VmGrowth growth;
    CC_ASSIGN(growth.mib, IntMember(document, "mib", 0, 0, kMostGrowthMib));
    CC_ASSIGN(growth.cpus, IntMember(document, "cpus", 0, 0, kMostGrowthCpus));
    if (growth.mib % kMemoryBlockMib != 0)
        return Fail(Cat(growth.mib, " MiB is no multiple of ", kMemoryBlockMib));
    if (growth.none()) return Fail("neither memory nor processors are asked for");
    return growth;
}

Json ToJson(const ProxyAddress& proxy) {
    return {{"socket", proxy.socket},
            {"executable", proxy.executable},
            {"log_level", proxy.log_level},
            {"ksm", proxy.ksm}};
}

Result<ProxyAddress> ProxyFromJson(const Json& document) {
    ProxyAddress proxy;
    CC_ASSIGN(proxy.socket, StringMember(document, "socket"));
    CC_ASSIGN(proxy.executable, StringMember(document, "executable"));
    CC_ASSIGN(proxy.log_level, StringMember(document, "log_level"));
    CC_ASSIGN(proxy.ksm, StringMember(document, "ksm"));
    CC_TRY(CheckAbsolute(proxy.socket, "socket"));
    CC_TRY(CheckAbsolute(proxy.executable, "program"));
    return proxy;
}

Result<VmReply> ReplyFromJson(const Json& document) {
    VmReply reply;
    CC_ASSIGN(reply.error, StringMember(document, "error"));
    CC_ASSIGN(const bool ok, BoolMember(document, "ok"));
    if (!ok && reply.error.empty()) return Fail("neither success nor an error");
    constexpr int64_t most = INT64_MAX;
    CC_ASSIGN(reply.status.keeper_pid, IntMember(document, "keeper_pid", 0, 0, most));
    CC_ASSIGN(reply.status.vmm_pid, IntMember(document, "vmm_pid", 0, 0, most));
    CC_ASSIGN(const Json* servers, ArrayMember(document, "file_server_pids"));
    for (size_t i = 0; servers != nullptr && i < servers->size(); ++i) {
        if (!(*servers)[i].is_number_unsigned() || (*servers)[i].get<uint64_t>() > INT32_MAX)
            return Fail("file_server_pids: what is no process number");
        reply.status.file_server_pids.push_back((*servers)[i].get<int64_t>());
    }
    CC_ASSIGN(reply.status.paused, BoolMember(document, "paused"));
    CC_ASSIGN(reply.status.memory_mib, IntMember(document, "memory_mib", 0, 0, most));
    CC_ASSIGN(reply.status.cpus, IntMember(document, "cpus", 0, 0, most));
    CC_ASSIGN(reply.status.acceleration, StringMember(document, "acceleration"));
    CC_ASSIGN(reply.status.acceleration_reason, StringMember(document, "acceleration_reason"));
    CC_ASSIGN(reply.status.vmm_start_ms, IntMember(document, "vmm_start_ms", 0, 0, most));
    CC_ASSIGN(reply.console, StringMember(document, "console"));
    CC_ASSIGN(reply.killed, BoolMember(document, "killed"));
    CC_ASSIGN(const int64_t disk, IntMember(document, "disk", 0, 0, kMostDisks - 1));
    reply.disk = static_cast<int>(disk);
    return reply;
}

}  // namespace

std::string Encode(const VmRequest& request) {
    Json document;
    for (const auto& [verb, name] : kVerbs)
        if (verb == request.verb) document["verb"] = std::string(name);
    if (TakesPath(request.verb)) document["path"] = request.path;
    if (request.verb == VmVerb::kGrow) {
        document["mib"] = request.growth.mib;
        document["cpus"] = request.growth.cpus;
    }
    if (request.verb == VmVerb::kAttachNetwork) document.update(ToJson(request.card));
    if (request.verb == VmVerb::kWatchNetwork) document["sandbox"] = request.sandbox;
    if (TakesOwner(request.verb)) document["owner"] = request.owner;
    if (request.verb == VmVerb::kAddDisk) document["read_only"] = request.read_only;
    if (request.verb == VmVerb::kStartProxy) document.update(ToJson(request.proxy));
    return DumpJson(document);
}

Result<VmRequest> ParseVmRequest(std::string_view text) {
    CC_ASSIGN(const Json document, Context("Vm request", ParseJson(text, kVmLimits)));
    CC_ASSIGN(const std::string name, Context("Vm request", StringMember(document, "verb")));
    const auto* found = std::find_if(kVerbs.begin(), kVerbs.end(),
                                     [&](const VerbName& verb) { return verb.name == name; });
    if (found == kVerbs.end()) return Fail(Cat("Vm request: unknown verb ", Quoted(name)));
    VmRequest request{.verb = found->verb, .path = {}};
    if (TakesPath(request.verb)) {
        CC_ASSIGN(request.path, Context(name, StringMember(document, "path")));
        CC_TRY(Context(name, TakesDirectory(request.verb) ? CheckAbsolute(request.path, "directory")
                                                          : CheckSharePath(request.path)));
    }
    if (request.verb == VmVerb::kAttachNetwork) {
        CC_ASSIGN(request.card, Context(name, ParseCard(document)));
    }
    if (request.verb == VmVerb::kWatchNetwork) {
        CC_ASSIGN(request.sandbox, Context(name, StringMember(document, "sandbox")));
        if (request.sandbox.empty()) return Fail(Cat(name, ": no sandbox is named"));
    }
    if (TakesOwner(request.verb)) {
        CC_ASSIGN(request.owner, Context(name, StringMember(document, "owner")));
        if (request.owner.empty()) return Fail(Cat(name, ": no owner is named"));
        CC_ASSIGN(request.read_only, Context(name, BoolMember(document, "read_only")));
    }
    if (request.verb == VmVerb::kStartProxy) {
        CC_ASSIGN(request.proxy, Context(name, ProxyFromJson(document)));
    }
    if (request.verb == VmVerb::kGrow) {
        CC_ASSIGN(request.growth, Context(name, GrowthFromJson(document)));
    }
    return request;
}

std::string Encode(const VmReply& reply, VmVerb to) {
    Json document;
    if (!reply.error.empty()) {
        document["error"] = reply.error;
        if (reply.killed) document["killed"] = true;
        return DumpJson(document);
    }
    document["ok"] = true;
    if (to == VmVerb::kStatus || to == VmVerb::kAdopt) {
        document["keeper_pid"] = reply.status.keeper_pid;
        document["vmm_pid"] = reply.status.vmm_pid;
        if (!reply.status.file_server_pids.empty())
            document["file_server_pids"] = reply.status.file_server_pids;
        document["paused"] = reply.status.paused;
        document["memory_mib"] = reply.status.memory_mib;
        document["cpus"] = reply.status.cpus;
        document["acceleration"] = reply.status.acceleration;
        document["acceleration_reason"] = reply.status.acceleration_reason;
        document["vmm_start_ms"] = reply.status.vmm_start_ms;
    }
    if (to == VmVerb::kConsole) document["console"] = reply.console;
    if (to == VmVerb::kAddDisk) document["disk"] = reply.disk;
    return DumpJson(document);
}

Result<VmReply> ParseVmReply(std::string_view text) {
    CC_ASSIGN(const Json document, Context("Vm reply", ParseJson(text, kVmLimits)));
    return Context("Vm reply", ReplyFromJson(document));
}

}  // namespace cc
