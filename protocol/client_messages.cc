// SPDX-License-Identifier: Apache-2.0
#include "protocol/client_messages.h"

#include <array>

#include <sys/random.h>

#include "protocol/go_json.h"

namespace cc {

namespace {

constexpr size_t kTokenBytes = 32;
constexpr std::string_view kBase64Url =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

std::string Base64Url(std::string_view bytes) {
    std::string out;
    for (size_t i = 0; i < bytes.size(); i += 3) {
        uint32_t group = 0;
        const size_t n = std::min<size_t>(3, bytes.size() - i);
        for (size_t j = 0; j < 3; ++j)
            group = group << 8 | (j < n ? static_cast<unsigned char>(bytes[i + j]) : 0U);
        for (size_t j = 0; j < 4; ++j)
            out += j <= n ? kBase64Url[group >> (18 - 6 * j) & 63] : '=';
    }
    return out;
}

// "omitempty" of Go's encoder.
void PutIfSet(Json& json, const char* key, const std::string& value) {
    if (!value.empty()) json[key] = value;
}
void PutIfSet(Json& json, const char* key, int64_t value) {
    if (value != 0) json[key] = value;
}

}  // namespace

std::string Encode(const RegisterVm& message) {
    Json json = {{"containerId", message.container_id},
                 {"ctlSerial", message.ctl_serial},
                 {"ioSerial", message.io_serial}};
    PutIfSet(json, "console", message.console);
    PutIfSet(json, "numIOStreams", message.num_io_streams);
    return DumpGo(json);
}

Result<RegisterVm> ParseRegisterVm(std::string_view payload) {
    CC_ASSIGN(const Json json, ParseGoObject(payload));
    GoReader reader(json);
    RegisterVm message{reader.String("containerId"), reader.String("ctlSerial"),
                       reader.String("ioSerial"), reader.String("console"),
                       reader.Int("numIOStreams")};
    CC_TRY(reader.Finish("RegisterVM"));
    return message;
}

std::string Encode(const AttachVm& message) {
    Json json = {{"containerId", message.container_id}};
    PutIfSet(json, "numIOStreams", message.num_io_streams);
    return DumpGo(json);
}

Result<AttachVm> ParseAttachVm(std::string_view payload) {
    CC_ASSIGN(const Json json, ParseGoObject(payload));
    GoReader reader(json);
    AttachVm message{reader.String("containerId"), reader.Int("numIOStreams")};
    CC_TRY(reader.Finish("AttachVM"));
    return message;
}

std::string Encode(const UnregisterVm& message) {
    return DumpGo({{"containerId", message.container_id}});
}

Result<UnregisterVm> ParseUnregisterVm(std::string_view payload) {
    CC_ASSIGN(const Json json, ParseGoObject(payload));
    GoReader reader(json);
    UnregisterVm message{reader.String("containerId")};
    CC_TRY(reader.Finish("UnregisterVM"));
    return message;
}

std::string Encode(const HyperMessage& message) {
    const Json json = {{"hyperName", message.hyper_name}, {"tokens", GoStrings(message.tokens)}};
    std::string text = DumpGo(json);
    if (message.data.empty()) return text;
    text.pop_back();
    return Cat(text, ",\"data\":", message.data, "}");
}

Result<HyperMessage> ParseHyper(std::string_view payload) {
    CC_ASSIGN(const Json json, ParseGoObject(payload));
    GoReader reader(json);
    HyperMessage message{reader.String("hyperName"), reader.Strings("tokens"),
                         std::string(RawMember(payload, "data"))};
    CC_TRY(reader.Finish("Hyper"));
    return message;
}

std::string Encode(const ConnectShim& message) {
    return DumpGo({{"token", message.token}});
}

Result<ConnectShim> ParseConnectShim(std::string_view payload) {
    CC_ASSIGN(const Json json, ParseGoObject(payload));
    GoReader reader(json);
    ConnectShim message{reader.String("token")};
    CC_TRY(reader.Finish("ConnectShim"));
    return message;
}

std::string Encode(const SignalMessage& message) {
    Json json = {{"signalNumber", message.number}};
    PutIfSet(json, "columns", message.columns);
    PutIfSet(json, "rows", message.rows);
    return DumpGo(json);
}

Result<SignalMessage> ParseSignal(std::string_view payload) {
    CC_ASSIGN(const Json json, ParseGoObject(payload));
    GoReader reader(json);
    SignalMessage message{reader.Int("signalNumber"), reader.Int("columns"), reader.Int("rows")};
    CC_TRY(reader.Finish("Signal"));
    return message;
}

std::string Encode(const LogEntry& entry) {
    Json json = {{"source", entry.source}};
    PutIfSet(json, "containerId", entry.container_id);
    json["level"] = entry.level;
    json["msg"] = entry.message;
    return DumpGo(json);
}

Result<LogEntry> ParseLogEntry(std::string_view payload) {
    CC_ASSIGN(const Json json, ParseGoObject(payload));
    GoReader reader(json);
    LogEntry entry{reader.String("source"), reader.String("containerId"), reader.String("level"),
                   reader.String("msg")};
    CC_TRY(reader.Finish("log entry"));
    if (entry.source != "shim" && entry.source != "runtime")
        return Fail(Cat("malformed log entry: unknown source ", Quoted(entry.source)));
    constexpr std::array<std::string_view, 4> levels{"debug", "info", "warn", "error"};
    if (std::find(levels.begin(), levels.end(), entry.level) == levels.end())
        return Fail(Cat("malformed log entry: unknown level ", Quoted(entry.level)));
    if (entry.message.empty()) return Fail("malformed log entry: empty message");
    return entry;
}

std::string Encode(const IoResponse& response) {
    Json json = {{"io", {{"URL", response.url}, {"tokens", GoStrings(response.tokens)}}}};
    if (response.agent)
        json["agent"] = {{"startedMs", response.agent->started_ms},
                         {"readyMs", response.agent->ready_ms}};
    return DumpGo(json);
}

Result<IoResponse> ParseIoResponse(std::string_view payload) {
    CC_ASSIGN(const Json json, ParseGoObject(payload));
    GoReader reader(json);
    IoResponse response;
    if (const Json* io = reader.Object("io")) {
        GoReader io_reader(*io);
        response.url = io_reader.String("URL");
        response.tokens = io_reader.Strings("tokens");
        CC_TRY(io_reader.Finish("response"));
    }
    if (const Json* agent = reader.Object("agent")) {
        GoReader agent_reader(*agent);
        response.agent = AgentTimes{agent_reader.Int("startedMs"), agent_reader.Int("readyMs")};
        CC_TRY(agent_reader.Finish("response"));
    }
    CC_TRY(reader.Finish("response"));
    return response;
}

std::string EncodeErrorText(std::string_view message) {
    return DumpGo({{"msg", message}});
}

std::string ParseErrorText(std::string_view payload) {
    if (const auto json = ParseJson(payload))
        if (const Json* text = GoMember(*json, "msg"); text != nullptr && text->is_string())
            return text->get<std::string>();
    return std::string(payload);
}

Result<std::string> MakeToken() {
    std::array<char, kTokenBytes> bytes{};
    if (::getrandom(bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size()))
        return FailErrno("getting random bytes for a token");
    return Base64Url({bytes.data(), bytes.size()});
}

bool IsWellFormedToken(std::string_view token) {
    if (token.size() % 4 != 0) return false;
    const size_t padding = token.ends_with("==") ? 2 : token.ends_with('=') ? 1 : 0;
    return token.substr(0, token.size() - padding).find_first_not_of(kBase64Url) ==
           std::string_view::npos;
}

}  // namespace cc
