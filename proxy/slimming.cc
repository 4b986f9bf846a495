// SPDX-License-Identifier: Apache-2.0
#include "proxy/slimming.h"

#include <algorithm>

#include "base/memory.h"

namespace cc::proxy {

namespace {
constexpr size_t kWorthIt = 32;  // clients and VMs; fewer only when all have gone
constexpr std::chrono::milliseconds kMoment{1000};
}  // namespace

Slimming::Slimming(uv::Loop& loop, Router& router)
    : router_(router), timer_(loop, [this] { Slim(); }) {}

void Slimming::Settled() {
    const size_t now = Load();
    peak_ = std::max(peak_, now);
    if (now > 0 && (peak_ < kWorthIt || now > peak_ / 2)) return;
    if (peak_ > 0 && !timer_.active()) timer_.Start(kMoment);
}

void Slimming::Slim() {
    peak_ = Load();
    router_.DropSpares();
    TrimHeap();
    DropProgramPages();
}

size_t Slimming::Load() const {
    const auto counts = router_.counts();
    return counts.clients + counts.vms;
}

}  // namespace cc::proxy
