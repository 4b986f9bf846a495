// SPDX-License-Identifier: Apache-2.0
// The JSON payloads of the client protocol, version 2 (reference A3; keys exactly as on the wire).
//
// Encoders give the bytes that 3.0's Go encoder gives. Parsers do as Go's decoder does: keys match
// without regard to case, unknown keys are ignored, missing ones are zero.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace cc {

struct RegisterVm {
    std::string container_id;
    std::string ctl_serial;  // path of the control channel's UNIX socket
    std::string io_serial;
    std::string console;  // may be empty
    int64_t num_io_streams = 0;
};
std::string Encode(const RegisterVm& message);
Result<RegisterVm> ParseRegisterVm(std::string_view payload);

struct AttachVm {
    std::string container_id;
    int64_t num_io_streams = 0;
};
std::string Encode(const AttachVm& message);
Result<AttachVm> ParseAttachVm(std::string_view payload);

struct UnregisterVm {
    std::string container_id;
};
std::string Encode(const UnregisterVm& message);
Result<UnregisterVm> ParseUnregisterVm(std::string_view payload);

// `data` is raw JSON, passed on byte for byte; empty when absent.
struct HyperMessage {
    std::string hyper_name;
    std::vector<std::string> tokens;
    std::string data;
};
std::string Encode(const HyperMessage& message);
Result<HyperMessage> ParseHyper(std::string_view payload);

struct ConnectShim {
    std::string token;
};
std::string Encode(const ConnectShim& message);
Result<ConnectShim> ParseConnectShim(std::string_view payload);

struct SignalMessage {
    int64_t number = 0;
    int64_t columns = 0;  // of SIGWINCH only
    int64_t rows = 0;
};
std::string Encode(const SignalMessage& message);
Result<SignalMessage> ParseSignal(std::string_view payload);

struct LogEntry {
    std::string source;  // "shim" or "runtime"
    std::string container_id;
    std::string level;  // "debug", "info", "warn", "error"
    std::string message;
};
std::string Encode(const LogEntry& entry);
// Refuses what 3.0 refuses: another source or level, an empty message.
Result<LogEntry> ParseLogEntry(std::string_view payload);

// When the agent of a VM agreed to our extension, the proxy tells what it measured of itself. Times
// in milliseconds of the guest's clock, which starts with its kernel.
struct AgentTimes {
    int64_t started_ms = 0;
    int64_t ready_ms = 0;
};

struct IoResponse {  // to RegisterVM and AttachVM
    std::string url;
    std::vector<std::string> tokens;
    std::optional<AgentTimes> agent;  // absent with a 3.0 agent: then the bytes are 3.0's
};
std::string Encode(const IoResponse& response);
Result<IoResponse> ParseIoResponse(std::string_view payload);

std::string EncodeErrorText(std::string_view message);  // payload of a response with the E flag
std::string ParseErrorText(
    std::string_view payload);  // the text, or the payload itself when it has none

// A token: 32 random bytes in URL-safe base64 with padding, 44 characters.
Result<std::string> MakeToken();
bool IsWellFormedToken(std::string_view token);

}  // namespace cc
