// SPDX-License-Identifier: Apache-2.0
#include "protocol/agent_frame.h"

#include <array>
#include <utility>

#include "base/text.h"

namespace cc {

namespace {

constexpr std::array<std::pair<std::string_view, ControlCode>, 25> kHyperNames{{
    {"version", ControlCode::kVersion},
    {"startpod", ControlCode::kStartPod},
    {"destroypod", ControlCode::kDestroyPod},
    {"execcmd", ControlCode::kExecCmd},
    {"ready", ControlCode::kReady},
    {"ack", ControlCode::kAck},
    {"error", ControlCode::kError},
    {"winsize", ControlCode::kWinSize},
    {"ping", ControlCode::kPing},
    {"next", ControlCode::kNext},
    {"writefile", ControlCode::kWriteFile},
    {"readfile", ControlCode::kReadFile},
    {"newcontainer", ControlCode::kNewContainer},
    {"killcontainer", ControlCode::kKillContainer},
    {"onlinecpumem", ControlCode::kOnlineCpuMem},
    {"setupinterface", ControlCode::kSetupInterface},
    {"setuproute", ControlCode::kSetupRoute},
    {"removecontainer", ControlCode::kRemoveContainer},
    {"pscontainer", ControlCode::kPsContainer},
    {"pausecontainer", ControlCode::kPauseContainer},
    {"resumecontainer", ControlCode::kResumeContainer},
    {"containerstats", ControlCode::kContainerStats},
    {"updatecontainer", ControlCode::kUpdateContainer},
    {"startcontainer", ControlCode::kStartContainer},
    {"updatenetwork", ControlCode::kUpdateNetwork},
}};

// The whole message at the front of the buffer, header included; nothing when it is not complete.
Result<std::optional<std::string_view>> TakeMessage(FrameBuffer& buffer, size_t header_size,
                                                    size_t length_at, size_t limit) {
    const auto header = buffer.Peek(header_size);
    if (!header) return std::nullopt;
    const size_t length = LoadBigEndian<4>(*header, length_at);
    if (length < header_size)
        return Fail(Cat("agent message of ", length, " bytes, shorter than its header"));
    if (length > limit)
        return Fail(Cat("agent message of ", length, " bytes, at most ", limit, " are allowed"));
    const auto message = buffer.Peek(length);
    if (message) buffer.Consume(length);
    return message;
}

}  // namespace

std::optional<ControlCode> ParseHyperName(std::string_view name) {
    for (const auto& [known, code] : kHyperNames)
        if (known == name) return code;
    return std::nullopt;
}

std::string_view HyperName(ControlCode code) {
    for (const auto& [name, known] : kHyperNames)
        if (known == code) return name;
    return {};
}

std::string EncodeControl(ControlCode code, std::string_view payload) {
    std::string out;
    out.reserve(kControlHeaderSize + payload.size());
    AppendBigEndian<4>(out, static_cast<uint32_t>(code));
    AppendBigEndian<4>(out, kControlHeaderSize + payload.size());
    out.append(payload);
    return out;
}

std::string EncodeIo(uint64_t sequence, std::string_view payload) {
    std::string out;
    out.reserve(kIoHeaderSize + payload.size());
    AppendIoHeader(out, sequence, payload.size());
    out.append(payload);
    return out;
}

void AppendIoHeader(std::string& out, uint64_t sequence, size_t payload_size) {
    AppendBigEndian<8>(out, sequence);
    AppendBigEndian<4>(out, kIoHeaderSize + payload_size);
}

Result<std::optional<ControlMessage>> ControlDecoder::Next() {
    CC_ASSIGN(const auto message, TakeMessage(buffer_, kControlHeaderSize, 4, kMaxControlMessage));
    if (!message) return std::nullopt;
    return ControlMessage{static_cast<ControlCode>(LoadBigEndian<4>(*message, 0)),
                          message->substr(kControlHeaderSize)};
}

Result<std::optional<IoMessage>> IoDecoder::Next() {
    CC_ASSIGN(const auto message, TakeMessage(buffer_, kIoHeaderSize, 8, kMaxIoMessage));
    if (!message) return std::nullopt;
    return IoMessage{LoadBigEndian<8>(*message, 0), message->substr(kIoHeaderSize)};
}

}  // namespace cc
