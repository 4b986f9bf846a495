// SPDX-License-Identifier: Apache-2.0
// `cc-runtime features` promises what the agent does: the lists of the one against the parsers of
// the other.
#include <algorithm>
#include <cstdio>
#include <iterator>

#include <doctest/doctest.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/capabilities.h"
#include "agent/mount_options.h"
#include "base/json_full.h"
#include "seccomp/filter.h"

namespace cc::agent {

namespace {

Json Features() {
    std::FILE* pipe = ::popen(CC_BINARY " cc-runtime features", "r");
    REQUIRE(pipe != nullptr);
    std::string text;
    char bytes[4096];
    while (const size_t count = std::fread(bytes, 1, sizeof bytes, pipe))
        text.append(bytes, count);
    REQUIRE(::pclose(pipe) == 0);
    return ParseJson(text).value();
}

// Options of every file system, which the kernel takes as words: vfs_parse_sb_flag() in
// fs/fs_context.c of Linux.
constexpr std::string_view kOfTheKernel[] = {"dirsync", "lazytime",   "mand",
                                             "sync",    "nolazytime", "nomand"};

// In a child, which has the filter from then on.
bool Loads(const SeccompSpec& spec) {
    const pid_t child = ::fork();
    if (child == 0) {
        ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
        const auto filter = CompileSeccomp(spec);
        ::_exit(filter && LoadSeccomp(*filter) ? 0 : 1);
    }
    int status = -1;
    return ::waitpid(child, &status, 0) == child && status == 0;
}

}  // namespace

TEST_CASE("every mount option and capability of features is one that the agent knows") {
    const Json features = Features();
    for (const std::string option : features["mountOptions"]) {
        CAPTURE(option);
        const auto parsed = ParseMountOptions({option});
        REQUIRE(parsed);
        const bool of_the_kernel = std::find(std::begin(kOfTheKernel), std::end(kOfTheKernel),
                                             option) != std::end(kOfTheKernel);
        CHECK(parsed->data.size() == (of_the_kernel ? 1 : 0));
    }
    uint64_t all = 0;
    for (const std::string name : features["linux"]["capabilities"]) {
        CAPTURE(name);
        const uint64_t bit = ParseCapabilities({name});
        CHECK(bit != 0);
        CHECK((all & bit) == 0);
        all |= bit;
    }
    CHECK(all == (uint64_t{1} << 41) - 1);
}

TEST_CASE("seccomp filters can be made of every action, operator and architecture of features") {
    const Json seccomp = Features()["linux"]["seccomp"];
    for (const std::string action : seccomp["actions"])
        for (const std::string op : seccomp["operators"]) {
            CAPTURE(action);
            CAPTURE(op);
            SeccompSpec spec;
            spec.default_action = action == "SCMP_ACT_ALLOW" ? "SCMP_ACT_LOG" : "SCMP_ACT_ALLOW";
            for (const std::string architecture : seccomp["archs"])
                spec.architectures.push_back(architecture);
            spec.rules.push_back({{"personality"}, action, std::nullopt, {{0, 1, 1, op}}});
            CHECK(Loads(spec));
        }
}

TEST_CASE("the flags of seccomp that features knows are those that the agent reads") {
    const Json seccomp = Features()["linux"]["seccomp"];
    CHECK(seccomp["knownFlags"].size() == 4);
    const auto reads = [](const std::string& flag) {
        const Json json = {{"defaultAction", "SCMP_ACT_ALLOW"}, {"flags", {flag}}};
        return ReadSeccomp(json).has_value();
    };
    for (const std::string flag : seccomp["knownFlags"])
        CHECK_MESSAGE(reads(flag), flag);
    CHECK_FALSE(reads("SECCOMP_FILTER_FLAG_NO_SUCH"));
    for (const Json& flag : seccomp["supportedFlags"])
        CHECK(std::find(seccomp["knownFlags"].begin(), seccomp["knownFlags"].end(), flag) !=
              seccomp["knownFlags"].end());
}

TEST_CASE("features says what there is and what there is not") {
    const Json linux_part = Features()["linux"];
    CHECK(linux_part["mountExtensions"]["idmap"]["enabled"] == true);
    CHECK(linux_part["intelRdt"]["enabled"] == false);
    CHECK(linux_part["cgroup"]["rdma"] == false);
}

}  // namespace cc::agent
