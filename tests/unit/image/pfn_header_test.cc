// SPDX-License-Identifier: Apache-2.0
#include "image/pfn_header.h"

#include <string>

#include <doctest/doctest.h>

#include "base/text.h"

using namespace cc;

namespace {

uint64_t Number(std::string_view bytes, size_t offset, size_t size) {
    uint64_t value = 0;
    for (size_t i = size; i-- > 0;)
        value = value << 8 | static_cast<unsigned char>(bytes[offset + i]);
    return value;
}

}  // namespace

TEST_CASE("Fletcher-64 sums little-endian words and wraps at 32 bits") {
    CHECK(Fletcher64("") == 0);
    CHECK(Fletcher64(std::string_view("\1\0\0\0", 4)) == 0x0000000100000001);
    // From another implementation.
    CHECK(Fletcher64("abcdefgh") == 0x312e2b27cccac8c6);
    CHECK(Fletcher64(std::string(16, '\xff')) == 0xfffffff6fffffffc);
    std::string all;
    for (int i = 0; i < 256; ++i)
        all.push_back(static_cast<char>(i));
    CHECK(Fletcher64(all) == 0x9d754a80601fdf80);
}

TEST_CASE("content is padded to whole 2 MiB") {
    CHECK(PfnPaddedSize(0) == 0);
    CHECK(PfnPaddedSize(1) == 2097152);
    CHECK(PfnPaddedSize(2097152) == 2097152);
    CHECK(PfnPaddedSize(2097153) == 4194304);
}

TEST_CASE("the superblock is the one the kernel was seen to accept") {
    const std::string block = PfnSuperblock(std::string(5000, 'x'));
    REQUIRE(block.size() == kPfnSuperblockSize);
    CHECK(HexEncode(block.substr(0, 96)) ==
          "4e5644494d4d5f50464e5f494e464f00"  // signature
          "45e3e40b08fa855da396428bbcb3e971"  // uuid
          "00000000000000000000000000000000"  // of the namespace
          "0000000001000400"                  // flags, version
          "0000200000000000"
          "0002000000000000"  // content: offset, pages
          "01000000"
          "00000000"
          "00000000"
          "00002000"  // mode, start, end, alignment
          "00100000"
          "40000000");  // page, page structure
    CHECK(block.find_first_not_of('\0', 94) == 4088);
    CHECK(Number(block, 4088, 8) == 0x6902502c4a2d721d);
}

TEST_CASE("the checksum covers the superblock with its own field zero") {
    std::string block = PfnSuperblock("content");
    const uint64_t stored = Number(block, 4088, 8);
    block.replace(4088, 8, 8, '\0');
    CHECK(Fletcher64(block) == stored);
}

TEST_CASE("the same content gives the same superblock, other content another uuid") {
    CHECK(PfnSuperblock("content") == PfnSuperblock("content"));
    CHECK(PfnSuperblock("content").substr(16, 16) != PfnSuperblock("Content").substr(16, 16));
    const std::string uuid = PfnSuperblock("content").substr(16, 16);
    CHECK((static_cast<unsigned char>(uuid[6]) >> 4) == 8);
    CHECK((static_cast<unsigned char>(uuid[8]) >> 6) == 2);
}
