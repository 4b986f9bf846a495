// SPDX-License-Identifier: Apache-2.0
#include "runtime/network/link_policy.h"

#include "base/json_full.h"

namespace cc::runtime {

std::string_view Name(PhysicalLinks links) {
    switch (links) {
        case PhysicalLinks::kAuto:
            return "auto";
        case PhysicalLinks::kVfio:
            return "vfio";
        case PhysicalLinks::kTap:
            return "tap";
    }
    return "auto";
}

Result<PhysicalLinks> ParsePhysicalLinks(std::string_view text) {
    for (const auto links : {PhysicalLinks::kAuto, PhysicalLinks::kVfio, PhysicalLinks::kTap})
        if (text == Name(links)) return links;
    return Fail("must be one of auto, vfio, tap");
}

std::string_view Name(LinkModel model) {
    switch (model) {
        case LinkModel::kTcfilter:
            return "tcfilter";
        case LinkModel::kBridged:
            return "bridged";
        case LinkModel::kMacvtap:
            return "macvtap";
    }
    return "tcfilter";
}

Result<LinkModel> ParseLinkModel(std::string_view text) {
    for (const auto model : {LinkModel::kTcfilter, LinkModel::kBridged, LinkModel::kMacvtap})
        if (text == Name(model)) return model;
    return Fail("must be one of default, tcfilter, bridged, macvtap, none");
}

Json ToJson(const LinkPolicy& policy) {
    return {{"model", Name(policy.model)},
            {"physical", Name(policy.physical)},
            {"devices", policy.devices},
            {"guarded", policy.guarded}};
}

Result<LinkPolicy> ParseLinkPolicy(const Json& json) {
    LinkPolicy policy;
    CC_ASSIGN(const std::string model, StringMember(json, "model", Name(policy.model)));
    CC_ASSIGN(policy.model, Context("model", ParseLinkModel(model)));
    CC_ASSIGN(const std::string physical, StringMember(json, "physical", Name(policy.physical)));
    CC_ASSIGN(policy.physical, Context("physical", ParsePhysicalLinks(physical)));
    CC_ASSIGN(const int64_t devices, IntMember(json, "devices", policy.devices, 0, kMostNics));
    policy.devices = static_cast<int>(devices);
    // One that was made before there were guards has filters where its guard would be.
    CC_ASSIGN(policy.guarded, BoolMember(json, "guarded", false));
    return policy;
}

}  // namespace cc::runtime
