// SPDX-License-Identifier: Apache-2.0
// Bytes through whatever lies between two descriptors, as fast as it takes them: one thread writes,
// one message a write as a VM's serial port does, another reads and counts.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <sys/types.h>

#include "base/fd.h"

namespace cc::bench {

// Client frames and agents' I/O messages are framed alike: 12 bytes, the last four of them a
// length.
enum class Framing { kClient, kAgent };  // the length without the header, and with it

class PayloadCounter {
  public:
    explicit PayloadCounter(Framing framing) : framing_(framing) {}
    void Push(std::string_view bytes);
    uint64_t payload() const { return payload_; }

  private:
    Framing framing_;
    std::string header_;
    uint64_t left_ = 0;  // of the payload that has begun
    uint64_t payload_ = 0;
};

struct Lane {
    int from;               // written to
    std::string frame;      // the message, again and again
    uint64_t payload;       // of it
    int to;                 // read from; -1: its reader has stopped
    Framing framing;        // of what is read
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
