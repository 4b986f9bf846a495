// SPDX-License-Identifier: Apache-2.0
// How links may reach the machine, as the configuration says; recorded with the sandbox, so that
// what comes later is treated as what came first.
#pragma once

#include <string_view>

#include "base/json.h"
#include "protocol/network.h"

namespace cc::runtime {

// What becomes of a link that is a device of the host's.
enum class PhysicalLinks {
    kAuto,  // the machine gets the device where the host can give it; otherwise as kTap
    kVfio,  // the machine gets the device, or there is an error
    kTap,   // as every other link
};

// How all others are joined to the machine.
enum class LinkModel {
    kTcfilter,  // a tap; the kernel's traffic control hands frames over
    kBridged,   // a tap and a bridge
    kMacvtap,   // a macvtap, whose frames are the link's
};

struct LinkPolicy {
    LinkModel model = LinkModel::kTcfilter;
    PhysicalLinks physical = PhysicalLinks::kAuto;
    int devices = kMostNics;  // that such a machine can have
    bool guarded = true;      // machines send from addresses of their own only (netns/guard.h)
    bool operator==(const LinkPolicy&) const = default;
};

std::string_view Name(PhysicalLinks links);  // "auto", "vfio", "tap"
Result<PhysicalLinks> ParsePhysicalLinks(std::string_view text);

std::string_view Name(LinkModel model);  // "tcfilter", "bridged", "macvtap"
Result<LinkModel> ParseLinkModel(std::string_view text);

Json ToJson(const LinkPolicy& policy);
Result<LinkPolicy> ParseLinkPolicy(const Json& json);

}  // namespace cc::runtime
