// SPDX-License-Identifier: Apache-2.0
// Corrupt and hostile frames.
#include <doctest/doctest.h>

#include "protocol/agent_frame.h"
#include "protocol/client_frame.h"

namespace cc {
namespace {

std::string WithByte(std::string bytes, size_t at, int value) {
    bytes.at(at) = static_cast<char>(value);
    return bytes;
}

bool IsRefused(std::string_view bytes) {
    ClientFrameDecoder decoder;
    decoder.Push(bytes);
    return !decoder.Next();
}

}  // namespace

TEST_CASE("a client frame with a longer header is read and its extra bytes are skipped") {
    std::string frame = EncodeCommand(ClientCommand::kHyper, "{}");
    frame = WithByte(frame, 2, 5);
    frame.insert(kClientHeaderSize, "12345678");
    ClientFrameDecoder decoder;  // which owns the payload's bytes
    decoder.Push(frame);
    const auto decoded = decoder.Next();
    REQUIRE(decoded);
    REQUIRE(*decoded);
    CHECK((*decoded)->payload == "{}");
}

TEST_CASE("client frames that no peer may send are refused") {
    const std::string good = EncodeCommand(ClientCommand::kHyper, "{}");
    CHECK(IsRefused(WithByte(good, 1, 0)));  // version 0
    CHECK(IsRefused(WithByte(good, 1, 1)));  // version 1
    CHECK(IsRefused(WithByte(good, 1, 4)));  // version 4
    CHECK(IsRefused(WithByte(good, 0, 2)));  // version 514
    CHECK(IsRefused(WithByte(good, 2, 0)));  // header of no words
    CHECK(IsRefused(WithByte(good, 2, 2)));  // header of two words
    CHECK(IsRefused(WithByte(good, 6, 4)));  // type
    CHECK(IsRefused(WithByte(good, 7, 7)));  // opcode of a command
    CHECK(IsRefused(WithByte(good, 7, 255)));
    CHECK(IsRefused(WithByte(EncodeStream(StreamKind::kLog, "x"), 7, 4)));
    CHECK(IsRefused(WithByte(EncodeProcessExited(0), 7, 1)));
}

TEST_CASE("a length above the limit is refused as soon as the header is there") {
    const std::string huge = WithByte(EncodeStream(StreamKind::kStdin, ""), 8, 0xff);
    CHECK(IsRefused(huge));
    std::string stream = EncodeStream(StreamKind::kStdin, "");
    stream = WithByte(WithByte(stream, 9, 1), 11, 1);  // 65537
    CHECK(IsRefused(stream));
}

TEST_CASE("many frames in one read come out one by one") {
    ClientFrameDecoder decoder;
    std::string bytes;
    for (int i = 0; i < 1000; ++i)
        bytes += EncodeStream(StreamKind::kStdin, std::string(static_cast<size_t>(i), 'x'));
    decoder.Push(bytes);
    for (size_t i = 0; i < 1000; ++i) {
        const auto frame = decoder.Next();
        REQUIRE(frame);
        REQUIRE(*frame);
        CHECK((*frame)->payload.size() == i);
    }
    CHECK_FALSE(*decoder.Next());
}

TEST_CASE("agent messages shorter than their header or longer than the limit are refused") {
    ControlDecoder control;
    control.Push(WithByte(EncodeControl(ControlCode::kReady, ""), 7, 7));
    CHECK_FALSE(control.Next());
    ControlDecoder control_huge;
    control_huge.Push(WithByte(EncodeControl(ControlCode::kReady, ""), 4, 0xff));
    CHECK_FALSE(control_huge.Next());
    IoDecoder io;
    io.Push(WithByte(EncodeIo(3, ""), 11, 11));
    CHECK_FALSE(io.Next());
    IoDecoder io_huge;
    io_huge.Push(WithByte(EncodeIo(3, ""), 8, 1));
    CHECK_FALSE(io_huge.Next());
}

TEST_CASE("hyper names map to codes and back") {
    for (uint32_t number = 0; number < 32; ++number) {
        const auto code = static_cast<ControlCode>(number);
        if (!HyperName(code).empty()) CHECK(ParseHyperName(HyperName(code)) == code);
    }
    CHECK_FALSE(ParseHyperName("finishpod"));
    CHECK_FALSE(ParseHyperName(""));
}

}  // namespace cc
