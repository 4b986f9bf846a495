// SPDX-License-Identifier: Apache-2.0
#include "seccomp/filter.h"

#include <algorithm>
#include <cerrno>
#include <memory>
#include <utility>

#include <linux/seccomp.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/text.h"
#include "seccomp/newer_calls.h"

namespace cc {

namespace {

struct ReleaseFilter {
    void operator()(void* filter) const { ::seccomp_release(filter); }
};
using Filter = std::unique_ptr<void, ReleaseFilter>;

// `field`: where the name stands.
Result<uint32_t> Action(std::string_view field, const std::string& name,
                        std::optional<uint32_t> errno_value) {
    const uint16_t value = static_cast<uint16_t>(errno_value.value_or(EPERM));
    if (name == "SCMP_ACT_ALLOW") return SCMP_ACT_ALLOW;
    if (name == "SCMP_ACT_ERRNO") return SCMP_ACT_ERRNO(value);
    if (name == "SCMP_ACT_KILL" || name == "SCMP_ACT_KILL_THREAD") return SCMP_ACT_KILL_THREAD;
    if (name == "SCMP_ACT_KILL_PROCESS") return SCMP_ACT_KILL_PROCESS;
    if (name == "SCMP_ACT_TRAP") return SCMP_ACT_TRAP;
    if (name == "SCMP_ACT_TRACE") return SCMP_ACT_TRACE(value);
    if (name == "SCMP_ACT_LOG") return SCMP_ACT_LOG;
    if (name == "SCMP_ACT_NOTIFY")
        return Fail(Cat(field,
                        ": SCMP_ACT_NOTIFY needs a listener, and one on the host cannot serve a "
                        "process in a VM"));
    return Fail(Cat(field, ": the action ", Quoted(name, 32), " is unknown"));
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
    return Fail(Cat("args: the op ", Quoted(argument.op, 32), " is unknown"));
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
        return FailErrno("adding the rule", -error);
    return {};
}

// Whether x32 was named, which is left out.
Result<bool> AddArchitectures(scmp_filter_ctx filter, const std::vector<std::string>& names) {
    bool left_out = false;
    for (const auto& name : names) {
        constexpr std::string_view kPrefix = "SCMP_ARCH_";
        if (!name.starts_with(kPrefix))
            return Fail(Cat("linux.seccomp.architectures: ", Quoted(name, 32), " is unknown"));
        std::string lower = name.substr(kPrefix.size());
        for (char& c : lower)
            c = static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
        const uint32_t token = ::seccomp_arch_resolve_name(lower.c_str());
        if (token == 0) continue;  // one that this library does not know does not run here
        if (token == SCMP_ARCH_X32) {
            left_out = true;
            continue;
        }
        const int error = ::seccomp_arch_add(filter, token);
        if (error < 0 && error != -EEXIST)
            return FailErrno(Cat("linux.seccomp.architectures: ", Quoted(name, 32)), -error);
    }
    return left_out;
}

// What the library makes of the rules, as the kernel takes it.
Result<std::vector<sock_filter>> Export(scmp_filter_ctx filter) {
    const int made = ::memfd_create("seccomp", MFD_CLOEXEC);
    if (made < 0) return FailErrno("linux.seccomp: a place for the filter");
    const Fd file = Fd::Adopt(made);
    if (const int error = ::seccomp_export_bpf(filter, made); error < 0)
        return FailErrno("linux.seccomp: making the filter", -error);
    struct stat status {};
    if (::fstat(made, &status) < 0) return FailErrno("linux.seccomp: looking at the filter");
    std::vector<sock_filter> program(static_cast<size_t>(status.st_size) / sizeof(sock_filter));
    const ssize_t size = ::pread(made, program.data(), program.size() * sizeof(sock_filter), 0);
    if (size != status.st_size) return FailErrno("linux.seccomp: reading the filter");
    return program;
}

// Adds the rules. Returns the highest number of a call that they name, -1 when they name none.
Result<int> AddRules(scmp_filter_ctx filter, uint32_t fallback,
                     const std::vector<SeccompRule>& rules) {
    int last = -1;
    for (size_t i = 0; i < rules.size(); ++i) {
        const SeccompRule& rule = rules[i];
        const std::string where = Cat("linux.seccomp.syscalls[", i, "]");
        CC_ASSIGN(const uint32_t action, Action(where, rule.action, rule.errno_value));
        for (const auto& name : rule.names) {
            const int number = ::seccomp_syscall_resolve_name(name.c_str());
            if (number == __NR_SCMP_ERROR) continue;
            last = std::max(last, number);
            // The library refuses a rule that says what holds anyway.
            if (action != fallback)
                CC_TRY(Context(Cat(where, ": ", name), AddRule(filter, action, number, rule)));
        }
    }
    return last;
}

void PutInFront(const std::vector<sock_filter>& first, std::vector<sock_filter>& program) {
    program.insert(program.begin(), first.begin(), first.end());
}

bool LetsThrough(uint32_t action) {
    const uint32_t kind = action & SECCOMP_RET_ACTION_FULL;
    return kind == SCMP_ACT_ALLOW || kind == SCMP_ACT_LOG || kind == SECCOMP_RET_TRACE;
}

}  // namespace

Result<SeccompFilter> CompileSeccomp(const SeccompSpec& spec) {
    CC_ASSIGN(const uint32_t fallback,
              Action("linux.seccomp.defaultAction", spec.default_action, spec.default_errno));
    const Filter filter(::seccomp_init(fallback));
    if (!filter) return Fail("linux.seccomp: making a filter failed");
    // A tree of comparisons instead of a list of them, where this library can: container profiles
    // are long.
    ::seccomp_attr_set(filter.get(), SCMP_FLTATR_CTL_OPTIMIZE, 2);
    CC_ASSIGN(const bool without_x32, AddArchitectures(filter.get(), spec.architectures));
    CC_ASSIGN(const int last, AddRules(filter.get(), fallback, spec.rules));
    SeccompFilter compiled;
    CC_ASSIGN(compiled.program, Export(filter.get()));
    if (last >= 0 && !LetsThrough(fallback)) {
        // The library's names of architectures are the kernel's numbers.
        PutInFront(RefuseCallsAbove(static_cast<uint32_t>(last), ::seccomp_arch_native()),
                   compiled.program);
    }
    if (without_x32) PutInFront(RefuseX32Calls(), compiled.program);
    if (compiled.program.size() > BPF_MAXINSNS)
        return Fail(Cat("linux.seccomp: the filter has ", compiled.program.size(),
                        " instructions, the kernel takes ", BPF_MAXINSNS));
    compiled.flags = (spec.log ? SECCOMP_FILTER_FLAG_LOG : 0U) |
                     (spec.speculation_allowed ? SECCOMP_FILTER_FLAG_SPEC_ALLOW : 0U) |
                     (spec.synchronise_threads ? SECCOMP_FILTER_FLAG_TSYNC : 0U);
    return compiled;
}

Result<SeccompFilter> CompileSeccomp(const Json& json) {
    CC_ASSIGN(const SeccompSpec spec, Context("linux.seccomp", ReadSeccomp(json)));
    return CompileSeccomp(spec);
}

Result<void> LoadSeccomp(const std::optional<SeccompFilter>& filter) {
    if (!filter) return {};
    const sock_fprog program{static_cast<unsigned short>(filter->program.size()),
                             const_cast<sock_filter*>(filter->program.data())};
    if (::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, filter->flags, &program) != 0)
        return FailErrno("linux.seccomp: loading the filter");
    return {};
}

}  // namespace cc
