// SPDX-License-Identifier: Apache-2.0
#include "vmm/template/memory_copy.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/vmm/fixtures.h"
#include "vmm/template/saved_machine.h"

namespace cc {

TEST_CASE("a copy of a template's memory has its content and its holes, and is nobody else's") {
    constexpr off_t kPage = 4096;
    auto saved = SavedMachine::Make(64);
    REQUIRE(saved);
    const std::string page(kPage, 'x'), two(2 * kPage, 'y');
    REQUIRE(::pwrite(saved->files().memory, page.data(), page.size(), 0) == kPage);
    REQUIRE(::pwrite(saved->files().memory, two.data(), two.size(), 1000 * kPage) == 2 * kPage);
    // Its very last page, too.
    REQUIRE(::pwrite(saved->files().memory, page.data(), page.size(), (64 << 20) - kPage) == kPage);
    REQUIRE(saved->Seal());
    const Fd from = Fd::Adopt(::dup(saved->files().memory));
    auto copy = CopyMemory(from);
    REQUIRE_MESSAGE(copy, copy.error().message);
    CHECK(copy->bytes == 4 * kPage);
    struct stat status {};
    REQUIRE(::fstat(copy->memory.get(), &status) == 0);
    CHECK(status.st_size == 64 << 20);
    CHECK(status.st_blocks * 512 == 4 * kPage);
    const auto at = [&](int fd, off_t offset, size_t length) {
        std::string bytes(length, ' ');
        REQUIRE(::pread(fd, bytes.data(), length, offset) == static_cast<ssize_t>(length));
        return bytes;
    };
    CHECK(at(copy->memory.get(), 0, page.size()) == page);
    CHECK(at(copy->memory.get(), 1000 * kPage, two.size()) == two);
    CHECK(at(copy->memory.get(), (64 << 20) - kPage, page.size()) == page);
    CHECK(at(copy->memory.get(), kPage, 1) == std::string(1, '\0'));
    // It can be mapped shared and written, and the template stays what it was.
    void* view = ::mmap(nullptr, kPage, PROT_READ | PROT_WRITE, MAP_SHARED, copy->memory.get(), 0);
    REQUIRE(view != MAP_FAILED);
    *static_cast<char*>(view) = 'z';
    ::munmap(view, kPage);
    CHECK(at(saved->files().memory, 0, 1) == "x");
    // Of one that nobody has touched.
    auto empty = SavedMachine::Make(1);
    REQUIRE(empty);
    const Fd nothing = Fd::Adopt(::dup(empty->files().memory));
    const auto none = CopyMemory(nothing);
    REQUIRE(none);
    CHECK(none->bytes == 0);
}

}  // namespace cc
