// SPDX-License-Identifier: Apache-2.0
// What a guest may send on its two channels: any split gives the same messages, each within the
// limits, and a message that was decoded encodes to the bytes it came from.
#include "protocol/agent_frame.h"

#include "fuzz/target.h"

namespace cc::fuzz {

namespace {

struct Decoded {
    std::vector<std::string> messages;  // encoded again
    std::string error;
};

std::string Encode(const ControlMessage& message) {
    CC_FUZZ_CHECK(message.payload.size() + kControlHeaderSize <= kMaxControlMessage);
    return EncodeControl(message.code, message.payload);
}
std::string Encode(const IoMessage& message) {
    CC_FUZZ_CHECK(message.payload.size() + kIoHeaderSize <= kMaxIoMessage);
    return EncodeIo(message.sequence, message.payload);
}

template <class Decoder>
Decoded Decode(const std::vector<std::string_view>& pieces) {
    Decoded decoded;
    Decoder decoder;
    for (const auto piece : pieces) {
        decoder.Push(piece);
        while (true) {
            const auto message = decoder.Next();
            if (!message) {
                decoded.error = message.error().message;
                return decoded;
            }
            if (!*message) break;
            decoded.messages.push_back(Encode(**message));
        }
    }
    return decoded;
}

template <class Decoder>
void Check(std::string_view input) {
    const Decoded whole = Decode<Decoder>({input});
    const Decoded pieces = Decode<Decoder>(Pieces(input));
    CC_FUZZ_CHECK(whole.error == pieces.error);
    CC_FUZZ_CHECK(whole.messages == pieces.messages);
    CC_FUZZ_CHECK(input.starts_with(Join(whole.messages, "")));
}

}  // namespace

int FuzzAgentFrame(std::string_view input) {
    Check<ControlDecoder>(input);
    Check<IoDecoder>(input);
    return 0;
}

}  // namespace cc::fuzz

CC_FUZZ_TARGET(FuzzAgentFrame)
