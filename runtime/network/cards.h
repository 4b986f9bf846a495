// SPDX-License-Identifier: Apache-2.0
// Network devices of the machine's that are no taps: what is done for them on the host.
#pragma once

#include <string>
#include <vector>

#include "base/fd.h"
#include "host/pci_bus.h"
#include "runtime/state/records.h"

namespace cc::runtime {

// By which the guest knows its device (NetworkLink::device).
std::string DeviceOf(const CardRecord& card);
// Null: the link has a tap.
const CardRecord* CardOf(const std::vector<CardRecord>& cards, const NetworkLink& link);
// Those that a machine can begin with; what lies in the container's namespace is plugged in.
std::vector<Card> CardsFromStart(const std::vector<CardRecord>& cards);
bool NeedsSharedMemory(const std::vector<CardRecord>& cards);

// Takes what is physical from its driver; it is recorded before. Repeated: nothing.
Result<void> TakeDevice(const PciBus& bus, const CardRecord& card);
// The machine has ended: devices go back to their drivers and, as far as the namespace is there
// still, their links into it, without their addresses. All are tried; the first error.
Result<void> ReturnDevices(const PciBus& bus, const std::vector<CardRecord>& cards,
                           const Fd& network_namespace);

// What a network has of one of its links: that, and what leads over it alone.
Network PartOf(const Network& network, const NetworkLink& link);

}  // namespace cc::runtime
