// SPDX-License-Identifier: Apache-2.0
// The host's syslog daemon as a second place for log lines. It is a convenience: no daemon, one
// that comes later, one that is slow or starts anew costs its lines and nothing else. Never waits.
#pragma once

#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "base/fd.h"

namespace cc {

// Where daemons listen: Linux, some BSDs, others; those that 3.0 tries.
std::vector<std::string> SyslogSockets();

enum class SyslogSeverity { kError = 3, kWarning = 4, kInfo = 6, kDebug = 7 };  // RFC 5424

class Syslog {
  public:
    // The first of these datagram sockets that somebody listens on is used.
    Syslog(std::string tag, std::vector<std::string> sockets)
        : tag_(std::move(tag)), sockets_(std::move(sockets)) {}
    // One message; long ones are cut. From any thread.
    void Send(SyslogSeverity severity, std::string_view text);

  private:
    bool Connect();
    bool SendNow(SyslogSeverity severity, std::string_view text);

    const std::string tag_;
    const std::vector<std::string> sockets_;
    std::mutex mutex_;  // guards what is below
    Fd socket_;
    uint64_t dropped_ = 0;
};

}  // namespace cc
