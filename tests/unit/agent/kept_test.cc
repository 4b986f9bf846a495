// SPDX-License-Identifier: Apache-2.0
// What the agent keeps for extension 2, as values.
#include <doctest/doctest.h>

#include "agent/answers.h"
#include "agent/link.h"
#include "agent/received_input.h"
#include "agent/sent_stream.h"
#include "tests/unit/agent/messages.h"

namespace cc::agent {

namespace {

constexpr uint64_t kKeptMuch = 1ULL << 40;

// All that may be sent now.
std::string Send(SentStream& stream) {
    std::string bytes;
    while (const auto piece = stream.Next()) {
        CHECK(piece->bytes.size() <= SentStream::kMaxPiece);
        bytes += piece->bytes;
        if (piece->end) bytes += "<end>";
    }
    return bytes;
}

}  // namespace

TEST_CASE("a stream sends nothing before it is told where to begin") {
    SentStream stream;
    stream.Append("abc");
    CHECK(Send(stream).empty());
    stream.OnWindow(0, kKeptMuch, false);
    CHECK(Send(stream).empty());
    stream.OnWindow(0, 2, true);
    CHECK(Send(stream) == "ab");
    stream.OnWindow(0, 1, false);  // a limit does not go back
    stream.OnWindow(0, 3, false);
    CHECK(Send(stream) == "c");
    stream.Hold();
    stream.Append("d");
    stream.OnWindow(3, kKeptMuch, false);
    CHECK(Send(stream).empty());
    stream.OnWindow(3, kKeptMuch, true);
    CHECK(Send(stream) == "d");
}

TEST_CASE("a stream says its end once, again after a rewind, and needs no window for it") {
    SentStream stream;
    stream.OnWindow(0, 0, true);
    CHECK(Send(stream).empty());
    stream.End();
    CHECK(Send(stream) == "<end>");
    CHECK(stream.Delivered());
    stream.OnWindow(0, 0, true);
    CHECK_FALSE(stream.Delivered());
    CHECK(Send(stream) == "<end>");
    CHECK(Send(stream).empty());
}

TEST_CASE("a stream is delivered once it is acknowledged to its end") {
    SentStream stream;
    stream.Append("abc");
    stream.End();
    stream.OnWindow(0, kKeptMuch, true);
    CHECK(Send(stream) == "abc<end>");
    stream.OnWindow(2, kKeptMuch, false);
    CHECK_FALSE(stream.Delivered());
    stream.OnWindow(100, kKeptMuch, false);  // more than there is
    CHECK(stream.acknowledged() == 3);
    CHECK(stream.Delivered());
    stream.Hold();
    CHECK_FALSE(stream.Delivered());
}

TEST_CASE(
    "a stream sends the same bytes from wherever it is rewound to, in whatever pieces they came") {
    const std::string noise = Noise(SentStream::kMaxKept / 8 * 8);
    SentStream stream;
    for (size_t at = 0, size = 1; at < noise.size(); at += size, size = size * 2 % 40009) {
        size = std::min(size, noise.size() - at);
        stream.Append(std::string_view(noise).substr(at, size));
    }
    CHECK(stream.room() == 0);
    for (const size_t from : {0U, 1U, 32719U, 32720U, 32721U, 100000U, 262143U}) {
        stream.OnWindow(from, kKeptMuch, true);
        CHECK((Send(stream) == noise.substr(from)));
        CHECK(stream.room() == from);
    }
    stream.OnWindow(7, kKeptMuch, true);  // was acknowledged before
    CHECK(stream.Next()->offset == 262143);
    stream.OnWindow(noise.size(), kKeptMuch, false);
    stream.Append("next");
    CHECK(stream.Next()->offset == noise.size());
    CHECK(stream.room() == SentStream::kMaxKept - 4);
}

TEST_CASE("what is acknowledged before it was sent again is not sent") {
    SentStream stream;
    stream.Append("abcdef");
    stream.OnWindow(0, 2, true);
    CHECK(Send(stream) == "ab");
    stream.OnWindow(4, kKeptMuch, false);
    CHECK(Send(stream) == "ef");
}

TEST_CASE("input is new only where it goes on from what is here, and within its window") {
    ReceivedInput input;
    CHECK(input.Take(0, "early", true).bytes.empty());  // before the process runs
    CHECK(input.received() == 0);
    CHECK(input.Grant(0).limit == kStreamWindow);
    CHECK(input.Take(0, "abc", false).bytes == "abc");
    CHECK(input.Take(1, "bcd", false).bytes == "d");
    CHECK(input.Take(5, "f", true).bytes.empty());
    CHECK_FALSE(input.Take(3, "", true).end);  // the end of less than what is here
    CHECK(input.Take(UINT64_MAX, "x", true).bytes.empty());
    const std::string much(kStreamWindow, 'x');
    const auto cut = input.Take(4, much, true);
    CHECK(cut.bytes.size() == much.size() - 4);
    CHECK_FALSE(cut.end);
    CHECK(input.received() == kStreamWindow);
    CHECK(input.Grant(0).limit == 2 * kStreamWindow);
    const auto last = input.Take(4, much, true);
    CHECK(last.bytes.size() == 4);
    CHECK(last.end);
    CHECK_FALSE(input.Take(4 + much.size(), "", true).end);
    CHECK(input.Take(4 + much.size(), "x", false).bytes.empty());
}

TEST_CASE("an input window is told after a step, and what is less is owed") {
    ReceivedInput input;
    (void)input.Grant(0);
    CHECK_FALSE(input.Update(0));
    (void)input.Take(0, std::string(200000, 'x'), false);
    CHECK_FALSE(input.Update(200000));
    CHECK_FALSE(input.Owes(200000));
    CHECK_FALSE(input.Update(200000 - kAcknowledgeAfter + 1));
    const auto step = input.Update(200000 - kAcknowledgeAfter);
    REQUIRE(step);
    CHECK(step->taken == kAcknowledgeAfter);
    CHECK(step->limit == kAcknowledgeAfter + kStreamWindow);
    CHECK_FALSE(input.Update(0));
    CHECK(input.Owes(1));
    CHECK(input.Grant(0).taken == 200000);
    CHECK_FALSE(input.Owes(0));
}

TEST_CASE("of the answers the last 128 are kept, and no long one") {
    Answers answers;
    for (uint64_t id = 0; id < 200; ++id)
        answers.Keep(id, {ControlCode::kAck, std::to_string(id)});
    CHECK(answers.Find(71) == nullptr);
    REQUIRE(answers.Find(72) != nullptr);
    CHECK(answers.Find(72)->text == "72");
    answers.Keep(500, {ControlCode::kAck, std::string(Answers::kMaxText + 1, 'x')});
    CHECK(answers.Find(500) == nullptr);
    CHECK(answers.Find(72) != nullptr);
}

TEST_CASE("a link takes frames of its epoch only, and only behind a Hello of this connection") {
    const std::string marker(kMarkerSize, 'm');
    const auto frame = [&](uint32_t epoch, LinkType type) {
        return cc::Encode(LinkFrame{.epoch = epoch, .type = type}, marker);
    };
    Link link;
    CHECK_FALSE(link.agreed());
    link.Agree(marker);
    link.Push(frame(1, LinkType::kForget));
    CHECK_FALSE(link.Next());
    link.Push(frame(3, LinkType::kHello) + frame(3, LinkType::kForget));
    CHECK(link.Next()->type == LinkType::kHello);
    CHECK(link.open());
    CHECK(link.Next()->type == LinkType::kForget);
    link.Push(frame(2, LinkType::kHello) + frame(2, LinkType::kForget) +
              frame(4, LinkType::kForget));
    CHECK_FALSE(link.Next());
    link.Push(frame(4, LinkType::kHello));
    CHECK(link.Next());
    CHECK(link.Encode({.type = LinkType::kForget}) == frame(4, LinkType::kForget));
    link.Close();
    link.Push(frame(4, LinkType::kForget) + frame(3, LinkType::kHello));
    CHECK_FALSE(link.Next());
    CHECK_FALSE(link.open());
    link.Push(frame(4, LinkType::kHello));
    CHECK(link.Next());
    link.Agree({});
    CHECK_FALSE(link.agreed());
    CHECK_FALSE(link.open());
}

}  // namespace cc::agent
