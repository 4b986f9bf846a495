// SPDX-License-Identifier: Apache-2.0
// Catching connections to the loopback addresses of a network namespace: what a container's
// program serves on 127.0.0.1 is in the guest, and who connects to it on the host (port forwarding
// of Kubernetes, a debugger in the namespace) finds nobody there.
#pragma once

#include "base/fd.h"

namespace cc::netns {

// TCP connections to 127.0.0.1 and ::1, any port, arrive at these listeners as if each listened on
// the port; getsockname(2) of an accepted one tells which. Other addresses, such as that of
// Docker's resolver (127.0.0.11), are as before, and all is when `link` is closed.
struct LoopbackCatch {
    Fd ipv4;
    Fd ipv6;  // none in a namespace without IPv6
    Fd link;
};
// Needs CAP_NET_ADMIN, CAP_BPF and Linux 5.9; listeners do not block.
Result<LoopbackCatch> CatchLoopback(const Fd& network_namespace);

}  // namespace cc::netns
