// SPDX-License-Identifier: Apache-2.0
// AttachVM that brings the connection of its shim.
#include <algorithm>

#include <fcntl.h>
#include <sys/socket.h>

#include "tests/unit/proxy/link_hub.h"

namespace cc::proxy {
namespace {

// The proxy's end of a new connection; the other one is of no interest here.
Fd NewConnection() {
    return std::move(MakeSocketPair(SOCK_STREAM)->first);
}

bool IsOpen(int fd) {
    return ::fcntl(fd, F_GETFD) >= 0;
}

OneFrame Attach(LinkHub& hub, const PeerPtr& client, Fd descriptor, int64_t streams = 1) {
    client->SendDescriptor(std::move(descriptor));
    client->Send(EncodeCommand(ClientCommand::kAttachVm, Encode(AttachVm{"vm0", streams, true})));
    hub.world->Run();
    return Hub::Frame(client);
}

HeardFrame Introduce(LinkHub& hub, const PeerPtr& shim, const std::string& token) {
    shim->Send(EncodeCommand(ClientCommand::kConnectShim,
                             Encode(ConnectShim{token, {0, 1000}, {0, 1000}}, kClientVersion3),
                             kClientVersion3));
    hub.world->Run();
    return LinkHub::Heard3(shim).at(0);
}

}  // namespace

TEST_CASE("a shim on a connection that came with AttachVM needs no token, and is told its own") {
    LinkHub hub;
    hub.Register();
    const size_t before = hub.world->router.counts().clients;
    const auto answer = ParseIoResponse(Attach(hub, hub.runtime, NewConnection()).payload).value();
    CHECK(answer.connection);
    CHECK(hub.world->router.counts().clients == before + 1);
    hub.token = answer.tokens.at(0);
    hub.shim = hub.world->passed;
    const auto connected = Introduce(hub, hub.shim, "");
    REQUIRE_FALSE(connected.error);
    CHECK(ParseShimConnected(connected.payload)->token == hub.token);
    hub.Hyper(hub.runtime);
    hub.Reply(hub.Request().stream);
    hub.Say(hub.io, {hub.epoch, LinkType::kData, 0, 5, 0, "out"});  // the second of two tokens
    const auto heard = LinkHub::Heard3(hub.shim);
    CHECK(std::any_of(heard.begin(), heard.end(), [](const HeardFrame& frame) {
        return frame.Is(StreamKind::kStdout) && frame.payload == "out";
    }));
    // A shim sends no descriptors.
    CHECK_FALSE(hub.shim->may_send_fds);
}

TEST_CASE("such a connection takes its own token, and no other") {
    LinkHub hub;
    hub.Register();
    const auto answer = ParseIoResponse(Attach(hub, hub.runtime, NewConnection()).payload).value();
    const auto shim = hub.world->passed;
    const auto refused = Introduce(hub, shim, hub.token);
    CHECK(refused.error);
    CHECK(ParseError(refused.payload, kClientVersion3).code == ErrorCode::kUnknownToken);
    const auto connected = Introduce(hub, shim, answer.tokens.at(0));
    CHECK_FALSE(connected.error);
    CHECK(ParseShimConnected(connected.payload)->token.empty());
}

TEST_CASE("without a token a connection of one's own is refused") {
    LinkHub hub;
    hub.Register();
    hub.token.clear();
    CHECK(hub.Connect().error);
}

TEST_CASE("a descriptor that is no connection is an error that costs no token") {
    LinkHub hub;
    hub.Register();
    const size_t tokens = hub.world->router.counts().tokens;
    std::vector<Fd> strange;
    strange.push_back(std::move(MakePipe()->first));
    strange.push_back(OpenFile("/dev/null", O_RDWR).value());
    strange.push_back(std::move(MakeSocketPair(SOCK_DGRAM)->first));
    strange.push_back(std::move(MakeSocketPair(SOCK_SEQPACKET)->first));
    strange.push_back(Fd::Adopt(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)));
    strange.push_back(Fd::Adopt(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)));
    for (auto& fd : strange) {
        const int number = fd.get();
        const auto answer = Attach(hub, hub.runtime, std::move(fd));
        CHECK(answer.error);
        CHECK(ParseErrorText(answer.payload).find("not a connected UNIX stream socket") !=
              std::string::npos);
        CHECK_FALSE(IsOpen(number));
    }
    CHECK(hub.world->router.counts().tokens == tokens);
    CHECK_FALSE(Attach(hub, hub.runtime, NewConnection()).error);
}

TEST_CASE("where a connection cannot be taken, the answer has a token and no more") {
    LinkHub hub;
    hub.Register();
    // None came; two streams; then more connections than one user may have.
    CHECK_FALSE(ParseIoResponse(Attach(hub, hub.runtime, Fd()).payload)->connection);
    CHECK_FALSE(ParseIoResponse(Attach(hub, hub.runtime, NewConnection(), 2).payload)->connection);
    std::vector<PeerPtr> crowd;
    for (size_t i = 0; i < kMaxClientsPerUser; ++i)
        crowd.push_back(hub.world->NewClient(1000));
    const auto full = ParseIoResponse(Attach(hub, crowd[0], NewConnection()).payload).value();
    CHECK_FALSE(full.connection);
    CHECK(full.tokens.size() == 1);
    CHECK(hub.world->passed->closed);
    crowd[1]->Close();
    hub.world->Run();
    CHECK(ParseIoResponse(Attach(hub, crowd[0], NewConnection()).payload)->connection);
    CHECK(ParseIoResponse(Attach(hub, hub.runtime, NewConnection()).payload)->connection);

    // The shim would have to speak version 2.
    Hub plain;
    const auto runtime = plain.Register(kPlainExtension);
    runtime->SendDescriptor(NewConnection());
    plain.Say(runtime, ClientCommand::kAttachVm, Encode(AttachVm{"vm0", 1, true}));
    CHECK_FALSE(ParseIoResponse(Hub::Frame(runtime).payload)->connection);
}

TEST_CASE("a descriptor that came with another frame is closed with it") {
    LinkHub hub;
    hub.Register();
    Fd fd = NewConnection();
    const int number = fd.get();
    hub.runtime->SendDescriptor(std::move(fd));
    hub.runtime->Send(EncodeCommand(ClientCommand::kAttachVm, Encode(AttachVm{"vm0", 0})));
    hub.world->Run();
    CHECK_FALSE(Hub::Frame(hub.runtime).error);
    CHECK_FALSE(IsOpen(number));
    CHECK_FALSE(ParseIoResponse(Attach(hub, hub.runtime, Fd()).payload)->connection);

    // One that waits for its shim keeps none either.
    fd = NewConnection();
    const int second = fd.get();
    hub.runtime->SendDescriptor(std::move(fd));
    hub.Hyper(hub.runtime);
    CHECK_FALSE(IsOpen(second));
}

TEST_CASE("a descriptor is kept for a frame that comes in pieces, and for a VM being adopted") {
    LinkHub hub;
    hub.Register();
    hub.runtime->chunk = 7;
    CHECK(ParseIoResponse(Attach(hub, hub.runtime, NewConnection()).payload)->connection);
    hub.Die();
    hub.Successor();
    hub.runtime = hub.world->NewClient();
    hub.runtime->SendDescriptor(NewConnection());
    hub.runtime->Send(EncodeCommand(ClientCommand::kAttachVm, Encode(AttachVm{"vm0", 1, true})));
    hub.world->Run();
    CHECK(hub.runtime->received.empty());
    hub.Adopt({});
    CHECK(ParseIoResponse(Hub::Frame(hub.runtime).payload)->connection);
}

}  // namespace cc::proxy
