// SPDX-License-Identifier: Apache-2.0
#include "runtime/sandbox/namespace_paths.h"

#include <doctest/doctest.h>

#include "base/text.h"

namespace cc::runtime {

TEST_CASE("a namespace's path must be one of its type") {
    const std::pair<const char*, const char*> types[] = {
        {"cgroup", "cgroup"}, {"ipc", "ipc"},   {"mount", "mnt"}, {"network", "net"},
        {"pid", "pid"},       {"user", "user"}, {"uts", "uts"}};
    for (const auto& [type, link] : types)
        for (const auto& [other, other_link] : types) {
            const auto checked = CheckNamespacePaths({{type, Cat("/proc/self/ns/", other_link)}});
            CHECK(checked.has_value() == (std::string_view(type) == other));
        }
    CHECK(CheckNamespacePaths({{"pid", "/proc/self/ns/pid_for_children"}, {"uts", ""}}));
}

TEST_CASE("a path that is no namespace is named") {
    const auto checked = CheckNamespacePaths({{"ipc", "/dev/null"}});
    REQUIRE_FALSE(checked);
    CHECK(checked.error().message == "linux.namespaces ipc: /dev/null is no namespace");
    CHECK_FALSE(CheckNamespacePaths({{"ipc", "/nowhere"}}));
    CHECK(CheckNamespacePaths({{"ipc", "/nowhere"}}, {{"ipc", "pod"}}));
}

}  // namespace cc::runtime
