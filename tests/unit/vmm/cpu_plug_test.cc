// SPDX-License-Identifier: Apache-2.0
#include "vmm/qemu/cpu_plug.h"

#include <doctest/doctest.h>

#include "base/json_full.h"

namespace cc::qemu {

TEST_CASE("processors are plugged into the free sockets, lowest first") {
    // As QEMU 7.2 says it of -smp cpus=1,sockets=3, shortened.
    const std::string answer =
        R"([{"props":{"core-id":0,"thread-id":0,"socket-id":2},"vcpus-count":1,)"
        R"("type":"max-x86_64-cpu"},{"props":{"core-id":0,"thread-id":0,"socket-id":1},)"
        R"("vcpus-count":1,"type":"max-x86_64-cpu"},{"props":{"core-id":0,"thread-id":0,)"
        R"("socket-id":0},"vcpus-count":1,"qom-path":"/machine/unattached/device[0]",)"
        R"("type":"max-x86_64-cpu"}])";
    const auto places = FreeCpuPlaces(answer);
    REQUIRE(places);
    REQUIRE(places->size() == 2);
    const Json first = ParseJson(places->front()).value();
    CHECK(first == Json({{"driver", "max-x86_64-cpu"},
                         {"id", "cpu1"},
                         {"core-id", 0},
                         {"thread-id", 0},
                         {"socket-id", 1}}));
    CHECK(ParseJson(places->back()).value()["id"] == "cpu2");
    CHECK(FreeCpuPlaces("[]")->empty());
    for (const auto* bad :
         {"", "{}", "[7]", R"([{"type":"x"}])", R"([{"type":"","props":{}}])",
          R"([{"type":"x","props":{"socket-id":-1}}])", R"([{"type":"x","props":[]}])"}) {
        CAPTURE(bad);
        CHECK_FALSE(FreeCpuPlaces(bad));
    }
}

}  // namespace cc::qemu
