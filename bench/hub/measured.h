// SPDX-License-Identifier: Apache-2.0
// A process that is measured from outside: its processor time, its calls and its memory.
#pragma once

#include <cstdint>
#include <ctime>
#include <string>
#include <vector>

#include <sys/types.h>

#include "base/process.h"

namespace cc::bench {

struct Memory {  // KiB, of smaps_rollup
    long rss = 0;
    long pss = 0;
    long anonymous = 0;
    long private_ = 0;  // not shared with any other process
};
Memory MemoryOf(pid_t pid);

// Calls of read, write and their like that a process has made so far.
uint64_t TransfersOf(pid_t pid);

class ProcessorClock {
  public:
    explicit ProcessorClock(pid_t pid);
    double Seconds() const;  // used so far by all its threads

  private:
    clockid_t clock_{};
};

// A cc-proxy of our own, in system mode, on a socket in a new directory below this one: beside the
// socket of an earlier one it would find that one's VMs and adopt them.
class Proxy {
  public:
    Proxy(const std::string& program, const std::string& directory);
    ~Proxy();
    Proxy(const Proxy&) = delete;
    Proxy& operator=(const Proxy&) = delete;

    const std::string& socket() const { return socket_; }
    pid_t pid() const { return process_.pid(); }
    Memory memory() const { return MemoryOf(process_.pid()); }
    double ProcessorSeconds() const { return clock_.Seconds(); }

  private:
    const std::string socket_;
    Process process_;
    ProcessorClock clock_;
};

}  // namespace cc::bench
