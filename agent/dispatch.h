// SPDX-License-Identifier: Apache-2.0
// Commands of the control channel and the pod's functions that carry them out.
#pragma once

#include "agent/pod.h"
#include "protocol/agent_frame.h"

namespace cc::agent {

// Replies at once, or from the loop. The payload need not outlive the call.
void Dispatch(Pod& pod, const ControlMessage& message, const Pod::Reply& reply);

// Commands that only the VM's owner gives, and that make it one.
bool TakesOwnership(ControlCode code);

}  // namespace cc::agent
