// SPDX-License-Identifier: Apache-2.0
// Settings of the guest's kernel that are another's business on a host: how much it allows (its own
// defaults come of a machine's size, where the container's limits are to decide), what it tells
// programs about itself, and in what pieces it gives memory back.
#pragma once

namespace cc::agent {

// Once, at boot. A kernel without one of them runs containers all the same.
void SetKernelSettings();

}  // namespace cc::agent
