// SPDX-License-Identifier: Apache-2.0
// UPDATENETWORK (extension 6): the pod's network has changed while the pod runs.
#pragma once

#include <string>
#include <string_view>

#include "protocol/network.h"

namespace cc {

// The whole of it, as it shall be from now on. What an earlier UPDATENETWORK, or STARTPOD, told and
// this one does not is undone; what was made in the guest itself stays. A link's `device` names a
// device of the machine's by the address that it was plugged in with, which may be on its way. A
// device that no link has is not seen in the pod.
struct UpdateNetwork {
    Network network;
};
std::string Encode(const UpdateNetwork& message);
Result<UpdateNetwork> ParseUpdateNetwork(std::string_view payload);

}  // namespace cc
