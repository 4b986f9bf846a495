// SPDX-License-Identifier: Apache-2.0
// Scopes of systemd: cgroups that it makes and watches, for processes that somebody else started.
#pragma once

#include <string>
#include <vector>

#include <sys/types.h>

#include "host/bus.h"

namespace cc {

struct ScopeRequest {
    std::string unit;         // "libpod-web.scope"
    std::string slice;        // "machine.slice"
    std::string description;  // for people
    pid_t pid = 0;            // its first process; a scope without any is gone at once
};

class Systemd {
  public:
    // Where it is reached, the first that answers: its own socket, which is root's, and the bus.
    static const std::vector<BusAddress>& Addresses();
    static Result<Systemd> Connect(const std::vector<BusAddress>& addresses = Addresses());

    // Returns once the process is in the scope's cgroups. They are delegated: what is below is ours
    // to make, and their values ours to write.
    Result<void> StartScope(const ScopeRequest& request);
    // For as long as the unit lives.
    Result<void> SetProperties(const std::string& unit,
                               const std::vector<DbusProperty>& properties);
    // Ends the scope and forgets that it failed; one that is not there is success.
    Result<void> RemoveScope(const std::string& unit);

  private:
    explicit Systemd(BusConnection bus) : bus_(std::move(bus)) {}
    Result<DbusMessage> Ask(const std::string& member, const std::string& signature,
                            const DbusWriter& body);
    Result<void> HearSignals(bool bus);
    Result<void> ResetFailed(const std::string& unit);
    Result<void> AwaitJob(const std::string& job, const std::string& unit);

    BusConnection bus_;
};

}  // namespace cc
