// SPDX-License-Identifier: Apache-2.0
// One fuzz target is one file: a function that takes any bytes and checks what must hold for all of
// them. Built with libFuzzer it is a program of its own; without, it is part of fuzz-replay, which
// runs the seeds of all targets and the golden frames as ordinary tests (docs/fuzzing.md).
#pragma once

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "base/text.h"

namespace cc::fuzz {

#ifdef CC_FUZZ
[[noreturn]] inline void Violated(const char* what, const char* file, int line) {
    std::fprintf(stderr, "%s:%d: does not hold: %s\n", file, line, what);
    std::abort();
}
#define CC_FUZZ_TARGET(function)                                                \
    extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {   \
        return cc::fuzz::function({reinterpret_cast<const char*>(data), size}); \
    }
#else
[[noreturn]] void Violated(const char* what, const char* file, int line);  // fails the test case
#define CC_FUZZ_TARGET(function)
#endif

#define CC_FUZZ_CHECK(condition) \
    ((condition) ? void() : ::cc::fuzz::Violated(#condition, __FILE__, __LINE__))

// Cuts the input into pieces at places that depend on its bytes, so that the same input is always
// cut the same way.
inline std::vector<std::string_view> Pieces(std::string_view input) {
    std::vector<std::string_view> pieces;
    uint64_t state = Fnv1a64(input);
    while (!input.empty()) {
        state = state * 6364136223846793005 + 1442695040888963407;
        // Mostly short ones: they end in the middle of a header.
        const size_t size = 1 + (state >> 33) % (state >> 63 != 0 ? 8 : 64);
        pieces.push_back(input.substr(0, size));
        input.remove_prefix(pieces.back().size());
    }
    return pieces;
}

// The targets, each in the file of its name.
int FuzzClientFrame(std::string_view input);
int FuzzClientPayloads(std::string_view input);
int FuzzAgentFrame(std::string_view input);
int FuzzAgentPayloads(std::string_view input);
int FuzzLinkFrame(std::string_view input);
int FuzzVmMessages(std::string_view input);
int FuzzConfigToml(std::string_view input);
int FuzzOciConfig(std::string_view input);
int FuzzHub(std::string_view input);
int FuzzShim(std::string_view input);

}  // namespace cc::fuzz
