// SPDX-License-Identifier: Apache-2.0
#include "tests/data.h"

namespace cc::test {

std::string TestData(std::string_view file) {
    return std::string(CC_TEST_DATA "/").append(file);
}

}  // namespace cc::test
