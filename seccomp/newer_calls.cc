// SPDX-License-Identifier: Apache-2.0
#include "seccomp/newer_calls.h"

#include <cerrno>
#include <cstddef>

#include <linux/audit.h>
#include <linux/seccomp.h>

namespace cc {

namespace {

constexpr uint16_t kLoad = BPF_LD | BPF_W | BPF_ABS, kReturn = BPF_RET | BPF_K;
constexpr uint16_t kEqual = BPF_JMP | BPF_JEQ | BPF_K, kGreater = BPF_JMP | BPF_JGT | BPF_K,
                   kAtLeast = BPF_JMP | BPF_JGE | BPF_K;

}  // namespace

// The jumps that are taken lead to the end: to the filter's first instruction.
std::vector<sock_filter> RefuseCallsAbove(uint32_t last, uint32_t architecture) {
    return {{kLoad, 0, 0, offsetof(seccomp_data, arch)},
            {kEqual, 0, 4, architecture},
            {kLoad, 0, 0, offsetof(seccomp_data, nr)},
            {kGreater, 0, 2, last},
            {kAtLeast, 1, 0, kX32Bit},  // not newer for it
            {kReturn, 0, 0, SECCOMP_RET_ERRNO | ENOSYS}};
}

std::vector<sock_filter> RefuseX32Calls() {
    return {{kLoad, 0, 0, offsetof(seccomp_data, arch)},
            {kEqual, 0, 3, AUDIT_ARCH_X86_64},
            {kLoad, 0, 0, offsetof(seccomp_data, nr)},
            {kAtLeast, 0, 1, kX32Bit},
            {kReturn, 0, 0, SECCOMP_RET_ERRNO | ENOSYS}};
}

}  // namespace cc
