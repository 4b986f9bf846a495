// SPDX-License-Identifier: Apache-2.0
#include "runtime/sandbox/interrupt.h"

#include <atomic>

#include <sys/socket.h>

#include "base/text.h"

namespace cc::runtime {

namespace {

constexpr int kInterrupts[] = {SIGINT, SIGTERM, SIGHUP};
// Of a handler and of two threads. Who says what is waited for then looks whether it may, and who
// ends all waits says so first: one of them sees the other.
std::atomic<int> caught = 0;
std::atomic<pid_t> watched = 0;
std::atomic<int> connection = -1;
std::atomic<bool> no_more_waits = false;
static_assert(std::atomic<int>::is_always_lock_free && std::atomic<bool>::is_always_lock_free);

void EndAllWaits() {
    no_more_waits = true;
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
    no_more_waits = false;
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
    if (no_more_waits && keeper > 0) ::kill(keeper, SIGTERM);
}

void InterruptGuard::EndWaits() {
    EndAllWaits();
}

Result<void> CheckInterrupted() {
    if (caught == 0) return {};
    return Fail(Cat("interrupted by signal ", caught.load()), EINTR);
}

InterruptibleConnection::InterruptibleConnection(int fd) {
    connection = fd;
    if (no_more_waits) ::shutdown(fd, SHUT_RDWR);
}

InterruptibleConnection::~InterruptibleConnection() {
    connection = -1;
}

}  // namespace cc::runtime
