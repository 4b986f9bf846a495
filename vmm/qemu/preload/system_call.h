// SPDX-License-Identifier: Apache-2.0
// System calls without a library, so that whatever C library QEMU has will do.
#pragma once

#include <errno.h>

// What the kernel answers: a negative error number, or a result.
static inline long Ask(long number, long first, long second, long third, long fourth, long fifth,
                       long sixth) {
    register long r10 __asm__("r10") = fourth;
    register long r8 __asm__("r8") = fifth;
    register long r9 __asm__("r9") = sixth;
    long result = number;
    __asm__ volatile("syscall"
                     : "+a"(result)
                     : "D"(first), "S"(second), "d"(third), "r"(r10), "r"(r8), "r"(r9)
                     : "rcx", "r11", "memory");
    return result;
}

// As a function of the C library returns it.
static inline long Return(long answer) {
    if (answer >= 0 || answer < -4095) return answer;
    errno = (int)-answer;
    return -1;
}
