// SPDX-License-Identifier: Apache-2.0
// What the validation programs of opencontainers/runtime-tools ask (docs/conformance.md). Those
// whose questions other tests ask, too, are left out unless CC_LONG is set.
#include <cstdlib>

#include <doctest/doctest.h>

#include "base/file.h"
#include "tests/e2e/host.h"

namespace cc::test {

namespace {

const std::vector<std::string> kOnlyHere = {"config_updates_without_affect",
                                            "hooks_stdin",
                                            "linux_cgroups_cpus",
                                            "linux_cgroups_devices",
                                            "linux_devices",
                                            "linux_masked_paths",
                                            "linux_ns_path_type",
                                            "linux_readonly_paths",
                                            "linux_rootfs_propagation",
                                            "linux_seccomp",
                                            "linux_uid_mappings",
                                            "misc_props",
                                            "mounts",
                                            "process_user"};

}  // namespace

TEST_CASE("the validation programs of runtime-tools find what docs/conformance.md says") {
    if (!Exists("/sys/fs/cgroup/devices/devices.list"))
        return Skip("the devices controller is not mounted as cgroup v1");
    const Host host;
    std::vector<std::string> words = {"python3", CC_TESTS_DIR "/e2e/oci/validate.py", "--as-known"};
    for (const auto& word : host.RuntimeArguments({}))
        words.push_back(word);
    words[3] = CC_BIN_DIR "/cc-runtime";
    if (std::getenv("CC_LONG") == nullptr) {
        words.push_back("--");
        words.insert(words.end(), kOnlyHere.begin(), kOnlyHere.end());
    }
    const Finished done =
        RunProgram("/usr/bin/python3", words, "", host.Environment(), 4 * kPatience);
    CHECK_MESSAGE(done.status == 0, done.out, done.err);
}

}  // namespace cc::test
