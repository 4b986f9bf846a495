// SPDX-License-Identifier: Apache-2.0
#include "protocol/container_control.h"

#include <doctest/doctest.h>

#include "base/text.h"
#include "protocol/agent_frame.h"

namespace cc {

TEST_CASE("commands of our own have the bytes that docs/protocol.md shows") {
    CHECK(EncodeControl(ControlCode::kPauseContainer, Encode(OneContainer{"web"})) ==
          std::string("\0\0\0\x65\0\0\0\x1b", 8) + R"({"container":"web"})");
    CHECK(Encode(UpdateContainer{"web", R"({"pids":{"limit":20}})"}) ==
          R"({"container":"web","resources":{"pids":{"limit":20}}})");
    CHECK(Encode(CgroupFiles{{{"pids.current", "3\n"}}}) == R"({"files":{"pids.current":"3\n"}})");
}

TEST_CASE("commands of our own survive being encoded and parsed") {
    CHECK(ParseOneContainer(Encode(OneContainer{"a\"b"}))->container == "a\"b");
    const auto update = ParseUpdateContainer(Encode(UpdateContainer{"web", ""}));
    REQUIRE(update);
    CHECK(update->container == "web");
    CHECK(update->resources == "{}");
    const CgroupFiles files{{{"cpu.stat", "usage_usec 1\n"}, {"pids.max", "max\n"}}};
    CHECK(ParseCgroupFiles(Encode(files))->files == files.files);
    CHECK_FALSE(ParseUpdateContainer(R"({"container":"web"})"));
    CHECK_FALSE(ParseUpdateContainer(R"({"container":"web","resources":"all"})"));
    CHECK_FALSE(ParseCgroupFiles(R"({"files":{"pids.max":7}})"));
    CHECK_FALSE(ParseOneContainer("[]"));
}

TEST_CASE("commands of our own have names, and are told from those of 3.0") {
    for (const auto& [name, code] : {std::pair{"pausecontainer", 101},
                                     {"resumecontainer", 102},
                                     {"containerstats", 103},
                                     {"updatecontainer", 104}}) {
        const auto parsed = ParseHyperName(name);
        REQUIRE(parsed);
        CHECK(static_cast<int>(*parsed) == code);
        CHECK(NeedsExtension(*parsed));
    }
    CHECK_FALSE(NeedsExtension(ControlCode::kPsContainer));
}

}  // namespace cc
