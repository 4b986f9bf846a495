// SPDX-License-Identifier: Apache-2.0
// The resolver in the guest, in a network namespace of the test's; the keeper is played.
#include "agent/network/dns_relay.h"

#include <arpa/inet.h>
#include <sys/socket.h>

#include "base/text.h"
#include "netns/apply.h"
#include "tests/unit/netns/namespace.h"

using namespace cc;
using namespace cc::agent;

namespace {

Fd Client(int type) {
    Fd fd = Fd::Adopt(::socket(AF_INET, type | SOCK_CLOEXEC, 0));
    const sockaddr_in to = ResolverSocketAddress();
    REQUIRE(::connect(fd.get(), reinterpret_cast<const sockaddr*>(&to), sizeof to) == 0);
    return fd;
}

std::string Receive(const Fd& fd) {
    std::string text(1 << 12, '\0');
    const ssize_t count = ::recv(fd.get(), text.data(), text.size(), MSG_DONTWAIT);
    text.resize(count > 0 ? static_cast<size_t>(count) : 0);
    return text;
}

}  // namespace

TEST_CASE("a resolv.conf that names the host's resolver is known") {
    CHECK(NamesOurResolver("nameserver 127.0.0.11\noptions ndots:0\n"));
    CHECK(NamesOurResolver("search a\nnameserver\t127.0.0.11 "));
    for (const char* other : {"", "nameserver 127.0.0.1\n", "#nameserver 127.0.0.11\n",
                              "nameserver 127.0.0.111\n", "search nameserver 127.0.0.11\n"})
        CHECK_FALSE(NamesOurResolver(other));
}

TEST_CASE("questions by datagram and by stream go to the host and come back to who asked") {
    test::InNamespace(test::NewNetworkNamespace(), [] {
        const auto socket = netns::Socket::Open();
        REQUIRE(socket);
        REQUIRE(netns::SetUp(*socket, netns::FindLink(*socket, "lo")->index, true));
        uv::Loop loop;
        uv::Timer patience(loop, [&] { loop.Stop(); });
        const auto turn = [&] {
            patience.Start(std::chrono::milliseconds(50));
            loop.Run();
        };
        auto pair = MakeSocketPair(SOCK_STREAM);
        REQUIRE(pair);
        int opened = 0;
        DnsRelay relay(loop, [&](uv::Loop& in, Port::Callbacks callbacks) {
            ++opened;
            REQUIRE(SetNonBlocking(pair->first.get()));
            return Port::Over(in, std::move(pair->first), std::move(callbacks));
        });
        const auto served = relay.Serve();
        REQUIRE_MESSAGE(served, served.error().message);
        CHECK(relay.Serve());
        CHECK(opened == 1);
        turn();

        const Fd one = Client(SOCK_DGRAM), two = Client(SOCK_DGRAM), stream = Client(SOCK_STREAM);
        REQUIRE(::send(one.get(), "first", 5, 0) == 5);
        REQUIRE(::send(two.get(), "second", 6, 0) == 6);
        // Two in one piece, the second cut.
        REQUIRE(::send(stream.get(), "\0\3abc\0\4de", 9, 0) == 9);
        turn();
        REQUIRE(::send(stream.get(), "fg", 2, 0) == 2);
        turn();
        DnsDecoder decoder;
        decoder.Push(Receive(pair->second));
        std::vector<std::string> asked;
        std::string answers;
        while (true) {
            const auto frame = decoder.Next();
            REQUIRE(frame);
            if (!*frame) break;
            asked.emplace_back((*frame)->message);
            answers = Encode(DnsFrame{(*frame)->id, (*frame)->tcp, Cat("to ", (*frame)->message)}) +
                      answers;
        }
        CHECK(asked.size() == 4);
        // One without an asker, too.
        REQUIRE(WriteAll(pair->second.get(), answers + Encode(DnsFrame{99, true, "stray"})));
        turn();
        CHECK(Receive(one) == "to first");
        CHECK(Receive(two) == "to second");
        CHECK(Receive(stream) == std::string("\0\7to defg\0\6to abc", 17));
    });
}
