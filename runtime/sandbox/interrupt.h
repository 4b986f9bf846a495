// SPDX-License-Identifier: Apache-2.0
// Ctrl-C and its like while a container is being made: the command shall end soon, but not without
// undoing what it has done. The handler ends the VM's keeper, if there is one, because nearly
// everything that takes long waits for the VM; before there is one, it is the template that is
// waited for.
#pragma once

#include <csignal>

#include <sys/types.h>

#include "base/result.h"

namespace cc::runtime {

class InterruptGuard {
  public:
    InterruptGuard();
    ~InterruptGuard();  // the signals do again what they did before
    InterruptGuard(const InterruptGuard&) = delete;
    InterruptGuard& operator=(const InterruptGuard&) = delete;

    // The keeper is our unreaped child, so its pid stays its own. 0: none.
    void Watch(pid_t keeper);
    // Ends what is waited for, as a signal does, because it is of no use any more.
    void EndWaits();

  private:
    struct sigaction before_[3];
};

// An error that names the signal, when one came.
Result<void> CheckInterrupted();

// While it lives, the signal also ends this connection, and so every wait for its other end.
class InterruptibleConnection {
  public:
    explicit InterruptibleConnection(int fd);
    ~InterruptibleConnection();
    InterruptibleConnection(const InterruptibleConnection&) = delete;
    InterruptibleConnection& operator=(const InterruptibleConnection&) = delete;
};

}  // namespace cc::runtime
