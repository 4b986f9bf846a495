// SPDX-License-Identifier: Apache-2.0
#include "agent/executor/newer_calls.h"

#include <cerrno>
#include <cstddef>

#include <linux/seccomp.h>

namespace cc::agent {

std::vector<sock_filter> RefuseCallsAbove(uint32_t last, uint32_t architecture) {
    // Calls of the x32 kind have this bit in their numbers, and are not newer for it.
    constexpr uint32_t kX32 = 0x40000000;
    constexpr uint16_t kLoad = BPF_LD | BPF_W | BPF_ABS, kReturn = BPF_RET | BPF_K;
    constexpr uint16_t kEqual = BPF_JMP | BPF_JEQ | BPF_K, kGreater = BPF_JMP | BPF_JGT | BPF_K,
                       kAtLeast = BPF_JMP | BPF_JGE | BPF_K;
    // The jumps that are taken lead to the end: to the filter's first instruction.
    return {{kLoad, 0, 0, offsetof(seccomp_data, arch)},
            {kEqual, 0, 4, architecture},
            {kLoad, 0, 0, offsetof(seccomp_data, nr)},
            {kGreater, 0, 2, last},
            {kAtLeast, 1, 0, kX32},
            {kReturn, 0, 0, SECCOMP_RET_ERRNO | ENOSYS}};
}

}  // namespace cc::agent
