// SPDX-License-Identifier: Apache-2.0
// Keeps all processors awake for as long as it lives, by threads that run only where nothing else
// wants to. A virtual processor that sleeps takes 40 us to be woken by its host: on a machine that
// has nothing else to do a round trip would measure that, and not the proxy.
#pragma once

#include <atomic>
#include <thread>
#include <vector>

namespace cc::bench {

class Awake {
  public:
    Awake();
    ~Awake();
    Awake(const Awake&) = delete;
    Awake& operator=(const Awake&) = delete;

  private:
    std::atomic<bool> end_ = false;
    std::vector<std::thread> threads_;
};

}  // namespace cc::bench
