// SPDX-License-Identifier: Apache-2.0
#include "protocol/client_messages.h"

#include <array>

#include <sys/random.h>

#include "protocol/go_json.h"
#include "protocol/msgpack.h"

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

Result<Json> ParsePayload(std::string_view payload, uint16_t version) {
    return version == kClientVersion3 ? ParseMsgpack(payload) : ParseGoObject(payload);
}

std::string DumpPayload(const Json& json, uint16_t version) {
    return version == kClientVersion3 ? DumpMsgpack(json) : DumpGo(json);
}

Json ToJson(const StreamWindow& window) {
    return {{"offset", window.offset}, {"limit", window.limit}};
}

StreamWindow ReadWindow(GoReader& outer, std::string_view key) {
    const Json* json = outer.Object(key);
    if (json == nullptr) return {};
    GoReader reader(*json);
    const StreamWindow window{reader.Unsigned("offset"), reader.Unsigned("limit")};
    if (auto finished = reader.Finish(key); !finished) outer.Remember(finished.error());
    return window;
}

constexpr std::array<std::pair<ErrorCode, std::string_view>, 9> kErrorNames{{
    {ErrorCode::kFailed, "failed"},
    {ErrorCode::kBadRequest, "bad_request"},
    {ErrorCode::kUnknownVm, "unknown_vm"},
    {ErrorCode::kVmLost, "vm_lost"},
    {ErrorCode::kUnknownToken, "unknown_token"},
    {ErrorCode::kTokenInUse, "token_in_use"},
    {ErrorCode::kTimeout, "timeout"},
    {ErrorCode::kTooMany, "too_many"},
    {ErrorCode::kAgent, "agent"},
}};

// "omitempty" of Go's encoder.
void PutIfSet(Json& json, const char* key, const std::string& value) {
    if (!value.empty()) json[key] = value;
}
void PutIfSet(Json& json, const char* key, int64_t value) {
    if (value != 0) json[key] = value;
}
void PutIfTrue(Json& json, const char* key, bool value) {
    if (value) json[key] = true;
}

}  // namespace

std::string Encode(const RegisterVm& message, uint16_t version) {
    Json json = {{"containerId", message.container_id},
                 {"ctlSerial", message.ctl_serial},
                 {"ioSerial", message.io_serial}};
    PutIfSet(json, "console", message.console);
    PutIfSet(json, "numIOStreams", message.num_io_streams);
    return DumpPayload(json, version);
}

Result<RegisterVm> ParseRegisterVm(std::string_view payload, uint16_t version) {
    CC_ASSIGN(const Json json, ParsePayload(payload, version));
    GoReader reader(json);
    RegisterVm message{reader.String("containerId"), reader.String("ctlSerial"),
                       reader.String("ioSerial"), reader.String("console"),
                       reader.Int("numIOStreams")};
    CC_TRY(reader.Finish("RegisterVM"));
    return message;
}

std::string Encode(const AttachVm& message, uint16_t version) {
    Json json = {{"containerId", message.container_id}};
    PutIfSet(json, "numIOStreams", message.num_io_streams);
    PutIfTrue(json, "connection", message.connection);
    return DumpPayload(json, version);
}

Result<AttachVm> ParseAttachVm(std::string_view payload, uint16_t version) {
    CC_ASSIGN(const Json json, ParsePayload(payload, version));
    GoReader reader(json);
    AttachVm message{reader.String("containerId"), reader.Int("numIOStreams"),
                     reader.Bool("connection")};
    CC_TRY(reader.Finish("AttachVM"));
    return message;
}

std::string Encode(const UnregisterVm& message, uint16_t version) {
    return DumpPayload({{"containerId", message.container_id}}, version);
}

Result<UnregisterVm> ParseUnregisterVm(std::string_view payload, uint16_t version) {
    CC_ASSIGN(const Json json, ParsePayload(payload, version));
    GoReader reader(json);
    UnregisterVm message{reader.String("containerId")};
    CC_TRY(reader.Finish("UnregisterVM"));
    return message;
}

