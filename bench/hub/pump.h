// SPDX-License-Identifier: Apache-2.0
// Bytes through whatever lies between two descriptors, as fast as it takes them: one thread writes,
// one message a write as a VM's serial port does, another reads and counts.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include <sys/types.h>

#include "base/fd.h"
#include "bench/hub/traffic.h"

namespace cc::bench {

struct Lane {
    int from;  // written to, and heard for windows
    std::shared_ptr<Sender> sender;
    int to;  // read from, and answered; -1: its reader has stopped
    std::shared_ptr<Receiver> receiver;
    uint64_t received = 0;  // bytes of payload when the time was over
};

struct Flow {
    double seconds = 0;  // until everything that was sent has arrived
    uint64_t payload = 0;
};

// Fills all lanes for so long, then waits until what is on its way has arrived (but not from lanes
// whose reader has stopped). Makes the descriptors non-blocking.
Flow Pump(std::vector<Lane>& lanes, double seconds);

// A child that copies from one socket to the other, 64 KiB a read: the least a hub can cost.
class CopyLoop {
  public:
    enum class Way { kForth, kForthAndBack };  // the latter: turn by turn, for round trips
    explicit CopyLoop(Way way);
    ~CopyLoop();
    CopyLoop(const CopyLoop&) = delete;
    CopyLoop& operator=(const CopyLoop&) = delete;
    int from() const { return near_.get(); }
    int to() const { return far_.get(); }
    pid_t pid() const { return pid_; }

  private:
    Fd near_;
    Fd far_;
    pid_t pid_ = 0;
};

}  // namespace cc::bench
