// SPDX-License-Identifier: Apache-2.0
// Frames between cc-proxy and its clients (runtimes and shims): version 2 is that of Clear
// Containers 3.0, version 3 is ours.
//
//   byte  0   1   2    3   4   5   6        7       8   9   10  11   12 ...
//        +-------+----+-----------+--------+-------+---------------+---------
//        |version|size| reserved  |F...type|opcode | payload bytes | payload
//        +-------+----+-----------+--------+-------+---------------+---------
//
// All numbers are big endian. `size` is the header's length in 32-bit words: 3; a longer header is
// legal and its extra bytes are skipped. Flags F: 0x10 marks a response that is an error.
//
// In version 3 payloads are MessagePack instead of JSON, and a frame of stdin, stdout or stderr has
// a header of 5 words: bytes 12 to 19 are the offset of its first byte in the stream. Flag 0x20
// says that the stream ends after this payload, which may be empty. A connection keeps to the
// version of its first frame. docs/protocol.md has worked examples.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "protocol/frame_buffer.h"

namespace cc {

constexpr uint16_t kClientVersion2 = 2;
constexpr uint16_t kClientVersion3 = 3;
constexpr size_t kClientHeaderSize = 12;
constexpr size_t kClientStreamHeaderSize = 20;  // of a version 3 stream
// One frame of standard input, output or error carries at most this much; a command's JSON at most
// that. 3.0 has no limits when it receives (threats.md, S1).
constexpr size_t kMaxStreamPayload = 64 * 1024;
constexpr size_t kMaxCommandPayload = 4 * 1024 * 1024;

enum class FrameType : uint8_t { kCommand = 0, kResponse = 1, kStream = 2, kNotification = 3 };
enum class ClientCommand : uint8_t {
    kRegisterVm = 0,
    kUnregisterVm = 1,
    kAttachVm = 2,
    kHyper = 3,
    kConnectShim = 4,
    kDisconnectShim = 5,
    kSignal = 6,
    kHello = 7,  // version 3
};
enum class StreamKind : uint8_t { kStdin = 0, kStdout = 1, kStderr = 2, kLog = 3 };
enum class Notification : uint8_t {
    kProcessExited = 0,
    kWindow = 1,        // version 3, both directions
    kProcessEnded = 2,  // version 3: the process has gone, not all of its output is delivered yet
};

struct ClientFrame {
    uint16_t version = kClientVersion2;
    FrameType type = FrameType::kCommand;
    uint8_t opcode = 0;
    bool error = false;
    bool end = false;          // version 3: of a stream
    uint64_t offset = 0;       // version 3: of a stream's first byte in this frame
    std::string_view payload;  // of a decoded frame: valid until the decoder is touched again

    bool Is(ClientCommand command) const {
        return type == FrameType::kCommand && opcode == static_cast<uint8_t>(command);
    }
    bool Is(StreamKind kind) const {
        return type == FrameType::kStream && opcode == static_cast<uint8_t>(kind);
    }
    bool Is(Notification notification) const {
        return type == FrameType::kNotification && opcode == static_cast<uint8_t>(notification);
    }
};

std::string EncodeCommand(ClientCommand command, std::string_view payload,
                          uint16_t version = kClientVersion2);
std::string EncodeResponse(ClientCommand command, std::string_view payload, bool error = false,
                           uint16_t version = kClientVersion2);
// The payload within kMaxStreamPayload.
std::string EncodeStream(StreamKind kind, std::string_view payload,
                         uint16_t version = kClientVersion2);
// What goes before a payload of this size, which is within kMaxStreamPayload. Version 2.
void AppendStreamHeader(std::string& out, StreamKind kind, size_t payload_size);
std::string EncodeProcessExited(uint8_t status);  // version 2

// Version 3: a piece of stdin, stdout or stderr.
std::string EncodeStreamAt(StreamKind kind, uint64_t offset, std::string_view payload, bool end);
void AppendStreamHeaderAt(std::string& out, StreamKind kind, uint64_t offset, size_t payload_size,
                          bool end);
std::string EncodeNotification(Notification notification, std::string_view payload);

// Incremental: any split of the bytes will do. An error (bad version, type, opcode or length) is
// final: the connection is to be closed.
class ClientFrameDecoder {
  public:
    void Push(std::string_view bytes) { buffer_.Push(bytes); }
    void Lend(std::string_view bytes) { buffer_.Lend(bytes); }  // see FrameBuffer
    void Keep() { buffer_.Keep(); }
    // The next whole frame; nothing when more bytes are needed.
    Result<std::optional<ClientFrame>> Next();
    size_t buffered() const { return buffer_.size(); }
    uint16_t version() const { return version_; }  // the connection's; 0 before its first frame

  private:
    FrameBuffer buffer_;
    uint16_t version_ = 0;
};

}  // namespace cc
