// SPDX-License-Identifier: Apache-2.0
// The runtime's side of the client protocol: one blocking connection to cc-proxy, every wait with a
// deadline. After an error that is not the proxy's own answer the connection is given up.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "base/fd.h"
#include "protocol/client_frame.h"
#include "protocol/client_messages.h"

namespace cc {

struct ProxyAddress {
    std::string socket;  // path of the UNIX socket
    // The program to start when nobody listens there; empty: that is an error. It is started under
    // the lock
    // `<socket>.lock` as `cc-proxy -socket-path <socket> --on-demand --ready-fd N`, and writes one
    // byte to N when it listens, or an error text.
    std::string executable;
    std::string log_level = "warn";
    std::string ksm = {};  // what a started proxy does about page sharing; empty: its default
};

class ProxyClient {
  public:
    static Result<ProxyClient> Connect(const ProxyAddress& address);

    Result<IoResponse> RegisterVm(const cc::RegisterVm& message,
                                  std::chrono::milliseconds deadline);
    Result<IoResponse> AttachVm(const cc::AttachVm& message, std::chrono::milliseconds deadline);
    Result<void> UnregisterVm(const cc::UnregisterVm& message, std::chrono::milliseconds deadline);
    // The agent's reply payload. An error of the agent's comes as the proxy words it.
    Result<std::string> Hyper(const HyperMessage& message, std::chrono::milliseconds deadline);

  private:
    explicit ProxyClient(Fd fd) : fd_(std::move(fd)) {}
    struct Answer {
        bool error;
        std::string payload;
    };
    Result<std::string> Call(ClientCommand command, std::string_view payload,
                             std::chrono::milliseconds deadline);
    Result<Answer> Exchange(ClientCommand command, std::string_view payload,
                            std::chrono::milliseconds deadline);

    Fd fd_;
    ClientFrameDecoder decoder_;
};

}  // namespace cc
