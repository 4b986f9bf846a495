// SPDX-License-Identifier: Apache-2.0
#include "vmm/nic.h"

#include <doctest/doctest.h>

#include "base/file.h"
#include "tests/scratch.h"

namespace cc {

TEST_CASE("vhost-net is used where there is such a device, and is no reason to fail elsewhere") {
    const test::Scratch scratch;
    CHECK_FALSE(OpenVhostNet(scratch.path() + "/none"));
    CHECK_FALSE(OpenVhostNet(scratch.path()));  // no device: a directory cannot be written
    REQUIRE(WriteFileAtomic(scratch.path() + "/vhost-net", "", 0600));
    CHECK(OpenVhostNet(scratch.path() + "/vhost-net"));
}

}  // namespace cc
