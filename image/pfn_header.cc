// SPDX-License-Identifier: Apache-2.0
#include "image/pfn_header.h"

#include "base/text.h"

namespace cc {

namespace {

constexpr uint64_t kPageSize = 4096;
constexpr size_t kChecksumOffset = 4088;

void Put(std::string& out, size_t offset, uint64_t value, size_t size) {
    for (size_t i = 0; i < size; ++i)
        out[offset + i] = static_cast<char>(value >> (8 * i) & 0xff);
}

// RFC 9562's version 8: bits of our own making. Two different hashes, because one has only 64 bits.
std::string ContentUuid(std::string_view content) {
    std::string uuid(16, '\0');
    const uint64_t first = Fnv1a64(content);
    Put(uuid, 0, first, 8);
    Put(uuid, 8, Fnv1a64(Cat(first, "/", content.size())), 8);
    uuid[6] = static_cast<char>((uuid[6] & 0x0f) | 0x80);
    uuid[8] = static_cast<char>((uuid[8] & 0x3f) | 0x80);
    return uuid;
}

}  // namespace

uint64_t PfnPaddedSize(uint64_t content_size) {
    return (content_size + kPfnAlignment - 1) / kPfnAlignment * kPfnAlignment;
}

uint64_t Fletcher64(std::string_view bytes) {
    uint32_t low = 0;
    uint32_t high = 0;
    for (size_t i = 0; i + 4 <= bytes.size(); i += 4) {
        uint32_t word = 0;
        for (size_t j = 4; j-- > 0;)
            word = word << 8 | static_cast<unsigned char>(bytes[i + j]);
        low += word;
        high += low;
    }
    return uint64_t{high} << 32 | low;
}

std::string PfnSuperblock(std::string_view content) {
    constexpr std::string_view kSignature("NVDIMM_PFN_INFO\0", 16);
    std::string block(kPfnSuperblockSize, '\0');
    block.replace(0, 16, kSignature);
    block.replace(16, 16, ContentUuid(content));
    Put(block, 52, 1, 2);
    Put(block, 54, 4, 2);
    Put(block, 56, kPfnContentOffset, 8);
    Put(block, 64, PfnPaddedSize(content.size()) / kPageSize, 8);
    Put(block, 72, 1, 4);
    Put(block, 84, kPfnAlignment, 4);
    Put(block, 88, kPageSize, 4);
    Put(block, 92, 64, 2);
    Put(block, kChecksumOffset, Fletcher64(block), 8);
    return block;
}

}  // namespace cc
