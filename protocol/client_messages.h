// SPDX-License-Identifier: Apache-2.0
// The payloads of the client protocol (reference A3; keys exactly as on the wire): JSON in version
// 2, in version 3 the same documents in MessagePack, and a few more.
//
// Version 2 encoders give the bytes that 3.0's Go encoder gives. Parsers do as Go's decoder does:
// keys match without regard to case, unknown keys are ignored, missing ones are zero.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "protocol/client_frame.h"

namespace cc {

// Both functions of a message take the version of the connection that it goes over.

struct RegisterVm {
    std::string container_id;
    std::string ctl_serial;  // path of the control channel's UNIX socket
    std::string io_serial;
    std::string console;  // may be empty
    int64_t num_io_streams = 0;
};
std::string Encode(const RegisterVm& message, uint16_t version = kClientVersion2);
Result<RegisterVm> ParseRegisterVm(std::string_view payload, uint16_t version = kClientVersion2);

struct AttachVm {
    std::string container_id;
    int64_t num_io_streams = 0;
    // Ours: beside the frame's bytes comes a descriptor (SCM_RIGHTS), the proxy's end of a
    // connection that the shim of the one stream has already.
    bool connection = false;
};
std::string Encode(const AttachVm& message, uint16_t version = kClientVersion2);
Result<AttachVm> ParseAttachVm(std::string_view payload, uint16_t version = kClientVersion2);

struct UnregisterVm {
    std::string container_id;
};
std::string Encode(const UnregisterVm& message, uint16_t version = kClientVersion2);
Result<UnregisterVm> ParseUnregisterVm(std::string_view payload,
                                       uint16_t version = kClientVersion2);

// `data` is the agent's payload, passed on byte for byte; empty when absent. In version 2 it is raw
// JSON, in version 3 a byte string. `request_id` (ours; 0: none) makes a repetition harmless: an
// agent with extension 2 carries a request of one id out once and answers it the same again.
struct HyperMessage {
    std::string hyper_name;
    std::vector<std::string> tokens;
    std::string data;
    uint64_t request_id = 0;
};
std::string Encode(const HyperMessage& message, uint16_t version = kClientVersion2);
Result<HyperMessage> ParseHyper(std::string_view payload, uint16_t version = kClientVersion2);

// Where a stream's receiver is: it has all bytes before `offset` for good, and takes those before
// `limit`.
struct StreamWindow {
    uint64_t offset = 0;
    uint64_t limit = 0;
};

struct ConnectShim {
    std::string
        token;  // empty: on a connection that AttachVM has given the proxy, that of its stream
    // Version 3: how much this shim has written out of its process's output, and may be sent.
    StreamWindow standard_output = {};
    StreamWindow standard_error = {};
};
std::string Encode(const ConnectShim& message, uint16_t version = kClientVersion2);
Result<ConnectShim> ParseConnectShim(std::string_view payload, uint16_t version = kClientVersion2);

// Version 3: the response to ConnectShim.
struct ShimConnected {
    StreamWindow standard_input;  // limit 0: the process does not run yet
    std::string token = {};       // for a shim that did not say one, so that it can come back
};
std::string Encode(const ShimConnected& message);
Result<ShimConnected> ParseShimConnected(std::string_view payload);

// Version 3, notification kWindow: from the shim for stdout and stderr, from the proxy for stdin.
// Offsets and limits never go back.
struct WindowUpdate {
    StreamKind stream = StreamKind::kStdout;
    StreamWindow window;
};
std::string Encode(const WindowUpdate& update);
Result<WindowUpdate> ParseWindowUpdate(std::string_view payload);

// Version 3, notifications kProcessExited and kProcessEnded.
struct ProcessEnd {
    int code = 0;    // 128 + signal when a signal ended it
    int signal = 0;  // 0: none
    // While it ran, the guest's kernel killed a process of its container for want of memory. The
    // guest's word.
    bool out_of_memory = false;
};
std::string Encode(const ProcessEnd& end);
Result<ProcessEnd> ParseProcessEnd(std::string_view payload);

// Version 3, command kHello and its response: who is there and what it can do beyond the version's
// basics. Optional, and only as the first frame.
struct Hello {
    std::string program;  // "cc-shim", "cc-proxy"
    std::string program_version;
    std::vector<std::string> capabilities;
};
std::string Encode(const Hello& hello);
Result<Hello> ParseHello(std::string_view payload);

struct SignalMessage {
    int64_t number = 0;
    int64_t columns = 0;  // of SIGWINCH only
    int64_t rows = 0;
};
std::string Encode(const SignalMessage& message, uint16_t version = kClientVersion2);
Result<SignalMessage> ParseSignal(std::string_view payload, uint16_t version = kClientVersion2);

struct LogEntry {
    std::string source;  // "shim" or "runtime"
    std::string container_id;
    std::string level;  // "debug", "info", "warn", "error"
    std::string message;
};
std::string Encode(const LogEntry& entry, uint16_t version = kClientVersion2);
// Refuses what 3.0 refuses: another source or level, an empty message.
Result<LogEntry> ParseLogEntry(std::string_view payload, uint16_t version = kClientVersion2);

// When the agent of a VM agreed to our extension, the proxy tells which, and what the agent
// measured of itself: times in milliseconds of the guest's clock, which starts with its kernel.
struct AgentInfo {
    int64_t started_ms = 0;
    int64_t ready_ms = 0;
    int extension = 0;  // kAgentExtension and below; 0: not told, by a proxy before extension 3
};

struct IoResponse {  // to RegisterVM and AttachVM
    std::string url;
    std::vector<std::string> tokens;
    std::optional<AgentInfo> agent;  // absent with a 3.0 agent: then the bytes are 3.0's
    bool connection = false;         // AttachVM: the proxy has taken the one that came with it
};
std::string Encode(const IoResponse& response, uint16_t version = kClientVersion2);
Result<IoResponse> ParseIoResponse(std::string_view payload, uint16_t version = kClientVersion2);

// Errors have words for people, which in version 2 is all; programs look at the code.
enum class ErrorCode {
    kFailed,      // anything without a code of its own
    kBadRequest,  // the payload, or the command in this state of the connection
    kUnknownVm,
    kVmLost,
    kUnknownToken,
    kTokenInUse,
    kTimeout,
    kTooMany,  // a limit of the proxy's
    kAgent,    // the agent's own error
};
std::string_view Name(ErrorCode code);  // on the wire: "unknown_token"

// Payload of a response with the error flag.
std::string EncodeError(ErrorCode code, std::string_view message, uint16_t version);
struct ErrorAnswer {
    ErrorCode code = ErrorCode::kFailed;
    std::string message;
};
ErrorAnswer ParseError(std::string_view payload, uint16_t version);

// Version 2. The text, or the payload itself when it has none.
std::string EncodeErrorText(std::string_view message);
std::string ParseErrorText(std::string_view payload);

// A token: 32 random bytes in URL-safe base64 with padding, 44 characters.
Result<std::string> MakeToken();
bool IsWellFormedToken(std::string_view token);

}  // namespace cc
