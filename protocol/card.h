// SPDX-License-Identifier: Apache-2.0
// A network device of a machine's, by what is behind it on the host.
#pragma once

#include <string>
#include <string_view>

#include "base/json.h"

namespace cc {

enum class CardKind {
    kTap,        // a tap, which is moved to the container's network namespace
    kMacvtap,    // a macvtap above a link of that namespace
    kPhysical,   // a PCI device of the host, a virtual function for instance, that vfio-pci has
    kVhostUser,  // a program (a user-space switch) that serves the device on a UNIX socket
};

struct Card {
    int number = 0;  // of the machine's devices (NicAddress)
    CardKind kind = CardKind::kTap;
    // Of a macvtap the name of the link below it; of a physical one its PCI address,
    // "0000:03:10.0"; of vhost-user the path of the socket.
    std::string source = {};
    bool operator==(const Card&) const = default;
};

Json ToJson(const Card& card);
Result<Card> ParseCard(const Json& json);

// "0000:03:10.0"
bool IsPciAddress(std::string_view text);

std::string_view Name(CardKind kind);  // "tap", "macvtap", "physical", "vhost-user"

}  // namespace cc
