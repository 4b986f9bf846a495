// SPDX-License-Identifier: Apache-2.0
// The stream of frames that a client sends: any split gives the same frames, each within the
// limits, and what was decoded encodes to frames that decode to the same.
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
    switch (frame.type) {
        case FrameType::kCommand:
            return EncodeCommand(static_cast<ClientCommand>(frame.opcode), payload);
        case FrameType::kResponse:
            return EncodeResponse(static_cast<ClientCommand>(frame.opcode), payload, frame.error);
        case FrameType::kStream:
            return EncodeStream(static_cast<StreamKind>(frame.opcode), payload);
        case FrameType::kNotification:
            return EncodeProcessExited(payload.empty() ? 0 : static_cast<uint8_t>(payload[0]));
    }
    return {};
}

void CheckSame(const Decoded& a, const Decoded& b) {
    CC_FUZZ_CHECK(a.error == b.error);
    CC_FUZZ_CHECK(a.payloads == b.payloads);
    CC_FUZZ_CHECK(a.error.empty() ? a.left == b.left : true);
    for (size_t i = 0; i < a.frames.size(); ++i) {
        CC_FUZZ_CHECK(a.frames[i].type == b.frames[i].type);
        CC_FUZZ_CHECK(a.frames[i].opcode == b.frames[i].opcode);
        CC_FUZZ_CHECK(a.frames[i].error == b.frames[i].error);
    }
}

void CheckFrame(const ClientFrame& frame, const std::string& payload) {
    CC_FUZZ_CHECK(payload.size() <=
                  (frame.type == FrameType::kStream ? kMaxStreamPayload : kMaxCommandPayload));
    // What an encoder of ours cannot say is not asked of it.
    if (frame.error && frame.type != FrameType::kResponse) return;
    if (frame.type == FrameType::kNotification && payload.size() != 1) return;
    const std::string encoded = Encode(frame, payload);
    const Decoded again = Decode({encoded});
    CC_FUZZ_CHECK(again.error.empty());
    CC_FUZZ_CHECK(again.left == 0);
    CC_FUZZ_CHECK(again.payloads == std::vector<std::string>{payload});
    CC_FUZZ_CHECK(again.frames[0].type == frame.type);
    CC_FUZZ_CHECK(again.frames[0].opcode == frame.opcode);
    CC_FUZZ_CHECK(again.frames[0].error == frame.error);
    CC_FUZZ_CHECK(Encode(again.frames[0], again.payloads[0]) == encoded);
}

}  // namespace

int FuzzClientFrame(std::string_view input) {
    const Decoded whole = Decode({input});
    CheckSame(whole, Decode(Pieces(input)));
    for (size_t i = 0; i < whole.frames.size(); ++i)
        CheckFrame(whole.frames[i], whole.payloads[i]);
    return 0;
}

}  // namespace cc::fuzz

CC_FUZZ_TARGET(FuzzClientFrame)
