// SPDX-License-Identifier: Apache-2.0
#include "protocol/crc32c.h"

#include <array>
#include <cstring>

#ifdef __x86_64__
#include <cpuid.h>
#include <immintrin.h>
#endif

namespace cc {

namespace {

// Bits are reflected throughout: the lowest bit of a word is its highest power of x.
constexpr uint32_t kPolynomial = 0x82f63b78;

constexpr uint32_t TimesX(uint32_t crc) {
    return crc >> 1 ^ ((crc & 1) != 0 ? kPolynomial : 0);
}

// kTables[n][byte]: what the byte becomes when n zero bytes follow it.
constexpr auto MakeTables() {
    std::array<std::array<uint32_t, 256>, 8> tables{};
    for (uint32_t byte = 0; byte < 256; ++byte) {
        uint32_t crc = byte;
        for (int bit = 0; bit < 8; ++bit)
            crc = TimesX(crc);
        tables[0][byte] = crc;
    }
    for (size_t n = 1; n < tables.size(); ++n)
        for (size_t byte = 0; byte < 256; ++byte) {
            const uint32_t before = tables[n - 1][byte];
            tables[n][byte] = tables[0][before & 0xff] ^ before >> 8;
        }
    return tables;
}
constexpr auto kTables = MakeTables();

uint64_t LoadWord(const char* at) {
    uint64_t word = 0;
    std::memcpy(&word, at, sizeof word);
    return word;
}

// Eight bytes a step, each by a table of its own. Needs a little-endian machine.
uint32_t Sliced(std::string_view bytes, uint32_t crc) {
    for (; bytes.size() >= sizeof(uint64_t); bytes.remove_prefix(sizeof(uint64_t))) {
        const uint64_t word = LoadWord(bytes.data()) ^ crc;
        const auto after = [&](size_t zeros) {
            return kTables[zeros][word >> 8 * (7 - zeros) & 0xff];
        };
        crc = after(0) ^ after(1) ^ after(2) ^ after(3) ^ after(4) ^ after(5) ^ after(6) ^ after(7);
    }
    for (const char c : bytes)
        crc = kTables[0][(crc ^ static_cast<unsigned char>(c)) & 0xff] ^ crc >> 8;
    return crc;
}

#ifdef __x86_64__
constexpr uint32_t PowerOfX(int exponent) {
    uint32_t power = 1U << 31;
    while (exponent-- > 0)
        power = TimesX(power);
    return power;
}

constexpr int kLaneBits = 128;
constexpr int kLanes = 4;

// What moves a lane (two words) over so many bits that follow it: x^(bits + 64) mod P for the word
// in front, x^bits for the other. A product of reflected words comes out one bit too high, and a
// constant of 32 bits stands 32 below a word's end, hence the differences.
template <int kBits>
__attribute__((target("sse4.2,pclmul"))) __m128i Moved(__m128i lane) {
    constexpr uint32_t kFront = PowerOfX(kBits + 64 - 33);
    constexpr uint32_t kBack = PowerOfX(kBits - 33);
    const __m128i powers = _mm_set_epi64x(kBack, kFront);
    return _mm_xor_si128(_mm_clmulepi64_si128(lane, powers, 0x00),
                         _mm_clmulepi64_si128(lane, powers, 0x11));
}

__attribute__((target("sse4.2,pclmul"))) __m128i Load(const char* at) {
    return _mm_loadu_si128(reinterpret_cast<const __m128i*>(at));
}

__attribute__((target("sse4.2"))) uint32_t Direct(std::string_view bytes, uint32_t crc) {
    for (; bytes.size() >= sizeof(uint64_t); bytes.remove_prefix(sizeof(uint64_t)))
        crc = static_cast<uint32_t>(_mm_crc32_u64(crc, LoadWord(bytes.data())));
    for (const char c : bytes)
        crc = _mm_crc32_u8(crc, static_cast<unsigned char>(c));
    return crc;
}

// Polynomials are multiplied by an instruction: four lanes of 16 bytes are moved over the next 64
// and added to them, until one lane is left, which the instruction for CRC-32C reduces.
__attribute__((target("sse4.2,pclmul"))) uint32_t Folded(std::string_view bytes, uint32_t crc) {
    constexpr size_t kLane = kLaneBits / 8;
    constexpr size_t kStep = kLanes * kLane;
    if (bytes.size() < kStep) return Direct(bytes, crc);
    __m128i lanes[kLanes];
    for (size_t i = 0; i < kLanes; ++i)
        lanes[i] = Load(bytes.data() + i * kLane);
    lanes[0] = _mm_xor_si128(lanes[0], _mm_cvtsi32_si128(static_cast<int>(crc)));
    bytes.remove_prefix(kStep);
    for (; bytes.size() >= kStep; bytes.remove_prefix(kStep))
        for (size_t i = 0; i < kLanes; ++i)
            lanes[i] =
                _mm_xor_si128(Moved<kLanes * kLaneBits>(lanes[i]), Load(bytes.data() + i * kLane));
    __m128i all = lanes[0];
    for (size_t i = 1; i < kLanes; ++i)
        all = _mm_xor_si128(Moved<kLaneBits>(all), lanes[i]);
    const auto front = static_cast<uint64_t>(_mm_cvtsi128_si64(all));
    const auto back = static_cast<uint64_t>(_mm_extract_epi64(all, 1));
    return Direct(bytes, static_cast<uint32_t>(_mm_crc32_u64(_mm_crc32_u64(0, front), back)));
}

// QEMU's emulation goes through such an instruction bit by bit: a MiB takes 5 ms that way, 11 ms by
// the instruction for CRC-32C and 2 ms by tables (0.1, 0.2 and 0.8 on the processor below it).
bool IsEmulated() {
    constexpr unsigned kHypervisor = 0x40000000;
    unsigned highest = 0;
    std::array<unsigned, 3> name{};
    __cpuid(kHypervisor, highest, name[0], name[1], name[2]);
    return std::memcmp(name.data(), "TCGTCGTCGTCG", sizeof name) == 0;
}
#endif

}  // namespace

uint32_t Crc32c(std::string_view bytes, uint32_t so_far) {
#ifdef __x86_64__
    static const bool folds = __builtin_cpu_supports("sse4.2") != 0 &&
                              __builtin_cpu_supports("pclmul") != 0 && !IsEmulated();
    if (folds) return ~Folded(bytes, ~so_far);
#endif
    return ~Sliced(bytes, ~so_far);
}

}  // namespace cc