std::string Encode(const HyperMessage& message, uint16_t version) {
    Json json = {{"hyperName", message.hyper_name}, {"tokens", GoStrings(message.tokens)}};
    if (message.request_id != 0) json["requestId"] = message.request_id;
    if (version == kClientVersion3) {
        if (!message.data.empty())
            json["data"] = Json::binary({message.data.begin(), message.data.end()});
        return DumpMsgpack(json);
    }
    std::string text = DumpGo(json);
    if (message.data.empty()) return text;
    text.pop_back();
    return Cat(text, ",\"data\":", message.data, "}");
}

Result<HyperMessage> ParseHyper(std::string_view payload, uint16_t version) {
    CC_ASSIGN(const Json json, ParsePayload(payload, version));
    GoReader reader(json);
    HyperMessage message{reader.String("hyperName"), reader.Strings("tokens"), "",
                         reader.Unsigned("requestId")};
    message.data = version == kClientVersion3 ? reader.String("data")
                                              : std::string(RawMember(payload, "data"));
    CC_TRY(reader.Finish("Hyper"));
    return message;
}

std::string Encode(const ConnectShim& message, uint16_t version) {
    Json json = {{"token", message.token}};
    if (version == kClientVersion3) {
        json["stdout"] = ToJson(message.standard_output);
        json["stderr"] = ToJson(message.standard_error);
    }
    return DumpPayload(json, version);
}

Result<ConnectShim> ParseConnectShim(std::string_view payload, uint16_t version) {
    CC_ASSIGN(const Json json, ParsePayload(payload, version));
    GoReader reader(json);
    ConnectShim message;
    message.token = reader.String("token");
    if (version == kClientVersion3) {
        message.standard_output = ReadWindow(reader, "stdout");
        message.standard_error = ReadWindow(reader, "stderr");
    }
    CC_TRY(reader.Finish("ConnectShim"));
    return message;
}

std::string Encode(const ShimConnected& message) {
    Json json = {{"stdin", ToJson(message.standard_input)}};
    PutIfSet(json, "token", message.token);
    return DumpMsgpack(json);
}

Result<ShimConnected> ParseShimConnected(std::string_view payload) {
    CC_ASSIGN(const Json json, ParseMsgpack(payload));
    GoReader reader(json);
    ShimConnected message{ReadWindow(reader, "stdin"), reader.String("token")};
    CC_TRY(reader.Finish("response to ConnectShim"));
    return message;
}

std::string Encode(const WindowUpdate& update) {
    return DumpMsgpack({{"stream", static_cast<unsigned>(update.stream)},
                        {"offset", update.window.offset},
                        {"limit", update.window.limit}});
}

Result<WindowUpdate> ParseWindowUpdate(std::string_view payload) {
    CC_ASSIGN(const Json json, ParseMsgpack(payload));
    GoReader reader(json);
    const uint64_t stream = reader.Unsigned("stream");
    const StreamWindow window{reader.Unsigned("offset"), reader.Unsigned("limit")};
    CC_TRY(reader.Finish("window"));
    if (stream > static_cast<uint64_t>(StreamKind::kStderr))
        return Fail(Cat("window of the unknown stream ", stream));
    return WindowUpdate{static_cast<StreamKind>(stream), window};
}

std::string Encode(const ProcessEnd& end) {
    Json json = {{"code", end.code}, {"signal", end.signal}};
    PutIfTrue(json, "outOfMemory", end.out_of_memory);
    return DumpMsgpack(json);
}

