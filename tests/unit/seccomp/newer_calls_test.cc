// SPDX-License-Identifier: Apache-2.0
#include "seccomp/newer_calls.h"

#include <cerrno>
#include <cstddef>

#include <doctest/doctest.h>
#include <linux/audit.h>
#include <linux/seccomp.h>

namespace cc {

namespace {

constexpr uint32_t kToFilter = 0;  // what follows the program has the word

// Runs the few instructions that the program is made of.
uint32_t Verdict(const std::vector<sock_filter>& program, uint32_t number, uint32_t architecture) {
    uint32_t accumulator = 0;
    for (size_t at = 0; at < program.size(); ++at) {
        const sock_filter& now = program[at];
        bool holds = false;
        switch (now.code) {
            case BPF_LD | BPF_W | BPF_ABS:
                accumulator = now.k == offsetof(seccomp_data, nr) ? number : architecture;
                continue;
            case BPF_JMP | BPF_JEQ | BPF_K:
                holds = accumulator == now.k;
                break;
            case BPF_JMP | BPF_JGT | BPF_K:
                holds = accumulator > now.k;
                break;
            case BPF_JMP | BPF_JGE | BPF_K:
                holds = accumulator >= now.k;
                break;
            case BPF_RET | BPF_K:
                return now.k;
            default:
                FAIL("unknown instruction " << now.code);
        }
        at += holds ? now.jt : now.jf;
        CHECK(at < program.size());
    }
    return kToFilter;
}

}  // namespace

TEST_CASE("a call above the highest one that a filter names is as unknown as to an old kernel") {
    constexpr uint32_t kLast = 435;
    const auto program = RefuseCallsAbove(kLast, AUDIT_ARCH_X86_64);
    CHECK(Verdict(program, 0, AUDIT_ARCH_X86_64) == kToFilter);
    CHECK(Verdict(program, kLast, AUDIT_ARCH_X86_64) == kToFilter);
    CHECK(Verdict(program, kLast + 1, AUDIT_ARCH_X86_64) == (SECCOMP_RET_ERRNO | ENOSYS));
    CHECK(Verdict(program, kX32Bit - 1, AUDIT_ARCH_X86_64) == (SECCOMP_RET_ERRNO | ENOSYS));
    CHECK(Verdict(program, kX32Bit + 1, AUDIT_ARCH_X86_64) == kToFilter);
    CHECK(Verdict(program, kLast + 1, AUDIT_ARCH_I386) == kToFilter);
}

TEST_CASE("x32 calls are answered as by a kernel without them") {
    const auto program = RefuseX32Calls();
    CHECK(Verdict(program, 0, AUDIT_ARCH_X86_64) == kToFilter);
    CHECK(Verdict(program, kX32Bit - 1, AUDIT_ARCH_X86_64) == kToFilter);
    CHECK(Verdict(program, kX32Bit, AUDIT_ARCH_X86_64) == (SECCOMP_RET_ERRNO | ENOSYS));
    CHECK(Verdict(program, kX32Bit + 39, AUDIT_ARCH_X86_64) == (SECCOMP_RET_ERRNO | ENOSYS));
    CHECK(Verdict(program, kX32Bit + 39, AUDIT_ARCH_I386) == kToFilter);
}

}  // namespace cc
