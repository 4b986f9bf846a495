// SPDX-License-Identifier: Apache-2.0
// A connection to the system's D-Bus, or to systemd's own socket, where systemd itself answers and
// there is no bus between. Nothing waits longer than its deadline.
#pragma once

#include <chrono>
#include <deque>
#include <functional>
#include <string>

#include "base/fd.h"
#include "protocol/dbus.h"

namespace cc {

struct BusAddress {
    std::string path;  // of a UNIX socket
    bool bus = true;   // false: the peer itself
};

class BusConnection {
  public:
    static Result<BusConnection> Connect(const BusAddress& address);

    // The answer, which may be an error of the peer's (DbusType::kError).
    Result<DbusMessage> Call(DbusMessage message);
    // The next signal that `wanted` takes, of those that have come and those to come.
    Result<DbusMessage> AwaitSignal(const std::function<bool(const DbusMessage&)>& wanted,
                                    std::chrono::milliseconds deadline);

  private:
    using TimePoint = std::chrono::steady_clock::time_point;
    explicit BusConnection(Fd fd) : fd_(std::move(fd)) {}
    Result<void> Authenticate(TimePoint end);
    Result<std::string> ReadSome(TimePoint end);
    Result<DbusMessage> Receive(TimePoint end);

    Fd fd_;
    DbusDecoder decoder_;
    std::deque<DbusMessage> signals_;
    uint32_t serial_ = 0;
};

// Of an answer: its error, if it is one.
Result<void> CheckAnswer(const DbusMessage& answer);

}  // namespace cc
