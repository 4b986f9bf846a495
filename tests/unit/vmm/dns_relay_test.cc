// SPDX-License-Identifier: Apache-2.0
// The keeper asks a resolver in a network namespace what a guest asks; both are played here.
#include "vmm/dns_relay.h"

#include <thread>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "netns/apply.h"
#include "tests/unit/netns/namespace.h"
#include "tests/unit/vmm/fixtures.h"

namespace cc {

namespace {

Fd Resolver(int type) {
    Fd fd = Fd::Adopt(::socket(AF_INET, type | SOCK_CLOEXEC, 0));
    const sockaddr_in own = ResolverSocketAddress();
    REQUIRE(::bind(fd.get(), reinterpret_cast<const sockaddr*>(&own), sizeof own) == 0);
    return fd;
}

// A relay, its guest's end of the stream, and a namespace with sockets of a resolver.
struct DnsRig {
    uv::Loop loop;
    Fd guest, datagrams, streams;
    std::unique_ptr<DnsRelay> relay;
    uv::Timer patience{loop, [this] { loop.Stop(); }};
    Fd place = test::NewNetworkNamespace([this] {
        auto socket = netns::Socket::Open();
        REQUIRE(socket);
        REQUIRE(netns::SetUp(*socket, netns::FindLink(*socket, "lo")->index, true));
        datagrams = Resolver(SOCK_DGRAM);
        streams = Resolver(SOCK_STREAM);
        REQUIRE(::listen(streams.get(), 4) == 0);
    });

    DnsRig() {
        auto pair = MakeSocketPair(SOCK_STREAM);
        REQUIRE(pair);
        guest = std::move(pair->first);
        REQUIRE(SetNonBlocking(guest.get()));
        auto opened = DnsRelay::Open(loop, std::move(pair->second));
        REQUIRE(opened);
        relay = std::move(*opened);
    }
    void Ask(uint32_t id, bool tcp, std::string_view message) {
        REQUIRE(WriteAll(guest.get(), Encode(DnsFrame{id, tcp, message})));
    }
    void Turn(int ms) {
        patience.Start(std::chrono::milliseconds(ms));
        loop.Run();
    }
    std::string Heard() {
        std::string text(1 << 16, '\0');
        const ssize_t count = ::recv(guest.get(), text.data(), text.size(), 0);
        text.resize(count > 0 ? static_cast<size_t>(count) : 0);
        return text;
    }
};

}  // namespace

TEST_CASE("questions are asked in the container's namespace, as they came, and answered by id") {
    DnsRig rig;
    rig.Ask(1, false, "too early");
    rig.Turn(50);
    rig.relay->AskIn(rig.place.Duplicate().value());
    std::thread resolver([&] {
        char buffer[512];
        sockaddr_in from{};
        for (int i = 0; i < 2; ++i) {
            socklen_t size = sizeof from;
            const ssize_t count = ::recvfrom(rig.datagrams.get(), buffer, sizeof buffer, 0,
                                             reinterpret_cast<sockaddr*>(&from), &size);
            const std::string answer = Cat(
                "<", std::string(buffer, static_cast<size_t>(std::max<ssize_t>(count, 0))), ">");
            ::sendto(rig.datagrams.get(), answer.data(), answer.size(), 0,
                     reinterpret_cast<const sockaddr*>(&from), size);
        }
        const Fd stream = Fd::Adopt(::accept(rig.streams.get(), nullptr, nullptr));
        (void)::recv(stream.get(), buffer, 2 + 5, MSG_WAITALL);
        // Its length comes alone.
        (void)::send(stream.get(), "\0\6", 2, MSG_NOSIGNAL);
        ::usleep(20000);
        (void)::send(stream.get(), "stream", 6, MSG_NOSIGNAL);
    });
    rig.Ask(7, false, "one");
    rig.Ask(8, false, "two");
    rig.Ask(9, true, "three");
    std::map<uint32_t, std::string> answers;
    DnsDecoder decoder;
    for (int i = 0; i < 100 && answers.size() < 3; ++i) {
        rig.Turn(50);
        decoder.Push(rig.Heard());
        while (true) {
            const auto frame = decoder.Next();
            REQUIRE(frame);
            if (!*frame) break;
            answers[(*frame)->id] = std::string((*frame)->message);
        }
    }
    resolver.join();
    CHECK(answers == std::map<uint32_t, std::string>{{7, "<one>"}, {8, "<two>"}, {9, "stream"}});
}

TEST_CASE("a guest's questions are limited, and what is no question ends it") {
    DnsRig rig;
    rig.relay->AskIn(rig.place.Duplicate().value());
    for (uint32_t id = 1; id <= 200; ++id)
        rig.Ask(id, false, "unanswered");
    rig.Turn(300);
    char buffer[64];
    int asked = 0;
    while (::recv(rig.datagrams.get(), buffer, sizeof buffer, MSG_DONTWAIT) > 0)
        ++asked;
    CHECK(asked == 64);
    REQUIRE(WriteAll(rig.guest.get(), std::string(8, '\xff')));
    rig.Ask(300, true, "after");
    rig.Turn(100);
    CHECK(rig.Heard().empty());
}

TEST_CASE("a namespace without a resolver answers with nothing") {
    DnsRig rig;
    rig.datagrams.Reset();
    rig.streams.Reset();
    rig.relay->AskIn(rig.place.Duplicate().value());
    rig.Ask(1, false, "who");
    rig.Ask(2, true, "who");
    rig.Turn(200);
    const std::string heard = rig.Heard();
    CHECK(heard.size() == Encode(DnsFrame{1, false, ""}).size() * 2);
}

}  // namespace cc
