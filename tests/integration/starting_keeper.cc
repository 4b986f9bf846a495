// SPDX-License-Identifier: Apache-2.0
#include "tests/integration/starting_keeper.h"

#include <sys/socket.h>

#include "protocol/vm_verbs.h"

namespace cc::test {

StartingKeeper::StartingKeeper(std::string socket)
    : socket_(std::move(socket)), listener_(ListenUnix(socket_, SOCK_SEQPACKET, 0600).value()) {
    FdPair end = MakePipe().value();
    end_ = std::move(end.second);
    thread_ = std::thread([this, end = std::move(end.first)]() mutable { Serve(std::move(end)); });
}

StartingKeeper::~StartingKeeper() {
    end_.Reset();
    thread_.join();
}

void StartingKeeper::Serve(Fd end) {
    uv::Loop loop;
    ProxyStarter starter(loop);
    const auto server = PacketServer::Open(
        loop, std::move(listener_),
        [&](const Result<Received>& packet, const PacketServer::Answer& answer) {
            const auto request = packet ? ParseVmRequest(packet->bytes) : Failure(packet.error());
            if (!request) return answer({Encode({.error = request.error().message}, {})});
            starter.Start(request->proxy, [answer](const Result<void>& how) {
                answer({Encode({.error = how ? "" : how.error().message}, VmVerb::kStartProxy)});
            });
        });
    uv::Poll over(loop, [&](int) { loop.Stop(); });
    if (!server || !over.Open(end.get())) return;
    over.Start(UV_READABLE);
    loop.Run();
}

}  // namespace cc::test
