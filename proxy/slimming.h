// SPDX-License-Identifier: Apache-2.0
// Gives memory back when a load has gone, a moment later, because the next one may be coming.
#pragma once

#include <cstddef>

#include "base/uv/loop.h"
#include "proxy/router.h"

namespace cc::proxy {

class Slimming {
  public:
    Slimming(uv::Loop& loop, Router& router);
    // An event has been dealt with.
    void Settled();

  private:
    void Slim();
    size_t Load() const;

    Router& router_;
    uv::Timer timer_;
    size_t peak_ = 0;  // of clients and VMs since the last time
};

}  // namespace cc::proxy
