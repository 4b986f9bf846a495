// SPDX-License-Identifier: Apache-2.0
// By which way each link of a container's network namespace reaches the machine: most by a tap, or,
// if the configuration says so and the link can carry it, by a macvtap. One
// that is a device of the host's is given to the machine whole (vfio-pci), and one that a program
// serves (vhost-user) is that program's to serve.
#pragma once

#include <functional>
#include <map>
#include <string>

#include "base/fd.h"
#include "host/pci_bus.h"
#include "runtime/state/records.h"

namespace cc::runtime {

// Where it is looked; tests have recorded hosts.
struct LinkHost {
    PciBus bus;
    // Followed by an address of the link and /vhu.sock (3.0's place).
    std::string vhost_user = "/tmp/vhostuser_";
    std::function<Result<std::string>(const Fd&, const std::string&)> bus_info;  // none: the real
    // Why the link cannot carry a macvtap; empty: it can.
    std::function<Result<std::string>(const Fd&, const std::string&)> no_macvtap;  // none: the real
};

struct LinkWay {
    CardKind kind = CardKind::kTap;
    std::string source = {};  // as of Card
    std::string driver = {};  // of a physical one
};
using LinkWays = std::map<int64_t, LinkWay>;  // by the index of the link; not there: a tap

// Of the links with addresses that the guest was not told of yet. Changes nothing.
Result<LinkWays> FindWays(const LinkHost& host, const Fd& network_namespace, const Network& found,
                          const NetworkRecord& record);

// Empty: no program serves the link. A socket that somebody else than root may have put there is
// none.
std::string FindVhostUserSocket(const std::string& prefix, const NetworkLink& link);
// Whether there may be one for a link that is not there yet.
bool AnyVhostUser(const std::string& prefix);

}  // namespace cc::runtime
