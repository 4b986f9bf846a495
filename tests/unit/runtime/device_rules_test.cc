// SPDX-License-Identifier: Apache-2.0
#include "runtime/sandbox/device_rules.h"

#include <doctest/doctest.h>

#include "base/file.h"
#include "base/json_full.h"
#include "tests/unit/runtime/temp_directory.h"

namespace cc::runtime {

namespace {

Result<std::vector<DeviceRuleText>> DeviceTexts(const std::string& rules) {
    return DeviceRuleTexts(ParseJson(R"({"devices":)" + rules + "}").value());
}

}  // namespace

TEST_CASE("device rules become lines in their order, behind a lock and before the defaults") {
    const auto texts = DeviceTexts(R"([{"allow":false,"access":"rwm"},
        {"allow":true,"type":"c","major":10,"minor":229,"access":"rwm"},
        {"allow":true,"type":"b","major":8,"access":"r"},
        {"allow":false,"type":"a","access":"m"}])");
    REQUIRE(texts);
    REQUIRE(texts->size() == 16);
    const auto is = [&](size_t index, bool allow, const char* text) {
        return (*texts)[index].allow == allow && (*texts)[index].text == text;
    };
    CHECK(is(0, false, "a *:* rwm"));
    CHECK(is(1, false, "a *:* rwm"));
    CHECK(is(2, true, "c 10:229 rwm"));
    CHECK(is(3, true, "b 8:* r"));
    CHECK(is(4, false, "c *:* m"));
    CHECK(is(5, false, "b *:* m"));
    CHECK(is(15, true, "c 136:* rwm"));
}

TEST_CASE("without device rules the host's cgroup stays as it is") {
    CHECK(DeviceTexts("[]")->empty());
    CHECK(DeviceRuleTexts(ParseJson("{}").value())->empty());
    CHECK(DeviceRuleTexts(Json()).value().empty());
}

TEST_CASE("what is no device rule is refused") {
    for (const char* rules :
         {"[5]", R"([{"type":"x"}])", R"([{"access":"q"}])", R"([{"major":"1"}])", R"({"a":1})"})
        CHECK_FALSE(DeviceTexts(rules));
}

TEST_CASE("device rules are written to what was made for the container, and nowhere else") {
    const TempDirectory directory;
    std::vector<std::string> leaves;
    for (const char* name : {"made", "found", "other"}) {
        leaves.push_back(directory / name);
        REQUIRE(MakeDirectories(leaves.back(), 0755));
    }
    for (const char* file : {"made/devices.deny", "made/devices.allow", "found/devices.deny"})
        REQUIRE(WriteFileAtomic(directory / file, "", 0600));
    ListDeviceRules(leaves, {leaves[0], leaves[2]}, {{false, "a *:* rwm"}, {true, "c 1:3 rwm"}});
    CHECK(ReadFile(directory / "made/devices.deny", 100).value() == "a *:* rwm");
    CHECK(ReadFile(directory / "made/devices.allow", 100).value() == "c 1:3 rwm");
    CHECK(ReadFile(directory / "found/devices.deny", 100).value().empty());
    CHECK_FALSE(Exists(directory / "other/devices.deny"));
}

}  // namespace cc::runtime
