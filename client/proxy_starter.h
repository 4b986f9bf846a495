// SPDX-License-Identifier: Apache-2.0
// Starts proxies from an event loop, without waiting in it, and sees to them when they end.
#pragma once

#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <vector>

#include "base/uv/loop.h"
#include "client/proxy_start.h"

namespace cc {

class ProxyStarter {
  public:
    // Success: a proxy listens, or somebody else is starting one. An error: why ours does not
    // (ECONNRESET: it ended without a word).
    using Done = std::function<void(const Result<void>&)>;

    explicit ProxyStarter(uv::Loop& loop) : loop_(loop) {}

    // Starts one where nobody listens. While one is on its way `done` waits for that, whatever the
    // address. May be called, and calls back, from within `done`.
    void Start(const ProxyAddress& address, Done done);

  private:
    struct Child {
        Process process;
        std::unique_ptr<uv::Poll> end;  // goes first: it watches the other's descriptor
    };
    Result<void> Watch();
    void OnWord();
    void Finish(const Result<void>& how);
    void Keep(Process process);
    void OnChildEnd(std::list<Child>::iterator child);

    uv::Loop& loop_;
    std::optional<ProxyStart> start_;
    std::unique_ptr<uv::Poll> word_;  // goes before start_, whose descriptor it watches
    std::vector<Done> waiting_;
    std::list<Child> children_;
};

}  // namespace cc
