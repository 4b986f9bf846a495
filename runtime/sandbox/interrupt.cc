// SPDX-License-Identifier: Apache-2.0
#include "runtime/sandbox/interrupt.h"

#include <sys/socket.h>

#include "base/text.h"

namespace cc::runtime {

namespace {

constexpr int kInterrupts[] = {SIGINT, SIGTERM, SIGHUP};
volatile sig_atomic_t caught = 0;
volatile pid_t watched = 0;
volatile int connection = -1;

volatile sig_atomic_t no_more_waits = 0;

void EndAllWaits() {
    no_more_waits = 1;
    if (watched > 0) ::kill(watched, SIGTERM);
    if (connection >= 0) ::shutdown(connection, SHUT_RDWR);
}

void OnSignal(int signal) {
    caught = signal;
    EndAllWaits();
}

}  // namespace

InterruptGuard::InterruptGuard() {
    caught = 0;
    no_more_waits = 0;
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
    if (no_more_waits != 0 && keeper > 0) ::kill(keeper, SIGTERM);
}

void InterruptGuard::EndWaits() {
    EndAllWaits();
}

Result<void> CheckInterrupted() {
    if (caught == 0) return {};
    return Fail(Cat("interrupted by signal ", static_cast<int>(caught)), EINTR);
}

InterruptibleConnection::InterruptibleConnection(int fd) {
    connection = fd;
    if (no_more_waits != 0) ::shutdown(fd, SHUT_RDWR);
}

InterruptibleConnection::~InterruptibleConnection() {
    connection = -1;
}

}  // namespace cc::runtime
