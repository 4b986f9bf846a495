// SPDX-License-Identifier: Apache-2.0
#include "agent/executor/seccomp.h"

#include <cerrno>
#include <memory>
#include <utility>

#include <seccomp.h>

#include "base/text.h"

namespace cc::agent {

namespace {

struct ReleaseFilter {
    void operator()(void* filter) const { ::seccomp_release(filter); }
};
using Filter = std::unique_ptr<void, ReleaseFilter>;

Result<uint32_t> Action(const std::string& name, std::optional<uint32_t> errno_value) {
    const uint16_t value = static_cast<uint16_t>(errno_value.value_or(EPERM));
    if (name == "SCMP_ACT_ALLOW") return SCMP_ACT_ALLOW;
    if (name == "SCMP_ACT_ERRNO") return SCMP_ACT_ERRNO(value);
    if (name == "SCMP_ACT_KILL" || name == "SCMP_ACT_KILL_THREAD") return SCMP_ACT_KILL_THREAD;
    if (name == "SCMP_ACT_KILL_PROCESS") return SCMP_ACT_KILL_PROCESS;
    if (name == "SCMP_ACT_TRAP") return SCMP_ACT_TRAP;
    if (name == "SCMP_ACT_TRACE") return SCMP_ACT_TRACE(value);
    if (name == "SCMP_ACT_LOG") return SCMP_ACT_LOG;
    if (name == "SCMP_ACT_NOTIFY")
        return Fail(
            "linux.seccomp: SCMP_ACT_NOTIFY needs a listener, and one on the host cannot "
            "serve a process in a VM");
    return Fail(Cat("linux.seccomp: the action ", Quoted(name, 32), " is unknown"));
}

Result<scmp_arg_cmp> Compare(const SeccompArgument& argument) {
    constexpr std::pair<std::string_view, scmp_compare> kOperators[] = {
        {"SCMP_CMP_NE", SCMP_CMP_NE},
        {"SCMP_CMP_LT", SCMP_CMP_LT},
        {"SCMP_CMP_LE", SCMP_CMP_LE},
        {"SCMP_CMP_EQ", SCMP_CMP_EQ},
        {"SCMP_CMP_GE", SCMP_CMP_GE},
        {"SCMP_CMP_GT", SCMP_CMP_GT},
        {"SCMP_CMP_MASKED_EQ", SCMP_CMP_MASKED_EQ}};
    for (const auto& [name, op] : kOperators)
        if (name == argument.op)
            return scmp_arg_cmp{argument.index, op, argument.value, argument.value_two};
    return Fail(Cat("linux.seccomp: the operator ", Quoted(argument.op, 32), " is unknown"));
}

Result<void> AddRule(scmp_filter_ctx filter, uint32_t action, int number, const SeccompRule& rule) {
    std::vector<scmp_arg_cmp> all;
    bool repeated = false;
    uint32_t seen = 0;
    for (const auto& argument : rule.arguments) {
        CC_ASSIGN(const scmp_arg_cmp compare, Compare(argument));
        all.push_back(compare);
        repeated = repeated || (seen & 1U << argument.index) != 0;
        seen |= 1U << argument.index;
    }
    int error = 0;
    if (!repeated) {
        error = ::seccomp_rule_add_array(filter, action, number, static_cast<unsigned>(all.size()),
                                         all.data());
    } else {
        // Several conditions on one argument mean "any of them", which libseccomp takes as rules of
        // their own.
        for (size_t i = 0; i < all.size() && error == 0; ++i)
            error = ::seccomp_rule_add_array(filter, action, number, 1, &all[i]);
    }
    // A call that is not there on one of the architectures is no error of the profile.
    if (error < 0 && error != -EDOM && error != -EEXIST)
        return FailErrno("linux.seccomp: adding a rule", -error);
    return {};
}

Result<void> AddArchitectures(scmp_filter_ctx filter, const std::vector<std::string>& names) {
    for (const auto& name : names) {
        constexpr std::string_view kPrefix = "SCMP_ARCH_";
        if (!name.starts_with(kPrefix))
            return Fail(Cat("linux.seccomp: the architecture ", Quoted(name, 32), " is unknown"));
        std::string lower = name.substr(kPrefix.size());
        for (char& c : lower)
            c = static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
        const uint32_t token = ::seccomp_arch_resolve_name(lower.c_str());
        if (token == 0) continue;  // one that this library does not know does not run here
        const int error = ::seccomp_arch_add(filter, token);
        if (error < 0 && error != -EEXIST)
            return FailErrno(Cat("linux.seccomp: the architecture ", name), -error);
    }
    return {};
}

}  // namespace

Result<void> LoadSeccomp(const SeccompSpec& spec) {
    CC_ASSIGN(const uint32_t fallback, Action(spec.default_action, spec.default_errno));
    const Filter filter(::seccomp_init(fallback));
    if (!filter) return Fail("linux.seccomp: making a filter failed");
    // The process' own no_new_privs is set by whoever asked for it.
    ::seccomp_attr_set(filter.get(), SCMP_FLTATR_CTL_NNP, 0);
    // A tree of comparisons instead of a list of them, where this library can: container profiles
    // are long.
    ::seccomp_attr_set(filter.get(), SCMP_FLTATR_CTL_OPTIMIZE, 2);
    ::seccomp_attr_set(filter.get(), SCMP_FLTATR_CTL_LOG, spec.log ? 1 : 0);
    ::seccomp_attr_set(filter.get(), SCMP_FLTATR_CTL_SSB, spec.speculation_allowed ? 1 : 0);
    ::seccomp_attr_set(filter.get(), SCMP_FLTATR_CTL_TSYNC, spec.synchronise_threads ? 1 : 0);
    CC_TRY(AddArchitectures(filter.get(), spec.architectures));
    for (const auto& rule : spec.rules) {
        CC_ASSIGN(const uint32_t action, Action(rule.action, rule.errno_value));
        if (action == fallback) continue;  // libseccomp refuses a rule that says what holds anyway
        for (const auto& name : rule.names) {
            const int number = ::seccomp_syscall_resolve_name(name.c_str());
            if (number == __NR_SCMP_ERROR) continue;
            CC_TRY(Context(name, AddRule(filter.get(), action, number, rule)));
        }
    }
    if (const int error = ::seccomp_load(filter.get()); error < 0)
        return FailErrno("linux.seccomp: loading the filter", -error);
    return {};
}

}  // namespace cc::agent
