// SPDX-License-Identifier: Apache-2.0
// Two links joined by the kernel's traffic control: what comes in by one goes out by the other.
#pragma once

#include "netns/socket.h"

namespace cc::netns {

// Of filters at a link: who sends what is looked at before it is handed over.
constexpr uint32_t kGuardPriority = 1, kHandOverPriority = 2;

// Every frame that arrives at `from` is handed to `to` for sending, before anything else of this
// namespace sees it; by an ingress qdisc with one u32 filter and a mirred action. An ingress qdisc
// that is there already is replaced: all that could be in it would never be reached again.
Result<void> Redirect(const Socket& socket, int from, int to);
// The two halves of it: a new ingress qdisc, and the filter in it.
Result<void> AddIngress(const Socket& socket, int index);
Result<void> HandOver(const Socket& socket, int from, int to);
// Undoes that. No error when there is nothing to undo.
Result<void> StopRedirecting(const Socket& socket, int from);
// Whether the link has an ingress qdisc.
Result<bool> HasIngress(const Socket& socket, int index);

// Hands the link `index` over to another namespace, under the name `name`.
Result<void> MoveLink(const Socket& socket, int index, const Fd& network_namespace,
                      const std::string& name);
// Deletes a link; no error when it is not there.
Result<void> DeleteLink(const Socket& socket, const std::string& name);

}  // namespace cc::netns
