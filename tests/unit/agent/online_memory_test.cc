// SPDX-License-Identifier: Apache-2.0
#include "agent/online_memory.h"

#include "base/file.h"
#include "base/text.h"
#include "tests/scratch.h"

namespace cc::agent {

namespace {

void MakeBlock(const std::string& directory, int number, const char* state) {
    const std::string block = Cat(directory, "/memory", number);
    REQUIRE(MakeDirectories(block, 0700));
    REQUIRE(WriteFileAtomic(block + "/state", state, 0600));
}

}  // namespace

TEST_CASE("memory counts when it is in use, and is waited for") {
    const test::Scratch scratch;
    const std::string blocks = scratch.path();
    // A kernel without memory that comes and goes.
    CHECK(AwaitMemory(1024, std::chrono::milliseconds(0), blocks));
    REQUIRE(WriteFileAtomic(blocks + "/block_size_bytes", "8000000\n", 0600));
    MakeBlock(blocks, 0, "online\n");
    MakeBlock(blocks, 33, "offline\n");
    CHECK(OnlineMemoryMib(blocks).value() == 128);
    CHECK(AwaitMemory(128, std::chrono::milliseconds(0), blocks));
    const auto late = AwaitMemory(256, std::chrono::milliseconds(10), blocks);
    REQUIRE_FALSE(late);
    CHECK(late.error().message ==
          "of 256 MiB of memory the guest's kernel has taken 128 MiB into use so far");
    MakeBlock(blocks, 33, "online\n");
    CHECK(AwaitMemory(256, std::chrono::milliseconds(10), blocks));
    REQUIRE(WriteFileAtomic(blocks + "/block_size_bytes", "none\n", 0600));
    CHECK_FALSE(OnlineMemoryMib(blocks));
}

}  // namespace cc::agent
