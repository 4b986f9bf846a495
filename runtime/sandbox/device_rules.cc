// SPDX-License-Identifier: Apache-2.0
#include "runtime/sandbox/device_rules.h"

#include <algorithm>

#include "base/file.h"
#include "base/json_full.h"
#include "base/log.h"
#include "base/text.h"

namespace cc::runtime {

namespace {

constexpr std::string_view kEverything = "a *:* rwm";

// The devices that a container has by default, its terminals, and making nodes of any.
constexpr std::string_view kAlwaysAllowed[] = {"c *:* m",   "b *:* m",    "c 1:3 rwm", "c 1:5 rwm",
                                               "c 1:7 rwm", "c 1:8 rwm",  "c 1:9 rwm", "c 5:0 rwm",
                                               "c 5:2 rwm", "c 136:* rwm"};

Result<std::string> NumberText(const Json& rule, std::string_view key) {
    CC_ASSIGN(const int64_t number, IntMember(rule, key, -1, -1, UINT32_MAX));
    return number < 0 ? std::string("*") : Cat(number);
}

Result<std::vector<DeviceRuleText>> TextsOf(const Json& rule) {
    if (!rule.is_object()) return Fail("must be an object");
    CC_ASSIGN(const bool allow, BoolMember(rule, "allow"));
    CC_ASSIGN(std::string type, StringMember(rule, "type"));
    CC_ASSIGN(std::string access, StringMember(rule, "access"));
    CC_ASSIGN(const std::string major, NumberText(rule, "major"));
    CC_ASSIGN(const std::string minor, NumberText(rule, "minor"));
    if (type == "u") type = "c";
    if (type.empty()) type = "a";
    if (access.empty()) access = "rwm";
    if (access.find_first_not_of("rwm") != std::string::npos || type.size() != 1 ||
        std::string_view("abc").find(type) == std::string_view::npos)
        return Fail(Cat("the type ", Quoted(type, 16), " or the access ", Quoted(access, 16),
                        " is unknown"));
    const std::string rest = Cat(" ", major, ":", minor, " ", access);
    if (type != "a") return std::vector<DeviceRuleText>{{allow, type + rest}};
    // The kernel's "a" is all of everything, whatever follows it.
    if ("a" + rest == kEverything) return std::vector<DeviceRuleText>{{allow, "a" + rest}};
    return std::vector<DeviceRuleText>{{allow, "c" + rest}, {allow, "b" + rest}};
}

Result<void> WriteRules(const std::string& leaf, const std::vector<DeviceRuleText>& rules) {
    for (const auto& rule : rules)
        CC_TRY(
            WriteExisting(Cat(leaf, rule.allow ? "/devices.allow" : "/devices.deny"), rule.text));
    return {};
}

}  // namespace

Result<std::vector<DeviceRuleText>> DeviceRuleTexts(const Json& resources) {
    std::vector<DeviceRuleText> texts;
    CC_ASSIGN(const Json* rules, ArrayMember(resources, "devices"));
    if (rules == nullptr || rules->empty()) return texts;
    texts.push_back({false, std::string(kEverything)});
    for (const Json& rule : *rules) {
        CC_ASSIGN(const auto more, Context("devices", TextsOf(rule)));
        texts.insert(texts.end(), more.begin(), more.end());
    }
    for (const auto text : kAlwaysAllowed)
        texts.push_back({true, std::string(text)});
    return texts;
}

void ListDeviceRules(const std::vector<std::string>& leaves,
                     const std::vector<std::string>& created,
                     const std::vector<DeviceRuleText>& rules) {
    for (const auto& leaf : leaves) {
        if (std::find(created.begin(), created.end(), leaf) == created.end()) continue;
        if (!Exists(leaf + "/devices.deny")) continue;
        if (const auto written = WriteRules(leaf, rules); !written)
            Log(LogLevel::kDebug, "the device rules are not listed in the host's cgroup",
                {{"why", written.error().message}});
    }
}

}  // namespace cc::runtime
