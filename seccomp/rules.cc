// SPDX-License-Identifier: Apache-2.0
#include "seccomp/rules.h"

#include "base/json_full.h"
#include "base/text.h"

namespace cc {

namespace {

Result<std::optional<uint32_t>> OptionalUnsigned(const Json& json, std::string_view key) {
    if (Member(json, key) == nullptr) return std::nullopt;
    CC_ASSIGN(const uint32_t value, UnsignedMember(json, key, 0, 0xffff));
    return value;
}

Result<uint64_t> OperandMember(const Json& json, std::string_view key) {
    const Json* value = Member(json, key);
    if (value == nullptr) return uint64_t{0};
    if (!value->is_number_unsigned()) return Fail(Cat(Quoted(key), " must be an unsigned integer"));
    return value->get<uint64_t>();
}

Result<SeccompArgument> ReadArgument(const Json& json) {
    SeccompArgument argument;
    CC_ASSIGN(argument.index, UnsignedMember(json, "index", 0, 5));
    CC_ASSIGN(argument.value, OperandMember(json, "value"));
    CC_ASSIGN(argument.value_two, OperandMember(json, "valueTwo"));
    CC_ASSIGN(argument.op, TextMember(json, "op"));
    return argument;
}

Result<SeccompRule> ReadSeccompRule(const Json& json) {
    SeccompRule rule;
    CC_ASSIGN(rule.names, TextsMember(json, "names"));
    CC_ASSIGN(rule.action, TextMember(json, "action"));
    CC_ASSIGN(rule.errno_value, OptionalUnsigned(json, "errnoRet"));
    CC_ASSIGN(rule.arguments, ListMember(json, "args", ReadArgument));
    return rule;
}

// Without a word about flags the mitigation of speculative stores stays as it is, as with runc.
Result<void> ReadFlags(const Json& json, SeccompSpec& spec) {
    if (Member(json, "flags") == nullptr) return {};
    CC_ASSIGN(const auto flags, StringsMember(json, "flags"));
    spec.speculation_allowed = false;
    for (const auto& flag : flags) {
        if (flag == "SECCOMP_FILTER_FLAG_LOG")
            spec.log = true;
        else if (flag == "SECCOMP_FILTER_FLAG_SPEC_ALLOW")
            spec.speculation_allowed = true;
        else if (flag == "SECCOMP_FILTER_FLAG_TSYNC")
            spec.synchronise_threads = true;
        // About waiting for a listener, which no filter here has.
        else if (flag != "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV")
            return Fail(Cat("flags: ", Quoted(flag, 48), " is unknown"));
    }
    return {};
}

}  // namespace

Result<SeccompSpec> ReadSeccomp(const Json& json) {
    SeccompSpec spec;
    CC_ASSIGN(spec.default_action, TextMember(json, "defaultAction"));
    CC_ASSIGN(spec.default_errno, OptionalUnsigned(json, "defaultErrnoRet"));
    CC_TRY(ReadFlags(json, spec));
    CC_ASSIGN(spec.architectures, StringsMember(json, "architectures"));
    CC_ASSIGN(spec.rules, ListMember(json, "syscalls", ReadSeccompRule));
    return spec;
}

}  // namespace cc
