// SPDX-License-Identifier: Apache-2.0
#include "runtime/oci/resources.h"

#include <doctest/doctest.h>

#include "base/json_full.h"

namespace cc::runtime {

TEST_CASE("sizes are read as people write them") {
    CHECK(ParseBytes("0") == 0);
    CHECK(ParseBytes("1048576") == 1048576);
    CHECK(ParseBytes("512m") == 512LL << 20);
    CHECK(ParseBytes("1.5G") == 3LL << 29);
    CHECK(ParseBytes("64KiB") == 65536);
    CHECK(ParseBytes("2 MB") == 2 << 20);
    CHECK(ParseBytes("10b") == 10);
    CHECK(ParseBytes("-1") == -1);
    for (const char* wrong : {"", "m", "-2", "1x", "1mm", "0x10", "1e3", "99999999t", "inf"})
        CHECK_MESSAGE(!ParseBytes(wrong), wrong);
}

TEST_CASE("options of update become the OCI resources they stand for") {
    CliValues options;
    options.Add("memory", "512m");
    options.Add("cpu-quota", "-1");
    options.Add("cpuset-cpus", "0-1");
    options.Add("pids-limit", "20");
    options.Add("kernel-memory", "1g");
    CHECK(ResourcesOfOptions(options).value() ==
          ParseJson(R"({"memory":{"limit":536870912},"cpu":{"quota":-1,"cpus":"0-1"},
                        "pids":{"limit":20}})")
              .value());
    CliValues wrong;
    wrong.Add("blkio-weight", "5");
    CHECK(ResourcesOfOptions(wrong).error().message ==
          "invalid value for --blkio-weight: must be a number from 10 to 1000, or 0 for as it is");
    CliValues zeros;
    for (const char* name : {"memory", "memory-swap", "cpu-shares", "cpu-quota", "cpu-period",
                             "pids-limit", "blkio-weight"})
        zeros.Add(name, "0");
    zeros.Add("cpuset-cpus", "");
    CHECK(ResourcesOfOptions(zeros).value() == Json::object());
    zeros.Add("cpu-idle", "0");
    CHECK(ResourcesOfOptions(zeros).value() == ParseJson(R"({"cpu":{"idle":0}})").value());
    CliValues impossible;
    impossible.Add("cpu-rt-period", "5");
    CHECK_FALSE(ResourcesOfOptions(impossible));
}

TEST_CASE("a document of resources changes what it says and nothing else") {
    const std::string config =
        R"({"ociVersion":"1.0.2","linux":{"resources":{"memory":{"limit":1,"swap":2},"x":{"y":1}}}})";
    const Json changes =
        ResourcesOfDocument(R"({"memory":{"limit":7,"swap":0},"cpu":{"cpus":""},"pids":null})")
            .value();
    CHECK(
        WithResources(config, changes).value() ==
        R"({"ociVersion":"1.0.2","linux":{"resources":{"memory":{"limit":7,"swap":2},"x":{"y":1}}}})");
    CHECK(WithResources(R"({"ociVersion":"1.0.2"})", Json::object()).value() ==
          R"({"ociVersion":"1.0.2","linux":{"resources":{}}})");
    CHECK(ResourcesOfDocument(R"({"cpu":{"idle":0,"burst":0,"quota":0}})").value() ==
          ParseJson(R"({"cpu":{"idle":0,"burst":0}})").value());
    CHECK(ResourcesOfDocument(R"({"cpu":{"idle":null,"burst":null}})").value() == Json::object());
    CHECK_FALSE(ResourcesOfDocument("[]"));
    CHECK_FALSE(ResourcesOfDocument(""));
}

TEST_CASE("without a limit on memory there is none on swap, unless one is named") {
    const auto memory = [](const std::string& before, const std::string& changes) {
        const std::string config = Cat(R"({"linux":{"resources":{"memory":)", before, "}}}");
        const auto after = WithResources(config, ParseJson(changes).value());
        return DumpJson(ParseJson(*after).value()["linux"]["resources"]["memory"]);
    };
    CHECK(memory(R"({"limit":100,"swap":200})", R"({"memory":{"limit":-1}})") ==
          R"({"limit":-1,"swap":-1})");
    CHECK(memory(R"({"limit":100,"swap":200})", R"({"memory":{"limit":-1,"swap":300}})") ==
          R"({"limit":-1,"swap":300})");
    CHECK(memory(R"({"limit":100})", R"({"memory":{"limit":-1}})") == R"({"limit":-1})");
    CHECK(memory(R"({"limit":100,"swap":200})", R"({"memory":{"limit":150}})") ==
          R"({"limit":150,"swap":200})");
}

}  // namespace cc::runtime
