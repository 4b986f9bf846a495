// SPDX-License-Identifier: Apache-2.0
// What a template's files let others do with them.
#include "vmm/template/saved_machine.h"

#include <cstring>

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/unit/vmm/fixtures.h"

namespace cc {

namespace {

constexpr size_t kMib = 1 << 20;

void* Map(int fd, int how) {
    void* memory = ::mmap(nullptr, kMib, PROT_READ | PROT_WRITE, how, fd, 0);
    return memory == MAP_FAILED ? nullptr : memory;
}

}  // namespace

TEST_CASE("a sealed template can be mapped privately, and in no way written") {
    auto saved = SavedMachine::Make(1);
    REQUIRE(saved);
    void* writer = Map(saved->files().memory, MAP_SHARED);
    REQUIRE(writer != nullptr);
    std::memcpy(writer, "template", 8);
    REQUIRE(WriteAll(saved->files().state, "state"));
    REQUIRE(::ftruncate(saved->files().translations, kMib) == 0);
    void* translator = Map(saved->files().translations, MAP_SHARED);
    REQUIRE(translator != nullptr);
    // Its VMM still runs; also when only the last of the files is in use.
    for (void* use : {writer, translator}) {
        const auto early = saved->Seal();
        REQUIRE_FALSE(early);
        CHECK(early.error().code == EBUSY);
        ::munmap(use, kMib);
    }
    REQUIRE(saved->Seal());

    // As QEMU opens it, read-write.
    const auto reopened = OpenFile(Cat("/proc/self/fd/", saved->files().memory), O_RDWR);
    REQUIRE(reopened);
    for (const int fd : {saved->files().memory, reopened->get()}) {
        CHECK(::pwrite(fd, "x", 1, 0) < 0);
        CHECK(::ftruncate(fd, 0) < 0);
        CHECK(::ftruncate(fd, 2 * kMib) < 0);
        CHECK(::fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4096) < 0);
        CHECK(Map(fd, MAP_SHARED) == nullptr);
    }
    void* clone = Map(reopened->get(), MAP_PRIVATE);
    REQUIRE(clone != nullptr);
    CHECK(std::memcmp(clone, "template", 8) == 0);
    std::memcpy(clone, "someone's", 9);
    void* brother = Map(saved->files().memory, MAP_PRIVATE);
    REQUIRE(brother != nullptr);
    CHECK(std::memcmp(brother, "template", 8) == 0);
    ::munmap(clone, kMib);
    ::munmap(brother, kMib);
}

TEST_CASE("everybody who reads a template's state begins at its start") {
    auto saved = SavedMachine::Make(1);
    REQUIRE(saved);
    REQUIRE(WriteAll(saved->files().state, "state"));
    REQUIRE(saved->Seal());
    for (int i = 0; i < 2; ++i) {
        const auto state = saved->OpenState();
        REQUIRE(state);
        CHECK(ReadAll(state->get(), 100).value() == "state");
        CHECK(::write(state->get(), "x", 1) < 0);
    }
    CHECK(saved->Bytes() == 4096);
}

}  // namespace cc
