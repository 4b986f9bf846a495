// SPDX-License-Identifier: Apache-2.0
#include "proxy/vm_record.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <limits>
#include <map>

#include "base/json_full.h"
#include "base/text.h"
#include "protocol/link_frame.h"
#include "proxy/limits.h"

namespace cc::proxy {

namespace {

constexpr int kFormat = 1;
constexpr int64_t kMaxInt = std::numeric_limits<int64_t>::max();
constexpr int64_t kMaxBase = kMaxInt - 2;  // there is a next one
constexpr JsonLimits kRecordLimits{.bytes = 8 * 1024 * 1024, .depth = 4};
constexpr std::array<std::string_view, 4> kStates{"none", "reserved", "sent", "started"};

Json ToJson(const SessionRecord& session) {
    Json json{{"base", session.base}, {"token", session.token},
              {"user", session.user}, {"process", kStates[static_cast<size_t>(session.process)]},
              {"exec", session.exec}, {"container", session.container}};
    if (session.request != 0) json["request"] = Cat(session.request);
    return json;
}

Json ToJson(const SpentRecord& spent) {
    return {{"base", spent.base},
            {"token", spent.token},
            {"user", spent.user},
            {"request", Cat(spent.request)}};
}

Result<uint64_t> ParseBase(const Json& json) {
    CC_ASSIGN(const int64_t base, IntMember(json, "base", 0, 1, kMaxBase));
    return static_cast<uint64_t>(base);
}

// As text: JSON's numbers are signed here.
Result<uint64_t> ParseRequest(const Json& json) {
    CC_ASSIGN(const std::string text, StringMember(json, "request"));
    if (text.empty()) return 0;
    const auto request = ParseNumber<uint64_t>(text);
    if (!request) return Fail(Cat("the bad request id ", Quoted(text)));
    return *request;
}

Result<SpentRecord> ParseSpent(const Json& json) {
    SpentRecord spent;
    CC_ASSIGN(spent.base, ParseBase(json));
    CC_ASSIGN(spent.token, StringMember(json, "token"));
    if (spent.token.empty() || !IsWellFormedToken(spent.token)) return Fail("a bad token");
    CC_ASSIGN(const int64_t user, IntMember(json, "user", 0, 0, std::numeric_limits<uid_t>::max()));
    spent.user = static_cast<uid_t>(user);
    CC_ASSIGN(spent.request, ParseRequest(json));
    return spent;
}

Result<SessionRecord> ParseSession(const Json& json) {
    CC_ASSIGN(SpentRecord common, ParseSpent(json));
    SessionRecord session;
    session.base = common.base;
    session.token = std::move(common.token);
    session.user = common.user;
    session.request = common.request;
    CC_ASSIGN(const std::string process, StringMember(json, "process"));
    const auto state = std::find(kStates.begin(), kStates.end(), process);
    if (state == kStates.end()) return Fail(Cat("the unknown process state ", Quoted(process)));
    session.process = static_cast<ProcessState>(state - kStates.begin());
    CC_ASSIGN(session.exec, BoolMember(json, "exec"));
    CC_ASSIGN(session.container, StringMember(json, "container"));
    return session;
}

Result<VmRecord> ParseWhole(std::string_view text) {
    CC_ASSIGN(const Json json, ParseJson(text, kRecordLimits));
    CC_ASSIGN(const int64_t format, IntMember(json, "format", 0, 0, kMaxInt));
    if (format != kFormat) return Fail(Cat("a record of format ", format));
    VmRecord record;
    CC_ASSIGN(record.request.container_id, StringMember(json, "id"));
    CC_ASSIGN(record.request.ctl_serial, StringMember(json, "ctlSerial"));
    CC_ASSIGN(record.request.io_serial, StringMember(json, "ioSerial"));
    CC_ASSIGN(record.request.console, StringMember(json, "console"));
    CC_ASSIGN(record.unregistered, BoolMember(json, "unregistered"));
    CC_ASSIGN(const int64_t extension, IntMember(json, "extension", 0, 0, kAgentExtension));
    record.extension = static_cast<int>(extension);
    record.offer.extension = record.extension;
    CC_ASSIGN(record.offer.started_ms, IntMember(json, "startedMs", 0, 0, kMaxInt));
    CC_ASSIGN(record.offer.ready_ms, IntMember(json, "readyMs", 0, 0, kMaxInt));
    CC_ASSIGN(const std::string marker, StringMember(json, "marker"));
    record.marker = HexDecode(marker).value_or("");
    if (record.extension >= kLinkExtension && record.marker.size() != kMarkerSize)
        return Fail("a bad marker");
    constexpr int64_t max_epoch = std::numeric_limits<int32_t>::max();
    CC_ASSIGN(const int64_t epoch, IntMember(json, "epoch", 0, 0, max_epoch));
    record.epoch = static_cast<uint32_t>(epoch);
    CC_ASSIGN(const int64_t next_base, IntMember(json, "nextBase", 3, 3, kMaxInt));
    record.next_base = static_cast<uint64_t>(next_base);
    CC_ASSIGN(const Json* sessions, ArrayMember(json, "sessions"));
    if (sessions != nullptr)
        for (const auto& entry : *sessions) {
            CC_ASSIGN(SessionRecord session, ParseSession(entry));
            record.sessions.push_back(std::move(session));
        }
    CC_ASSIGN(const Json* spent, ArrayMember(json, "spent"));
    if (spent != nullptr)
        for (const auto& entry : *spent) {
            CC_ASSIGN(SpentRecord one, ParseSpent(entry));
            record.spent.push_back(std::move(one));
        }
    return record;
}

}  // namespace

std::string Encode(const VmRecord& record) {
    Json sessions = Json::array();
    for (const auto& session : record.sessions)
        sessions.push_back(ToJson(session));
    Json spent = Json::array();
    for (const auto& one : record.spent)
        spent.push_back(ToJson(one));
    Json json{{"format", kFormat},
              {"id", record.request.container_id},
              {"ctlSerial", record.request.ctl_serial},
              {"ioSerial", record.request.io_serial},
              {"console", record.request.console},
              {"unregistered", record.unregistered},
              {"extension", record.extension},
              {"startedMs", record.offer.started_ms},
              {"readyMs", record.offer.ready_ms},
              {"marker", HexEncode(record.marker)},
              {"epoch", record.epoch},
              {"nextBase", record.next_base},
              {"sessions", std::move(sessions)},
              {"spent", std::move(spent)}};
    return DumpJson(json) + '\n';
}

std::string EncodeChange(const SessionRecord& session) {
    return DumpJson(ToJson(session)) + '\n';
}

std::string EncodeGone(uint64_t base) {
    return DumpJson({{"base", base}, {"gone", true}}) + '\n';
}

std::string EncodeGone(const SpentRecord& spent) {
    Json json = ToJson(spent);
    json["gone"] = true;
    return DumpJson(json) + '\n';
}

Result<VmRecord> ParseVmRecord(std::string_view text) {
    size_t end = std::min(text.find('\n'), text.size());
    CC_ASSIGN(VmRecord record, ParseWhole(text.substr(0, end)));
    std::map<uint64_t, SessionRecord> sessions;
    for (auto& session : record.sessions)
        sessions[session.base] = std::move(session);
    while (end < text.size()) {
        const size_t begin = end + 1;
        end = text.find('\n', begin);
        if (end == std::string_view::npos) break;
        CC_ASSIGN(const Json json, ParseJson(text.substr(begin, end - begin), kRecordLimits));
        CC_ASSIGN(const bool gone, BoolMember(json, "gone"));
        CC_ASSIGN(const uint64_t base, ParseBase(json));
        if (gone) {
            sessions.erase(base);
            if (!json.contains("token")) continue;
            CC_ASSIGN(SpentRecord spent, ParseSpent(json));
            record.spent.push_back(std::move(spent));
            continue;
        }
        CC_ASSIGN(sessions[base], ParseSession(json));
        record.next_base = std::max(record.next_base, base + 2);
    }
    record.sessions.clear();
    for (auto& [base, session] : sessions)
        record.sessions.push_back(std::move(session));
    if (record.spent.size() > kMaxSpentTokensInRecord)
        record.spent.erase(record.spent.begin(), record.spent.end() - static_cast<std::ptrdiff_t>(
                                                                          kMaxSpentTokensInRecord));
    return record;
}

}  // namespace cc::proxy
