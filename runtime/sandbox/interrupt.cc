// SPDX-License-Identifier: Apache-2.0
#include "runtime/sandbox/interrupt.h"

#include "base/text.h"

namespace cc::runtime {

namespace {

constexpr int kInterrupts[] = {SIGINT, SIGTERM, SIGHUP};
volatile sig_atomic_t caught = 0;
volatile pid_t watched = 0;

void OnSignal(int signal) {
    caught = signal;
    if (watched > 0) ::kill(watched, SIGTERM);
}

}  // namespace

InterruptGuard::InterruptGuard() {
    caught = 0;
    watched = 0;
    struct sigaction action {};
    action.sa_handler = OnSignal;
    action.sa_flags = SA_RESTART;
    for (int i = 0; i < 3; ++i)
        ::sigaction(kInterrupts[i], &action, &before_[i]);
}

InterruptGuard::~InterruptGuard() {
    watched = 0;
    for (int i = 0; i < 3; ++i)
        ::sigaction(kInterrupts[i], &before_[i], nullptr);
}

void InterruptGuard::Watch(pid_t keeper) {
    watched = keeper;
    if (caught != 0 && keeper > 0) ::kill(keeper, SIGTERM);
}

int InterruptGuard::signal() const {
    return caught;
}

Result<void> InterruptGuard::Check() const {
    if (caught == 0) return {};
    return Fail(Cat("interrupted by signal ", static_cast<int>(caught)), EINTR);
}

}  // namespace cc::runtime
