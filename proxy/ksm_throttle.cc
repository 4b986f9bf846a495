// SPDX-License-Identifier: Apache-2.0
#include "proxy/ksm_throttle.h"

#include <array>

namespace cc::proxy {

namespace {

struct Step {
    KsmPace pace;
    Milliseconds lasts;
};
// Reference A11. The last one lasts until the next kick.
constexpr std::array kSteps{Step{KsmPace::kAggressive, Milliseconds{30'000}},
                            Step{KsmPace::kStandard, Milliseconds{120'000}},
                            Step{KsmPace::kSlow, Milliseconds{120'000}},
                            Step{KsmPace::kInitial, Milliseconds{0}}};
constexpr size_t kFirstStep = 0;
// Without a kick it begins with this one, after this time: VMs may be running already.
constexpr size_t kStepUnkicked = 1;
constexpr Milliseconds kUnkicked{120'000};

}  // namespace

KsmThrottle::KsmThrottle(Router& router, Tune tune)
    : router_(router), tune_(std::move(tune)), deadline_(router.deadlines()) {
    EnterLater(kUnkicked, kStepUnkicked);
}

void KsmThrottle::Kick() {
    Enter(kFirstStep);
}

void KsmThrottle::Enter(size_t step) {
    tune_(kSteps[step].pace);
    if (step + 1 < kSteps.size())
        EnterLater(kSteps[step].lasts, step + 1);
    else
        deadline_.Cancel();
}

void KsmThrottle::EnterLater(Milliseconds delay, size_t step) {
    deadline_.Set(router_.After(delay), [this, step] { Enter(step); });
}

}  // namespace cc::proxy
