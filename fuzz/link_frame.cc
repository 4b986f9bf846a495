// SPDX-License-Identifier: Apache-2.0
// What either side of an agent port may read in extension 2, the other's bytes with any of them
// lost: any split gives the same frames, each within the limits and encoding to bytes that were
// there, and a frame that begins after the end of all that came before is always found.
#include "protocol/link_frame.h"

#include <algorithm>

#include "fuzz/target.h"

namespace cc::fuzz {

namespace {

constexpr std::string_view kMarker = "0123456789abcdef";

struct Decoded {
    std::vector<std::string> frames;  // encoded again
    uint64_t skipped = 0;
};

Decoded Decode(const std::vector<std::string_view>& pieces) {
    Decoded decoded;
    LinkDecoder decoder(kMarker);
    for (const auto piece : pieces) {
        decoder.Push(piece);
        while (const auto frame = decoder.Next()) {
            CC_FUZZ_CHECK(frame->payload.size() <=
                          (frame->type == LinkType::kData ? kMaxLinkData : kMaxLinkPayload));
            decoded.frames.push_back(Encode(*frame, kMarker));
        }
    }
    decoded.skipped = decoder.skipped();
    return decoded;
}

// A frame with a marker in it (no peer sends one) is whole when it comes at once, and ends at that
// marker when it does not.
bool HoldsMarker(const std::vector<std::string>& frames) {
    return std::any_of(frames.begin(), frames.end(), [](const std::string& frame) {
        return frame.find(kMarker, 1) != std::string::npos;
    });
}

// They are all in the input, one after the other.
void CheckCameFrom(const std::vector<std::string>& frames, std::string_view input) {
    for (const auto& frame : frames) {
        const size_t at = input.find(frame);
        CC_FUZZ_CHECK(at != std::string_view::npos);
        input.remove_prefix(at + frame.size());
    }
}

// The end of a cut frame, wherever the input ends, does not swallow what follows it.
void CheckNextIsFound(std::string_view input) {
    const std::string hello = Encode({.epoch = 9, .type = LinkType::kHello}, kMarker);
    for (const bool whole : {true, false}) {
        const std::string bytes = Cat(input, hello);
        const Decoded decoded = Decode(whole ? std::vector<std::string_view>{bytes}
                                             : std::vector<std::string_view>{input, hello});
        if (HoldsMarker(decoded.frames)) continue;
        CC_FUZZ_CHECK(!decoded.frames.empty() && decoded.frames.back() == hello);
    }
}

}  // namespace

int FuzzLinkFrame(std::string_view input) {
    const Decoded whole = Decode({input});
    CheckCameFrom(whole.frames, input);
    CheckNextIsFound(input);
    if (HoldsMarker(whole.frames)) return 0;
    const Decoded pieces = Decode(Pieces(input));
    CC_FUZZ_CHECK(whole.frames == pieces.frames);
    CC_FUZZ_CHECK(whole.skipped == pieces.skipped);
    return 0;
}

}  // namespace cc::fuzz

CC_FUZZ_TARGET(FuzzLinkFrame)
