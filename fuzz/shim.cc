// SPDX-License-Identifier: Apache-2.0
// A whole shim: the input's bytes choose what its proxy sends, says and hears, what happens to its
// standard streams and which signals come (tests/unit/shim/chaos.h). Output comes out once and in
// order, input goes in the same way and within the proxy's window, and the end is the process's.
#include "fuzz/target.h"
#include "tests/unit/shim/chaos.h"

namespace cc::fuzz {

int FuzzShim(std::string_view input) {
    const std::string broken = shim::Chaos(input).Run();
    if (!broken.empty()) Violated(broken.c_str(), __FILE__, __LINE__);
    return 0;
}

}  // namespace cc::fuzz

CC_FUZZ_TARGET(FuzzShim)
