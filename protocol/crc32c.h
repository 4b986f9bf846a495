// SPDX-License-Identifier: Apache-2.0
// CRC-32C (Castagnoli), as in RFC 3720 B.4: finds bytes that are missing or foreign in a frame. No
// defence against somebody who forges.
#pragma once

#include <cstdint>
#include <string_view>

namespace cc {

// `so_far`: the result for the bytes before these; 0 at the beginning.
uint32_t Crc32c(std::string_view bytes, uint32_t so_far = 0);

}  // namespace cc
