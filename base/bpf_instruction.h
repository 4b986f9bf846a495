// SPDX-License-Identifier: Apache-2.0
// One instruction of a program for the kernel (BPF). Our programs have some dozens, which is not
// worth a compiler of their own.
#pragma once

#include <cstdint>

#include <linux/bpf.h>

namespace cc {

inline bpf_insn BpfInstruction(int code, uint8_t to, uint8_t from, int16_t offset,
                               int32_t immediate) {
    bpf_insn made{};
    made.code = static_cast<uint8_t>(code);
    made.dst_reg = to & 0xf;
    made.src_reg = from & 0xf;
    made.off = offset;
    made.imm = immediate;
    return made;
}

}  // namespace cc
