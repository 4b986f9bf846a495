// SPDX-License-Identifier: Apache-2.0
#include "protocol/client_frame.h"

#include "base/text.h"

namespace cc {

namespace {

constexpr uint8_t kErrorFlag = 0x10, kEndFlag = 0x20;
constexpr uint8_t kTypeMask = 0x0f;
constexpr size_t kWord = 4;

void AppendHeader(std::string& out, uint16_t version, size_t header_size, unsigned type_and_flags,
                  uint8_t opcode, size_t payload_size) {
    AppendBigEndian<2>(out, version);
    AppendBigEndian<1>(out, header_size / kWord);
    AppendBigEndian<3>(out, 0);
    AppendBigEndian<1>(out, type_and_flags);
    AppendBigEndian<1>(out, opcode);
    AppendBigEndian<4>(out, payload_size);
}

std::string EncodeHeader(uint16_t version, size_t header_size, unsigned type_and_flags,
                         uint8_t opcode, size_t payload_size) {
    std::string out;
    out.reserve(header_size + payload_size);
    AppendHeader(out, version, header_size, type_and_flags, opcode, payload_size);
    return out;
}

template <class Opcode>
std::string EncodeFrame(uint16_t version, FrameType type, Opcode opcode, std::string_view payload,
                        bool error = false) {
    std::string out = EncodeHeader(version, kClientHeaderSize,
                                   static_cast<unsigned>(type) | (error ? kErrorFlag : 0U),
                                   static_cast<uint8_t>(opcode), payload.size());
    out.append(payload);
    return out;
}

uint8_t OpcodeCount(FrameType type, uint16_t version) {
    switch (type) {
        case FrameType::kCommand:
        case FrameType::kResponse:
            return version == kClientVersion2 ? 7 : 8;
        case FrameType::kStream:
            return 4;
        case FrameType::kNotification:
            return version == kClientVersion2 ? 1 : 3;
    }
    return 0;
}

bool HasOffset(const ClientFrame& frame) {
    return frame.version == kClientVersion3 && frame.type == FrameType::kStream &&
           !frame.Is(StreamKind::kLog);
}

}  // namespace

std::string EncodeCommand(ClientCommand command, std::string_view payload, uint16_t version) {
    return EncodeFrame(version, FrameType::kCommand, command, payload);
}

std::string EncodeResponse(ClientCommand command, std::string_view payload, bool error,
                           uint16_t version) {
    return EncodeFrame(version, FrameType::kResponse, command, payload, error);
}

std::string EncodeStream(StreamKind kind, std::string_view payload, uint16_t version) {
    return EncodeFrame(version, FrameType::kStream, kind, payload);
}

void AppendStreamHeader(std::string& out, StreamKind kind, size_t payload_size) {
    AppendHeader(out, kClientVersion2, kClientHeaderSize, static_cast<unsigned>(FrameType::kStream),
                 static_cast<uint8_t>(kind), payload_size);
}

std::string EncodeProcessExited(uint8_t status) {
    const char byte = static_cast<char>(status);
    return EncodeFrame(kClientVersion2, FrameType::kNotification, Notification::kProcessExited,
                       {&byte, 1});
}

std::string EncodeStreamAt(StreamKind kind, uint64_t offset, std::string_view payload, bool end) {
    std::string out;
    out.reserve(kClientStreamHeaderSize + payload.size());
    AppendStreamHeaderAt(out, kind, offset, payload.size(), end);
    out.append(payload);
    return out;
}

void AppendStreamHeaderAt(std::string& out, StreamKind kind, uint64_t offset, size_t payload_size,
                          bool end) {
    AppendHeader(out, kClientVersion3, kClientStreamHeaderSize,
                 static_cast<unsigned>(FrameType::kStream) | (end ? kEndFlag : 0U),
                 static_cast<uint8_t>(kind), payload_size);
    AppendBigEndian<8>(out, offset);
}

std::string EncodeNotification(Notification notification, std::string_view payload) {
    return EncodeFrame(kClientVersion3, FrameType::kNotification, notification, payload);
}

Result<std::optional<ClientFrame>> ClientFrameDecoder::Next() {
    const auto start = buffer_.Peek(kClientHeaderSize);
    if (!start) return std::nullopt;
    ClientFrame frame;
    frame.version = static_cast<uint16_t>(LoadBigEndian<2>(*start, 0));
    if (frame.version != kClientVersion2 && frame.version != kClientVersion3)
        return Fail(Cat("frame of protocol version ", frame.version, ", expected 2 or 3"));
    if (version_ != 0 && frame.version != version_)
        return Fail(Cat("frame of protocol version ", frame.version, " on a connection of version ",
                        version_));
    const size_t header_size = LoadBigEndian<1>(*start, 2) * kWord;
    if (header_size < kClientHeaderSize)
        return Fail(Cat("frame header of only ", header_size, " bytes"));
    const auto flags_and_type = LoadBigEndian<1>(*start, 6);
    if ((flags_and_type & kTypeMask) > static_cast<uint8_t>(FrameType::kNotification))
        return Fail(Cat("unknown frame type ", flags_and_type & kTypeMask));
    frame.type = static_cast<FrameType>(flags_and_type & kTypeMask);
    frame.error = (flags_and_type & kErrorFlag) != 0;
    frame.opcode = static_cast<uint8_t>(LoadBigEndian<1>(*start, 7));
    if (frame.opcode >= OpcodeCount(frame.type, frame.version))
        return Fail(
            Cat("unknown opcode ", frame.opcode, " of frame type ", static_cast<int>(frame.type)));
    if (HasOffset(frame) && header_size < kClientStreamHeaderSize)
        return Fail(Cat("stream header of only ", header_size, " bytes: it has no offset"));
    const size_t payload_size = LoadBigEndian<4>(*start, 8);
    const size_t limit = frame.type == FrameType::kStream ? kMaxStreamPayload : kMaxCommandPayload;
    if (payload_size > limit)
        return Fail(
            Cat("frame payload of ", payload_size, " bytes, at most ", limit, " are allowed"));
    const auto bytes = buffer_.Peek(header_size + payload_size);
    if (!bytes) return std::nullopt;
    if (HasOffset(frame)) {
        frame.offset = LoadBigEndian<8>(*bytes, kClientHeaderSize);
        frame.end = (flags_and_type & kEndFlag) != 0;
    }
    frame.payload = bytes->substr(header_size, payload_size);
    buffer_.Consume(header_size + payload_size);
    version_ = frame.version;
    return frame;
}

}  // namespace cc
