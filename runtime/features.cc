// SPDX-License-Identifier: Apache-2.0
// What containers may ask for: the features structure of the OCI runtime specification. The guest's
// agent is what does it; a test holds these lists against its parsers.
#include <algorithm>
#include <cstdio>

#include "base/json_full.h"
#include "base/version.h"
#include "runtime/app.h"
#include "runtime/oci/capabilities.h"
#include "runtime/verbs.h"

namespace cc::runtime {

namespace {

using Words = std::vector<const char*>;

const Words kHooks = {"prestart",       "createRuntime", "createContainer",
                      "startContainer", "poststart",     "poststop"};

// With and, where the kernel has a recursive form of it, without an "r" in front.
const Words kRecursiveMountOptions = {
    "atime",      "dev",    "diratime",   "exec",          "noatime", "nodev",
    "nodiratime", "noexec", "norelatime", "nostrictatime", "nosuid",  "nosymfollow",
    "relatime",   "ro",     "rw",         "strictatime",   "suid",    "symfollow",
    "private",    "shared", "slave",      "unbindable",    "bind"};
const Words kMountOptions = {"acl",        "async",      "defaults", "dirsync", "idmap",
                             "iversion",   "lazytime",   "loud",     "mand",    "noacl",
                             "noiversion", "nolazytime", "nomand",   "remount", "ridmap",
                             "silent",     "sync",       "tmpcopyup"};

const Words kNamespaces = {"cgroup", "ipc", "mount", "network", "pid", "time", "user", "uts"};

const Words kSeccompActions = {"SCMP_ACT_ALLOW",        "SCMP_ACT_ERRNO",       "SCMP_ACT_KILL",
                               "SCMP_ACT_KILL_PROCESS", "SCMP_ACT_KILL_THREAD", "SCMP_ACT_LOG",
                               "SCMP_ACT_TRACE",        "SCMP_ACT_TRAP"};
const Words kSeccompOperators = {"SCMP_CMP_EQ", "SCMP_CMP_GE",        "SCMP_CMP_GT", "SCMP_CMP_LE",
                                 "SCMP_CMP_LT", "SCMP_CMP_MASKED_EQ", "SCMP_CMP_NE"};
const Words kSeccompFlags = {"SECCOMP_FILTER_FLAG_LOG", "SECCOMP_FILTER_FLAG_SPEC_ALLOW",
                             "SECCOMP_FILTER_FLAG_TSYNC"};
// Taken, too, but about a listener, which no filter here has.
constexpr const char* kListenerFlag = "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV";
// Those that a guest of this architecture can run.
const Words kSeccompArchitectures = {"SCMP_ARCH_X32", "SCMP_ARCH_X86", "SCMP_ARCH_X86_64"};

Json MountOptions() {
    std::vector<std::string> options(kMountOptions.begin(), kMountOptions.end());
    for (const std::string option : kRecursiveMountOptions) {
        options.push_back(option);
        options.push_back("r" + option);
    }
    std::sort(options.begin(), options.end());
    return options;
}

Json Seccomp() {
    Json known = kSeccompFlags;
    known.push_back(kListenerFlag);
    return {{"enabled", true},
            {"actions", kSeccompActions},
            {"operators", kSeccompOperators},
            {"archs", kSeccompArchitectures},
            {"knownFlags", std::move(known)},
            {"supportedFlags", kSeccompFlags}};
}

Json Features() {
    const Json absent = {{"enabled", false}};
    return {{"ociVersionMin", "1.0.0"},
            {"ociVersionMax", kOciVersion},
            {"hooks", kHooks},
            {"mountOptions", MountOptions()},
            {"linux",
             {{"namespaces", kNamespaces},
              {"capabilities", CapabilityNames()},
              {"cgroup",
               {{"v1", true},
                {"v2", true},
                {"systemd", true},
                {"systemdUser", false},
                {"rdma", false}}},
              {"seccomp", Seccomp()},
              {"apparmor", absent},
              {"selinux", absent},
              {"intelRdt", absent},
              {"mountExtensions", {{"idmap", {{"enabled", true}}}}}}},
            {"annotations",
             {{"com.github.clear-containers.version", kRelease},
              {"com.github.clear-containers.commit", kCommit},
              {"com.github.clear-containers.checkpoint.enabled", "false"}}}};
}

}  // namespace

CliCommand FeaturesVerb() {
    return {.name = "features",
            .help = "show as JSON what containers may ask for",
            .options = {},
            .stop_at_positional = false,
            .run = Run([](App&, const CliValues&) -> Result<int> {
                std::printf("%s\n", DumpJsonPretty(Features(), 4).c_str());
                return 0;
            })};
}

}  // namespace cc::runtime
