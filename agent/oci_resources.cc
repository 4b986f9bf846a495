// SPDX-License-Identifier: Apache-2.0
// The resources of an OCI configuration. What names processors, memory nodes or disks by the host's
// numbers (cpuset, blockIO of a device) is the host's to apply: in the VM the numbers mean others.
#include <algorithm>

#include "agent/device_filter.h"
#include "agent/oci_reader.h"
#include "base/json_full.h"

namespace cc::agent {

namespace {

Result<std::optional<int64_t>> Limit(const Json* object, std::string_view key) {
    if (object == nullptr) return std::nullopt;
    const Json* value = Member(*object, key);
    if (value == nullptr) return std::nullopt;
    // Some writers say "unlimited" with the largest number there is.
    if (value->is_number_unsigned() && value->get<uint64_t>() > INT64_MAX) return int64_t{-1};
    CC_ASSIGN(const int64_t limit, IntMember(*object, key, -1, INT64_MIN, INT64_MAX));
    return limit;
}

Result<uint32_t> AccessMember(const Json& json) {
    CC_ASSIGN(const std::string text, TextMember(json, "access"));
    if (text.empty()) return uint32_t{DeviceRule::kAll};
    uint32_t access = 0;
    for (const char c : text) {
        if (c != 'r' && c != 'w' && c != 'm')
            return Fail(Cat("the access ", Quoted(text, 16), " is not made of r, w and m"));
        access |= c == 'r' ? DeviceRule::kRead : c == 'w' ? DeviceRule::kWrite : DeviceRule::kMknod;
    }
    return access;
}

Result<DeviceRule> ReadDeviceRule(const Json& json) {
    DeviceRule rule;
    CC_ASSIGN(rule.allow, BoolMember(json, "allow"));
    CC_ASSIGN(const std::string type, StringMember(json, "type", "a"));
    if (type == "c" || type == "u")
        rule.type = 'c';
    else if (type == "b")
        rule.type = 'b';
    else if (type != "a" && !type.empty())
        return Fail(Cat("the type ", Quoted(type, 16), " is unknown"));
    CC_ASSIGN(rule.major, DeviceNumber(json, "major", kMajorMax));
    CC_ASSIGN(rule.minor, DeviceNumber(json, "minor", kMinorMax));
    CC_ASSIGN(rule.access, AccessMember(json));
    return rule;
}

Result<HugepageLimit> ReadHugepageLimit(const Json& json) {
    HugepageLimit limit;
    CC_ASSIGN(limit.page_size, TextMember(json, "pageSize"));
    const auto good = [](char c) { return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z'); };
    if (limit.page_size.empty() ||
        !std::all_of(limit.page_size.begin(), limit.page_size.end(), good))
        return Fail(Cat("pageSize ", Quoted(limit.page_size, 16), " is not a size like \"2MB\""));
    CC_ASSIGN(const int64_t bytes, IntMember(json, "limit", 0, 0, INT64_MAX));
    limit.bytes = static_cast<uint64_t>(bytes);
    return limit;
}

Result<void> ReadUnified(const Json& json, ResourceSpec& resources) {
    CC_ASSIGN(const Json* unified, ObjectMember(json, "unified"));
    if (unified == nullptr) return {};
    for (const auto& [file, value] : unified->items()) {
        if (!value.is_string()) return Fail(Cat("unified: ", Quoted(file), " must be a string"));
        resources.unified.emplace_back(file, value.get<std::string>());
    }
    return {};
}

Result<void> ReadBlockIo(const Json& json, ResourceSpec& resources) {
    CC_ASSIGN(const Json* io, ObjectMember(json, "blockIO"));
    if (io == nullptr) return {};
    CC_ASSIGN(resources.io_weight, Limit(io, "weight"));
    return {};
}

}  // namespace

Result<std::optional<uint32_t>> DeviceNumber(const Json& json, std::string_view key,
                                             uint32_t highest) {
    CC_ASSIGN(const int64_t number, IntMember(json, key, -1, -1, highest));
    if (number < 0) return std::nullopt;
    return static_cast<uint32_t>(number);
}

Result<ResourceSpec> ReadResources(const Json* json) {
    ResourceSpec resources;
    resources.devices = DefaultDeviceRules();
    if (json == nullptr) return resources;
    CC_ASSIGN(const Json* memory, ObjectMember(*json, "memory"));
    CC_ASSIGN(const Json* pids, ObjectMember(*json, "pids"));
    CC_ASSIGN(const Json* cpu, ObjectMember(*json, "cpu"));
    CC_ASSIGN(resources.memory_limit, Limit(memory, "limit"));
    CC_ASSIGN(resources.memory_reservation, Limit(memory, "reservation"));
    CC_ASSIGN(resources.memory_swap, Limit(memory, "swap"));
    if (memory != nullptr) {
        CC_ASSIGN(resources.check_memory, BoolMember(*memory, "checkBeforeUpdate"));
    }
    CC_ASSIGN(resources.pids_limit, Limit(pids, "limit"));
    CC_ASSIGN(resources.cpu_quota, Limit(cpu, "quota"));
    CC_ASSIGN(resources.cpu_period, Limit(cpu, "period"));
    CC_ASSIGN(resources.cpu_burst, Limit(cpu, "burst"));
    CC_ASSIGN(resources.cpu_shares, Limit(cpu, "shares"));
    CC_ASSIGN(resources.cpu_idle, Limit(cpu, "idle"));
    CC_TRY(ReadBlockIo(*json, resources));
    CC_ASSIGN(resources.hugepages, ListMember(*json, "hugepageLimits", ReadHugepageLimit));
    CC_TRY(ReadUnified(*json, resources));
    CC_ASSIGN(auto rules, ListMember(*json, "devices", ReadDeviceRule));
    rules.insert(rules.end(), resources.devices->begin(), resources.devices->end());
    resources.devices = std::move(rules);
    return resources;
}

}  // namespace cc::agent
