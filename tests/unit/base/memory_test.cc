// SPDX-License-Identifier: Apache-2.0
#include "base/memory.h"

#include <doctest/doctest.h>

#include "base/file.h"
#include "base/text.h"

namespace cc {
namespace {

// Pages of the program's file among what is resident (statm: size, resident, shared).
long FilePages() {
    const std::string text = ReadFile("/proc/self/statm", 4096).value();
    return ParseNumber<long>(Split(text, ' ').at(2)).value();
}

}  // namespace

TEST_CASE("a program without its pages goes on as before, with fewer of them") {
    const long before = FilePages();
    const std::string text = Cat("still ", 1);
    DropProgramPages();
    TrimHeap();
    CHECK(FilePages() < before);
    CHECK(text == "still 1");
    CHECK(HexEncode("\x01\xff") == "01ff");
}

}  // namespace cc
