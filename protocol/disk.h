// SPDX-License-Identifier: Apache-2.0
// A disk that is plugged into a machine: what host, keeper and guest call it.
#pragma once

#include "base/text.h"

namespace cc {

// No machine has room for more.
constexpr int kMostDisks = 16;

// That the guest reads from the disk itself: its name there depends on what came and went before.
// At most 20 bytes (VIRTIO_BLK_ID_BYTES).
inline std::string DiskSerial(int number) {
    return Cat("cc-disk-", number);
}

// What 3.0 takes such a disk's name in the guest to be.
inline std::string DiskName(int number) {
    return Cat("vd", static_cast<char>('a' + number));
}

}  // namespace cc
