// SPDX-License-Identifier: Apache-2.0
// The stream of frames that a client sends: any split gives the same frames, each within the
// limits and of one version, and what was decoded encodes to frames that decode to the same.
#include "protocol/client_frame.h"

#include "fuzz/target.h"

namespace cc::fuzz {

namespace {

struct Decoded {
    std::vector<ClientFrame> frames;  // payloads point into `payloads`
    std::vector<std::string> payloads;
    std::string error;
    size_t left = 0;  // bytes of a frame that is not whole
};

Decoded Decode(const std::vector<std::string_view>& pieces) {
    Decoded decoded;
    ClientFrameDecoder decoder;
    for (const auto piece : pieces) {
        decoder.Push(piece);
        while (true) {
            const auto frame = decoder.Next();
            if (!frame) {
                decoded.error = frame.error().message;
                return decoded;
            }
            if (!*frame) break;
            decoded.frames.push_back(**frame);
            decoded.payloads.emplace_back((*frame)->payload);
        }
    }
    decoded.left = decoder.buffered();
    return decoded;
}

std::string Encode(const ClientFrame& frame, const std::string& payload) {
    const bool old = frame.version == kClientVersion2;
    switch (frame.type) {
        case FrameType::kCommand:
            return EncodeCommand(static_cast<ClientCommand>(frame.opcode), payload, frame.version);
        case FrameType::kResponse:
            return EncodeResponse(static_cast<ClientCommand>(frame.opcode), payload, frame.error,
                                  frame.version);
        case FrameType::kStream:
            if (old || frame.Is(StreamKind::kLog))
                return EncodeStream(static_cast<StreamKind>(frame.opcode), payload, frame.version);
            return EncodeStreamAt(static_cast<StreamKind>(frame.opcode), frame.offset, payload,
                                  frame.end);
        case FrameType::kNotification:
            return old ? EncodeProcessExited(payload.empty() ? 0 : static_cast<uint8_t>(payload[0]))
                       : EncodeNotification(static_cast<Notification>(frame.opcode), payload);
    }
    return {};
}

void CheckSameFrame(const ClientFrame& a, const ClientFrame& b) {
    CC_FUZZ_CHECK(a.version == b.version);
    CC_FUZZ_CHECK(a.type == b.type);
    CC_FUZZ_CHECK(a.opcode == b.opcode);
    CC_FUZZ_CHECK(a.error == b.error);
    CC_FUZZ_CHECK(a.end == b.end);
    CC_FUZZ_CHECK(a.offset == b.offset);
}

void CheckSame(const Decoded& a, const Decoded& b) {
    CC_FUZZ_CHECK(a.error == b.error);
    CC_FUZZ_CHECK(a.payloads == b.payloads);
    CC_FUZZ_CHECK(a.error.empty() ? a.left == b.left : true);
    for (size_t i = 0; i < a.frames.size(); ++i)
        CheckSameFrame(a.frames[i], b.frames[i]);
}

void CheckFrame(const ClientFrame& frame, const std::string& payload) {
    CC_FUZZ_CHECK(payload.size() <=
                  (frame.type == FrameType::kStream ? kMaxStreamPayload : kMaxCommandPayload));
    // What an encoder of ours cannot say is not asked of it.
    if (frame.error && frame.type != FrameType::kResponse) return;
    if (frame.version == kClientVersion2 && frame.type == FrameType::kNotification &&
        payload.size() != 1)
        return;
    const std::string encoded = Encode(frame, payload);
    const Decoded again = Decode({encoded});
    CC_FUZZ_CHECK(again.error.empty());
    CC_FUZZ_CHECK(again.left == 0);
    CC_FUZZ_CHECK(again.payloads == std::vector<std::string>{payload});
    CheckSameFrame(again.frames[0], frame);
    CC_FUZZ_CHECK(Encode(again.frames[0], again.payloads[0]) == encoded);
}

}  // namespace

int FuzzClientFrame(std::string_view input) {
    const Decoded whole = Decode({input});
    CheckSame(whole, Decode(Pieces(input)));
    for (size_t i = 0; i < whole.frames.size(); ++i) {
        CheckFrame(whole.frames[i], whole.payloads[i]);
        CC_FUZZ_CHECK(whole.frames[i].version == whole.frames[0].version);
    }
    return 0;
}

}  // namespace cc::fuzz

CC_FUZZ_TARGET(FuzzClientFrame)
