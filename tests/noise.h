// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <random>
#include <string>

namespace cc::test {

// Random, so that a lost, doubled or moved block shows.
inline std::string Noise(size_t size, uint64_t seed = 7) {
    std::string bytes;
    bytes.reserve(size + sizeof(uint64_t));
    std::mt19937_64 generator(seed);
    while (bytes.size() < size) {
        const uint64_t value = generator();
        bytes.append(reinterpret_cast<const char*>(&value), sizeof value);
    }
    bytes.resize(size);
    return bytes;
}

}  // namespace cc::test
