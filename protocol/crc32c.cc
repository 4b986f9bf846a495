// SPDX-License-Identifier: Apache-2.0
#include "protocol/crc32c.h"

#include <array>
#include <cstring>

namespace cc {

namespace {

constexpr uint32_t kReversedPolynomial = 0x82f63b78;

constexpr std::array<uint32_t, 256> MakeTable() {
    std::array<uint32_t, 256> table{};
    for (uint32_t byte = 0; byte < 256; ++byte) {
        uint32_t crc = byte;
        for (int bit = 0; bit < 8; ++bit)
            crc = crc >> 1 ^ ((crc & 1) != 0 ? kReversedPolynomial : 0);
        table[byte] = crc;
    }
    return table;
}

uint32_t Bytewise(std::string_view bytes, uint32_t crc) {
    static constexpr auto table = MakeTable();
    for (const char c : bytes)
        crc = table[(crc ^ static_cast<unsigned char>(c)) & 0xff] ^ crc >> 8;
    return crc;
}

#ifdef __x86_64__
// Eight bytes an instruction, on every x86-64 processor since 2008 and under emulation.
__attribute__((target("sse4.2"))) uint32_t WithInstruction(std::string_view bytes, uint32_t crc) {
    uint64_t wide = crc;
    while (bytes.size() >= sizeof(uint64_t)) {
        uint64_t word = 0;
        std::memcpy(&word, bytes.data(), sizeof word);
        wide = __builtin_ia32_crc32di(wide, word);
        bytes.remove_prefix(sizeof word);
    }
    return Bytewise(bytes, static_cast<uint32_t>(wide));
}
#endif

}  // namespace

uint32_t Crc32c(std::string_view bytes, uint32_t so_far) {
#ifdef __x86_64__
    static const bool has_instruction = __builtin_cpu_supports("sse4.2") != 0;
    if (has_instruction) return ~WithInstruction(bytes, ~so_far);
#endif
    return ~Bytewise(bytes, ~so_far);
}

}  // namespace cc
