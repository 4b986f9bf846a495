// SPDX-License-Identifier: Apache-2.0
// config.json as the host reads it, broken in every field, one at a time: it is taken, or refused
// with an error that names the field.
#include <doctest/doctest.h>

#include "base/file.h"
#include "protocol/oci_hooks.h"
#include "runtime/oci/exec_process.h"
#include "runtime/oci/guest_message.h"
#include "runtime/oci/resources.h"
#include "runtime/oci/without_effect.h"
#include "runtime/sandbox/cgroup_values.h"
#include "tests/data.h"
#include "tests/json_mutations.h"

namespace cc::runtime {

namespace {

// Where the host looks; the rest of a configuration is the guest's to judge.
constexpr std::string_view kRead[] = {"/ociVersion",
                                      "/root",
                                      "/annotations",
                                      "/process/terminal",
                                      "/process/consoleSize",
                                      "/process/user/uid",
                                      "/process/user/gid",
                                      "/process/user/additionalGids",
                                      "/process/args",
                                      "/process/env",
                                      "/process/cwd",
                                      "/process/noNewPrivileges",
                                      "/process/capabilities",
                                      "/hooks",
                                      "/linux/cgroupsPath",
                                      "/linux/resources/memory/kernelTCP",
                                      "/linux/resources/memory/swappiness",
                                      "/linux/resources/memory/disableOOMKiller",
                                      "/linux/resources/cpu/cpus",
                                      "/linux/resources/cpu/mems",
                                      "/linux/resources/cpu/realtimePeriod",
                                      "/linux/resources/cpu/realtimeRuntime",
                                      "/linux/resources/blockIO/leafWeight",
                                      "/linux/resources/blockIO/weightDevice",
                                      "/linux/resources/blockIO/throttleReadBpsDevice",
                                      "/linux/resources/blockIO/throttleWriteIOPSDevice"};

bool HostReads(const std::string& path) {
    if (path.ends_with("/0/leafWeight")) return false;  // of one device: no kernel has it any more
    for (const std::string_view read : kRead)
        if (path == read || path.starts_with(std::string(read) + "/")) return true;
    // Of mounts and namespaces not everything, but that each is an object.
    const bool list = path.starts_with("/mounts") || path.starts_with("/linux/namespaces");
    return list && path.find("Mappings") == std::string::npos;
}

// All that create and the verbs after it make of a configuration before the guest sees it.
Result<void> Use(const std::string& text) {
    CC_ASSIGN(const OciSpec spec, ParseSpec(text));
    CC_TRY(CheckSpec(spec));
    CC_ASSIGN(const std::string message, NewContainerMessage(spec, "c", {}, {}, {"{}"}));
    (void)StartHooksPatience(spec);
    CC_TRY(Context("linux.resources", CgroupValuesOf(spec.Resources())));
    (void)WithoutEffect(*spec.document);
    for (const auto stage : kHookStages)
        CC_TRY(ParseHooks(*spec.document, stage));
    ExecRequest shell;
    shell.command = {"sh"};
    CC_TRY(MakeExecProcess(spec, shell));
    CC_TRY(WithResources(text, Json::object({{"pids", {{"limit", 5}}}})));
    return {};
}

}  // namespace

TEST_CASE("the host takes a configuration with every field, and names the one that is broken") {
    const std::string text = ReadFile(test::TestData("every-field.json"), 1 << 20).value();
    const auto good = Use(text);
    REQUIRE_MESSAGE(good, good.error().message);
    size_t refused = 0;
    test::ForEachMutation(ParseJson(text).value(), [&](const test::Mutation& mutation) {
        const auto used = Use(DumpJson(mutation.document));
        if (used) {
            CHECK_MESSAGE((!mutation.wrong_type || !HostReads(mutation.path)), mutation.path, " = ",
                          mutation.what, " is accepted");
            return;
        }
        ++refused;
        const std::string fault = test::FaultOf(used.error().message, mutation);
        CHECK_MESSAGE(fault.empty(), mutation.path, " = ", mutation.what, ": ", fault, ": ",
                      used.error().message);
    });
    CHECK(refused > 1000);
}

TEST_CASE("the host takes a process with every field, and names the one that is broken") {
    const std::string text = ReadFile(test::TestData("every-field.json"), 1 << 20).value();
    const Json process = ParseJson(text).value()["process"];
    REQUIRE(ReadExecProcess(DumpJson(process)));
    test::ForEachMutation(process, [&](const test::Mutation& mutation) {
        const auto read = ReadExecProcess(DumpJson(mutation.document));
        if (read) {
            (void)ExecMessage(read->process, read->json, "c");
            return;
        }
        const std::string fault = test::FaultOf(read.error().message, mutation);
        CHECK_MESSAGE(fault.empty(), mutation.path, " = ", mutation.what, ": ", fault, ": ",
                      read.error().message);
    });
}

}  // namespace cc::runtime
