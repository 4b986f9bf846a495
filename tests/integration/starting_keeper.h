// SPDX-License-Identifier: Apache-2.0
// As much of a VM's keeper as shims want: it starts a proxy when it is asked to. In a thread.
#pragma once

#include <memory>
#include <string>
#include <thread>

#include "client/proxy_starter.h"
#include "vmm/packet_server.h"

namespace cc::test {

class StartingKeeper {
  public:
    explicit StartingKeeper(std::string socket);
    ~StartingKeeper();  // proxies that it started live on
    const std::string& socket() const { return socket_; }

  private:
    void Serve(Fd end);

    const std::string socket_;
    Fd listener_;
    Fd end_;  // closed: the thread's word to end
    std::thread thread_;
};

}  // namespace cc::test
