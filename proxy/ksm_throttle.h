// SPDX-License-Identifier: Apache-2.0
// How long page sharing goes at which pace in mode auto: a VM that has just started has the most
// pages that others have too, so the search is fast at first and dies down.
#pragma once

#include <cstddef>
#include <functional>

#include "proxy/deadlines.h"
#include "proxy/ksm.h"
#include "proxy/router.h"

namespace cc::proxy {

class KsmThrottle {
  public:
    using Tune = std::function<void(KsmPace)>;
    // `tune` is called from the router's deadlines and from Kick(), and must not wait.
    KsmThrottle(Router& router, Tune tune);
    void Kick();  // a VM was registered

  private:
    void Enter(size_t step);
    void EnterLater(Milliseconds delay, size_t step);

    Router& router_;
    const Tune tune_;
    Deadline deadline_;
};

}  // namespace cc::proxy
