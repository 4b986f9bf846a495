// SPDX-License-Identifier: Apache-2.0
// The runtime's side of the client protocol: one blocking connection to cc-proxy, every wait with a
// deadline.
//
// A proxy that dies while a command waits for its answer is no error as long as the deadline lasts:
// the client connects to the next one (which it starts, if its address says how) and repeats the
// command there. After any other error that is not the proxy's own answer the connection is given
// up.
#pragma once

#include <chrono>
#include <string>
#include <string_view>

#include "base/fd.h"
#include "client/proxy_start.h"
#include "protocol/client_frame.h"
#include "protocol/client_messages.h"

namespace cc {

class ProxyClient {
  public:
    static Result<ProxyClient> Connect(ProxyAddress address);

    // Repeated, it may meet a proxy that has adopted the VM: then it is attached to, which gives no
    // times of the agent's.
    Result<IoResponse> RegisterVm(const cc::RegisterVm& message,
                                  std::chrono::milliseconds deadline);
    // `connection`, or -1: the proxy's end of the connection of the shim of the one stream. Whether
    // it was taken is in the response; repeated, it is not: the lost proxy had it.
    Result<IoResponse> AttachVm(const cc::AttachVm& message, std::chrono::milliseconds deadline,
                                int connection = -1);
    // Repeated, a VM that is not known any more is success.
    Result<void> UnregisterVm(const cc::UnregisterVm& message, std::chrono::milliseconds deadline);
    // The agent's reply payload. An error of the agent's comes as the proxy words it. Repeated only
    // on a connection that was attached to a VM; the request id, random unless the message has one,
    // lets the agent carry it out once.
    Result<std::string> Hyper(const HyperMessage& message, std::chrono::milliseconds deadline);

  private:
    using Clock = std::chrono::steady_clock;
    struct Answer {
        bool error = false;
        std::string payload;
        bool repeated = false;  // the command may have been carried out before
    };

    ProxyClient(ProxyAddress address, Fd fd) : address_(std::move(address)), fd_(std::move(fd)) {}
    // `descriptor`, or -1: goes with the command.
    Result<Answer> Call(ClientCommand command, std::string_view payload, Clock::time_point end,
                        int descriptor = -1);
    Result<Answer> Exchange(ClientCommand command, std::string_view payload, Clock::time_point end,
                            int descriptor = -1);
    Result<Answer> Converse(ClientCommand command, std::string_view payload, Clock::time_point end,
                            int descriptor);
    Result<void> Reconnect(ClientCommand command, Clock::time_point end);

    ProxyAddress address_;
    Fd fd_;
    ClientFrameDecoder decoder_;
    std::string vm_;  // that this client is attached to; empty: none
};

}  // namespace cc
