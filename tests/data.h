// SPDX-License-Identifier: Apache-2.0
// Where the files of tests/data are. A function, not a macro of every source: then no object
// depends on where this clone lies, and the compiler's cache serves all clones.
#pragma once

#include <string>
#include <string_view>

namespace cc::test {

std::string TestData(std::string_view file);

}  // namespace cc::test
