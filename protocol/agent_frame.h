// SPDX-License-Identifier: Apache-2.0
// Frames between cc-proxy and cc-agent, on the two virtio-serial ports of a VM. All numbers are big
// endian, lengths include the header.
//
//   control   | code u32 | length u32 | payload: JSON or text |
//   I/O       | sequence u64 | length u32 | payload: raw bytes |
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "protocol/frame_buffer.h"

namespace cc {

// What /sys/class/virtio-ports/*/name says, and what the VM is given as the ports' names.
constexpr std::string_view kControlPortName = "sh.hyper.channel.0";
constexpr std::string_view kIoPortName = "sh.hyper.channel.1";

constexpr size_t kControlHeaderSize = 8;
constexpr size_t kIoHeaderSize = 12;
// 3.0's limit for what a proxy sends, header included; its agent is never sent more.
constexpr size_t kMaxAgentMessageV3_0 = 10240;
// Ours, once the extension is agreed (control) and for what we receive.
constexpr size_t kMaxControlMessage = 1024 * 1024;
constexpr size_t kMaxIoMessage = 64 * 1024;
// The agent splits output into messages of at most this size: one read of a pipe, little memory a
// session.
constexpr size_t kAgentIoChunk = 32 * 1024;

enum class ControlCode : uint32_t {
    kVersion = 0,
    kStartPod = 1,
    kDestroyPod = 4,
    kExecCmd = 6,
    kReady = 8,
    kAck = 9,
    kError = 10,
    kWinSize = 11,
    kPing = 12,
    kNext = 14,
    kWriteFile = 15,
    kReadFile = 16,
    kNewContainer = 17,
    kKillContainer = 18,
    kOnlineCpuMem = 19,
    kSetupInterface = 20,
    kSetupRoute = 21,
    kRemoveContainer = 22,
    kPsContainer = 23,
    kProcessAsyncEvent = 24,
    kListSessions = 100,  // ours, extension 2
    // Ours, for agents that know the extension (protocol/container_control.h).
    kPauseContainer = 101,
    kResumeContainer = 102,
    kContainerStats = 103,
    kUpdateContainer = 104,
    kStartContainer = 105,  // extension 3
    kRehearse = 106,        // extension 4; not for a client's use: the VM's keeper sends it
    kUpdateNetwork = 107,   // extension 6
};
// Commands that no agent of 3.0 knows.
constexpr bool NeedsExtension(ControlCode code) {
    return code >= ControlCode::kListSessions;
}

// The hyperName of a Hyper command, "newcontainer"; nothing for a name that is not one.
std::optional<ControlCode> ParseHyperName(std::string_view name);
std::string_view HyperName(ControlCode code);  // empty for codes without a name

struct ControlMessage {
    ControlCode code = ControlCode::kPing;
    std::string_view payload;  // of a decoded message: valid until the decoder is touched again
};
struct IoMessage {
    uint64_t sequence = 0;
    std::string_view payload;
};

std::string EncodeControl(ControlCode code, std::string_view payload);
std::string EncodeIo(uint64_t sequence, std::string_view payload);
void AppendIoHeader(std::string& out, uint64_t sequence, size_t payload_size);

// Incremental; an error is final for the channel.
class ControlDecoder {
  public:
    void Push(std::string_view bytes) { buffer_.Push(bytes); }
    void Lend(std::string_view bytes) { buffer_.Lend(bytes); }  // see FrameBuffer
    void Keep() { buffer_.Keep(); }
    Result<std::optional<ControlMessage>> Next();  // nothing when more bytes are needed
    std::string_view pending() const { return buffer_.view(); }  // not decoded yet
    void Clear() { buffer_.Clear(); }

  private:
    FrameBuffer buffer_;
};

class IoDecoder {
  public:
    void Push(std::string_view bytes) { buffer_.Push(bytes); }
    void Lend(std::string_view bytes) { buffer_.Lend(bytes); }  // see FrameBuffer
    void Keep() { buffer_.Keep(); }
    Result<std::optional<IoMessage>> Next();
    void Clear() { buffer_.Clear(); }

  private:
    FrameBuffer buffer_;
};

}  // namespace cc
