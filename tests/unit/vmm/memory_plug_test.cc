// SPDX-License-Identifier: Apache-2.0
#include "vmm/qemu/memory_plug.h"

#include <doctest/doctest.h>

namespace cc::qemu {

TEST_CASE("memory is plugged in behind what is there, at the start of a block") {
    CHECK(AddressBehind("[]").value() == 0);
    // As QEMU 7.2 says it of the root image.
    const std::string image =
        R"({"type":"nvdimm","data":{"memdev":"/objects/image","hotplugged":false,)"
        R"("addr":4294967296,"hotpluggable":true,"size":10485760,"slot":0,"node":0,"id":"image0"}})";
    CHECK(AddressBehind("[" + image + "]").value() == 0x108000000);
    const std::string module =
        R"({"type":"dimm","data":{"addr":4429185024,"size":268435456,"slot":1}})";
    CHECK(AddressBehind("[" + image + "," + module + "]").value() == 0x118000000);
    CHECK(AddressBehind("[" + module + "," + image + "]").value() == 0x118000000);
    for (const auto* bad :
         {"", "{}", "[7]", R"([{"data":{"addr":-1}}])", R"([{"data":{"addr":"x"}}])"})
        CHECK_FALSE(AddressBehind(bad));
}

}  // namespace cc::qemu
