// SPDX-License-Identifier: Apache-2.0
#include "protocol/client_frame.h"

#include "base/text.h"

namespace cc {

namespace {

constexpr uint8_t kErrorFlag = 0x10;
constexpr uint8_t kTypeMask = 0x0f;
constexpr size_t kWord = 4;
constexpr uint8_t kCommandCount = 7, kStreamCount = 4, kNotificationCount = 1;

std::string Encode(FrameType type, uint8_t opcode, std::string_view payload, bool error) {
    std::string out;
    out.reserve(kClientHeaderSize + payload.size());
    AppendBigEndian<2>(out, kClientVersion2);
    AppendBigEndian<1>(out, kClientHeaderSize / kWord);
    AppendBigEndian<3>(out, 0);
    AppendBigEndian<1>(out, static_cast<uint64_t>(type) | (error ? kErrorFlag : 0));
    AppendBigEndian<1>(out, opcode);
    AppendBigEndian<4>(out, payload.size());
    out.append(payload);
    return out;
}

uint8_t OpcodeCount(FrameType type) {
    switch (type) {
        case FrameType::kCommand:
        case FrameType::kResponse:
            return kCommandCount;
        case FrameType::kStream:
            return kStreamCount;
        case FrameType::kNotification:
            return kNotificationCount;
    }
    return 0;
}

}  // namespace

std::string EncodeCommand(ClientCommand command, std::string_view payload) {
    return Encode(FrameType::kCommand, static_cast<uint8_t>(command), payload, false);
}

std::string EncodeResponse(ClientCommand command, std::string_view payload, bool error) {
    return Encode(FrameType::kResponse, static_cast<uint8_t>(command), payload, error);
}

std::string EncodeStream(StreamKind kind, std::string_view payload) {
    return Encode(FrameType::kStream, static_cast<uint8_t>(kind), payload, false);
}

std::string EncodeProcessExited(uint8_t status) {
    const char byte = static_cast<char>(status);
    return Encode(FrameType::kNotification, static_cast<uint8_t>(Notification::kProcessExited),
                  {&byte, 1}, false);
}

Result<std::optional<ClientFrame>> ClientFrameDecoder::Next() {
    const std::string_view bytes = buffer_.view();
    if (bytes.size() < kClientHeaderSize) return std::nullopt;
    const auto version = LoadBigEndian<2>(bytes, 0);
    if (version != kClientVersion2)
        return Fail(Cat("frame of protocol version ", version, ", expected 2"));
    const size_t header_size = LoadBigEndian<1>(bytes, 2) * kWord;
    if (header_size < kClientHeaderSize)
        return Fail(Cat("frame header of only ", header_size, " bytes"));
    const auto flags_and_type = LoadBigEndian<1>(bytes, 6);
    if ((flags_and_type & kTypeMask) > static_cast<uint8_t>(FrameType::kNotification))
        return Fail(Cat("unknown frame type ", flags_and_type & kTypeMask));
    ClientFrame frame;
    frame.type = static_cast<FrameType>(flags_and_type & kTypeMask);
    frame.error = (flags_and_type & kErrorFlag) != 0;
    frame.opcode = static_cast<uint8_t>(LoadBigEndian<1>(bytes, 7));
    if (frame.opcode >= OpcodeCount(frame.type))
        return Fail(
            Cat("unknown opcode ", frame.opcode, " of frame type ", static_cast<int>(frame.type)));
    const size_t payload_size = LoadBigEndian<4>(bytes, 8);
    const size_t limit = frame.type == FrameType::kStream ? kMaxStreamPayload : kMaxCommandPayload;
    if (payload_size > limit)
        return Fail(
            Cat("frame payload of ", payload_size, " bytes, at most ", limit, " are allowed"));
    if (bytes.size() < header_size + payload_size) return std::nullopt;
    frame.payload = bytes.substr(header_size, payload_size);
    buffer_.Consume(header_size + payload_size);
    return frame;
}

}  // namespace cc
