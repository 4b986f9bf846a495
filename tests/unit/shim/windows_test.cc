// SPDX-License-Identifier: Apache-2.0
// The accounting of version 3's streams, without a shim around it.
#include <doctest/doctest.h>

#include "shim/input_window.h"
#include "shim/output_window.h"

namespace cc::shim {
namespace {

const std::string kText = "the quick brown fox jumps over the lazy dog";

std::string_view From(size_t offset, size_t count = std::string::npos) {
    return std::string_view(kText).substr(offset, count);
}

// All that a window has to send, checked to go on from `offset`.
std::string SendAll(InputWindow& window, uint64_t offset, size_t most, bool* ended = nullptr) {
    std::string sent;
    while (const auto piece = window.Next(most)) {
        CHECK(piece->offset == offset + sent.size());
        CHECK(piece->bytes.size() <= most);
        sent += piece->bytes;
        if (ended != nullptr) *ended = piece->end;
    }
    return sent;
}

}  // namespace

TEST_CASE("output sent again from any place, in pieces of any size, is taken once") {
    for (size_t size = 1; size <= kText.size(); ++size) {
        OutputWindow window;
        std::string taken;
        while (taken.size() < kText.size()) {
            // Each piece begins again at every earlier place.
            for (size_t back = 0; back <= std::min<size_t>(taken.size(), 5); ++back) {
                const size_t offset = taken.size() - back;
                taken += window.Accept(offset, From(offset, size), false);
            }
        }
        CHECK(taken == kText);
        CHECK(window.Resume(0).offset == kText.size());
    }
}

TEST_CASE("output beyond a gap is not taken, nor any with an offset that would wrap") {
    OutputWindow window;
    CHECK(window.Accept(1, "x", true).empty());
    CHECK(window.Accept(UINT64_MAX, "xy", true).empty());
    CHECK(window.Accept(0, "ab", false) == "ab");
    CHECK(window.Accept(3, "x", true).empty());
    CHECK(window.Accept(UINT64_MAX - 1, "xyz", true).empty());
    CHECK_FALSE(window.News(0));  // none of those ends was the stream's
    CHECK(window.Accept(1, "bc", false) == "c");
}

TEST_CASE("only what was written is acknowledged, every half of the window, the rest later") {
    OutputWindow window;
    const std::string bytes(400000, 'x');
    CHECK(window.Resume(0).limit == kStreamWindow);
    (void)window.Accept(0, bytes, false);
    CHECK_FALSE(window.Owes(bytes.size()));
    CHECK_FALSE(window.News(bytes.size()));
    CHECK_FALSE(window.News(bytes.size() - kAcknowledgeAfter + 1));
    const auto some = window.News(bytes.size() - kAcknowledgeAfter);
    REQUIRE(some);
    CHECK(some->offset == kAcknowledgeAfter);
    CHECK(some->limit == kAcknowledgeAfter + kStreamWindow);
    CHECK_FALSE(window.News(1000000));  // it never goes back
    CHECK(window.Resume(200000).offset == 200000);
    const auto most = window.News(0);
    REQUIRE(most);
    CHECK(most->offset == bytes.size());
    CHECK_FALSE(window.Owes(0));
    (void)window.Accept(bytes.size(), "more", false);
    CHECK_FALSE(window.News(0));
    CHECK_FALSE(window.LateNews(4));
    CHECK(window.Owes(3));
    CHECK(window.LateNews(3)->offset == bytes.size() + 1);
    CHECK(window.LateNews(0)->offset == bytes.size() + 4);
    CHECK_FALSE(window.LateNews(0));
}

TEST_CASE("all of a stream that has ended is acknowledged at once, and none of it before") {
    OutputWindow window;
    (void)window.Accept(0, "ab", false);
    CHECK_FALSE(window.News(0));
    (void)window.Accept(1, "bcd", true);
    CHECK_FALSE(window.News(1));
    CHECK(window.News(0)->offset == 4);
    CHECK_FALSE(window.News(0));

    OutputWindow bare;  // whose end comes alone
    (void)bare.Accept(0, "ab", false);
    (void)bare.Accept(2, "", true);
    CHECK(bare.News(0)->offset == 2);
}

TEST_CASE("input is sent within the window only, and no more is read than it allows") {
    InputWindow window;
    CHECK(window.room() == 0);
    window.Resume({0, 0});
    CHECK(window.room() == 0);
    window.Move({0, 10});
    CHECK(window.room() == 10);
    window.Add(From(0, 10));
    CHECK(window.room() == 0);
    CHECK(SendAll(window, 0, 4) == From(0, 10));
    window.Move({10, 12});
    window.Move({3, 5});  // an old one
    CHECK(window.room() == 2);
}

TEST_CASE("input goes on from wherever a new connection has it, at any place") {
    for (size_t reached = 0; reached <= kText.size(); ++reached)
        for (size_t size = 1; size <= kText.size(); size += 7) {
            InputWindow window;
            window.Resume({0, 1000});
            window.Add(From(0, 30));
            (void)SendAll(window, 0, size);
            window.Add(From(30));
            window.Resume({reached, reached + 5});
            CHECK(SendAll(window, reached, size) == From(reached, 5));
            window.Move({reached, 1000});
            CHECK(SendAll(window, std::min(reached + 5, kText.size()), size) ==
                  From(std::min(reached + 5, kText.size())));
        }
}

TEST_CASE(
    "the end of input is told once a connection, after all of it, and not before there is a "
    "process") {
    InputWindow window;
    window.Resume({0, 4});
    window.Add("abcd");
    window.End();
    bool ended = false;
    CHECK(SendAll(window, 0, 3, &ended) == "abcd");
    CHECK(ended);
    CHECK_FALSE(window.Next(3));
    window.Resume({2, 0});
    CHECK_FALSE(window.Next(3));
    window.Move({2, 3});
    const auto some = window.Next(3);
    REQUIRE(some);
    CHECK(some->bytes == "c");
    CHECK_FALSE(some->end);
    window.Move({4, 4});
    const auto end = window.Next(3);
    REQUIRE(end);
    CHECK(end->offset == 4);
    CHECK(end->bytes.empty());
    CHECK(end->end);
    CHECK_FALSE(window.Next(3));
}

TEST_CASE("a proxy that claims to have more input than there was makes nothing be forgotten") {
    InputWindow window;
    window.Resume({0, 100});
    window.Add("abc");
    window.Move({1000, 2000});
    CHECK_FALSE(window.Next(100));
    window.Add("def");
    CHECK(SendAll(window, 3, 100) == "def");
    window.Resume({UINT64_MAX, UINT64_MAX});
    CHECK(window.room() == UINT64_MAX - 6);
}

}  // namespace cc::shim
