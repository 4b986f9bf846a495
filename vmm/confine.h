// SPDX-License-Identifier: Apache-2.0
// What the processes that serve a guest may do, set in them before they execute their program.
#pragma once

#include "base/result.h"

namespace cc {

// None can be gained again. No core dumps (they would hold the guest's memory), as many descriptors
// as allowed (each file that the guest has open is one).
//
// `serves_files`: only the capabilities by which the file server inside the VMM gives files their
// owners and modes. Otherwise none at all.
Result<void> ConfineVmm(bool serves_files);

// The same for a file server of its own: it acts as whoever made a request in the guest, for which
// it changes its ids. Those with which it shuts itself up in the share it gives up afterwards.
Result<void> ConfineFileServer();

}  // namespace cc
