// SPDX-License-Identifier: Apache-2.0
// A resolver in the guest that asks one which lives in the container's network namespace on the
// host: Docker's for user-defined networks, at 127.0.0.11. Here, too, it is found at that address,
// by datagrams and by streams; the VM's keeper asks (protocol/dns_frame.h).
#pragma once

#include <functional>
#include <map>
#include <memory>

#include <netinet/in.h>

#include "agent/port.h"
#include "base/uv/channel.h"
#include "protocol/dns_frame.h"

namespace cc::agent {

class DnsRelay {
  public:
    // Opens the way to the host when it is first needed.
    using OpenPort = std::function<Result<std::unique_ptr<Port>>(uv::Loop&, Port::Callbacks)>;

    DnsRelay(uv::Loop& loop, OpenPort open_port);
    ~DnsRelay();

    // In the caller's network namespace. Nothing happens when it serves already.
    Result<void> Serve();

  private:
    struct Stream;
    struct Asker {
        sockaddr_in from{};   // of a datagram
        uint64_t stream = 0;  // or its number
    };
    Result<void> Bind();
    void OnDatagrams();
    void OnConnection();
    void OnStream(uint64_t number, std::string_view bytes);
    void Ask(bool tcp, std::string_view message, const Asker& asker);
    void OnAnswers(std::string_view bytes);
    void Answer(const DnsFrame& frame);

    uv::Loop& loop_;
    OpenPort open_port_;
    std::unique_ptr<Port> host_;
    DnsDecoder decoder_;
    Fd datagrams_, listener_;
    uv::Poll datagram_poll_, connection_poll_;
    std::map<uint64_t, std::unique_ptr<Stream>> streams_;
    uint64_t last_stream_ = 0;
    std::map<uint32_t, Asker> askers_;
    uint32_t last_id_ = 0;
};

// Of a text in the form of resolv.conf(5).
bool NamesOurResolver(std::string_view resolv_conf);

}  // namespace cc::agent
