// SPDX-License-Identifier: Apache-2.0
#include "runtime/oci/without_effect.h"

#include <doctest/doctest.h>

#include "base/json_full.h"
#include "runtime/oci/default_spec.h"

namespace cc::runtime {

TEST_CASE("what is about the host's kernel is named, one by one") {
    const Json config = ParseJson(R"({
        "process":{"apparmorProfile":"docker-default","selinuxLabel":"a:b:c",
          "capabilities":{"bounding":["CAP_CHOWN","CAP_TEST"],"effective":["CAP_TEST"]}},
        "linux":{"mountLabel":"x","intelRdt":{"closID":"y"},
          "namespaces":[{"type":"pid","path":"/proc/1/ns/pid"},{"type":"ipc","path":""},
            {"type":"network","path":"/run/netns/n"},{"type":"uts"}],
          "resources":{"rdma":{"mlx5_1":{"hcaHandles":3}},"network":{"classID":1}}}})")
                            .value();
    const auto found = WithoutEffect(config);
    REQUIRE(found.size() == 8);
    CHECK(found[0] == "process.apparmorProfile: the guest has no AppArmor");
    CHECK(found[4] == "process.capabilities: the guest's kernel knows no \"CAP_TEST\"");
    CHECK(found[5].starts_with("linux.namespaces pid: "));
    CHECK(found[6].starts_with("linux.resources.rdma: "));
}

TEST_CASE("a configuration that asks for nothing of the host's causes no words") {
    CHECK(WithoutEffect(ParseJson(DefaultSpec()).value()).empty());
    CHECK(WithoutEffect(ParseJson(R"({"process":{"apparmorProfile":"unconfined","selinuxLabel":""},
        "linux":{"resources":{"network":{}},"namespaces":5}})")
                            .value())
              .empty());
}

}  // namespace cc::runtime