Result<ProcessEnd> ParseProcessEnd(std::string_view payload) {
    CC_ASSIGN(const Json json, ParseMsgpack(payload));
    GoReader reader(json);
    const int64_t code = reader.Int("code"), signal = reader.Int("signal");
    const bool out_of_memory = reader.Bool("outOfMemory");
    CC_TRY(reader.Finish("the end of a process"));
    if (code < 0 || code > 255 || signal < 0 || signal > 127)
        return Fail(Cat("a process cannot end with code ", code, " and signal ", signal));
    return ProcessEnd{static_cast<int>(code), static_cast<int>(signal), out_of_memory};
}

std::string Encode(const Hello& hello) {
    return DumpMsgpack({{"program", hello.program},
                        {"version", hello.program_version},
                        {"capabilities", GoStrings(hello.capabilities)}});
}

Result<Hello> ParseHello(std::string_view payload) {
    CC_ASSIGN(const Json json, ParseMsgpack(payload));
    GoReader reader(json);
    Hello hello{reader.String("program"), reader.String("version"), reader.Strings("capabilities")};
    CC_TRY(reader.Finish("Hello"));
    return hello;
}

std::string Encode(const SignalMessage& message, uint16_t version) {
    Json json = {{"signalNumber", message.number}};
    PutIfSet(json, "columns", message.columns);
    PutIfSet(json, "rows", message.rows);
    return DumpPayload(json, version);
}

Result<SignalMessage> ParseSignal(std::string_view payload, uint16_t version) {
    CC_ASSIGN(const Json json, ParsePayload(payload, version));
    GoReader reader(json);
    SignalMessage message{reader.Int("signalNumber"), reader.Int("columns"), reader.Int("rows")};
    CC_TRY(reader.Finish("Signal"));
    return message;
}

std::string Encode(const LogEntry& entry, uint16_t version) {
    Json json = {{"source", entry.source}};
    PutIfSet(json, "containerId", entry.container_id);
    json["level"] = entry.level;
    json["msg"] = entry.message;
    return DumpPayload(json, version);
}

Result<LogEntry> ParseLogEntry(std::string_view payload, uint16_t version) {
    CC_ASSIGN(const Json json, ParsePayload(payload, version));
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

std::string Encode(const IoResponse& response, uint16_t version) {
    Json json = {{"io", {{"URL", response.url}, {"tokens", GoStrings(response.tokens)}}}};
    if (response.agent)
        json["agent"] = {{"startedMs", response.agent->started_ms},
                         {"readyMs", response.agent->ready_ms},
                         {"extension", response.agent->extension}};
    PutIfTrue(json, "connection", response.connection);
    return DumpPayload(json, version);
}

Result<IoResponse> ParseIoResponse(std::string_view payload, uint16_t version) {
    CC_ASSIGN(const Json json, ParsePayload(payload, version));
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
        response.agent = AgentInfo{
            agent_reader.Int("startedMs"), agent_reader.Int("readyMs"),
            static_cast<int>(std::clamp<int64_t>(agent_reader.Int("extension"), 0, INT_MAX))};
        CC_TRY(agent_reader.Finish("response"));
    }
    response.connection = reader.Bool("connection");
    CC_TRY(reader.Finish("response"));
    return response;
}

std::string_view Name(ErrorCode code) {
    for (const auto& [known, name] : kErrorNames)
        if (known == code) return name;
    return "failed";
}

std::string EncodeError(ErrorCode code, std::string_view message, uint16_t version) {
    if (version != kClientVersion3) return EncodeErrorText(message);
    return DumpMsgpack({{"code", Name(code)}, {"msg", message}});
}

ErrorAnswer ParseError(std::string_view payload, uint16_t version) {
    if (version != kClientVersion3) return {ErrorCode::kFailed, ParseErrorText(payload)};
    ErrorAnswer answer;
    const auto json = ParseMsgpack(payload);
    if (!json) return answer;
    GoReader reader(*json);
    answer.message = reader.String("msg");
    const std::string name = reader.String("code");
    for (const auto& [code, known] : kErrorNames)
        if (known == name) answer.code = code;
    return answer;
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
