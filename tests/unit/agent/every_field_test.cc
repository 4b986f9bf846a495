// SPDX-License-Identifier: Apache-2.0
// A configuration as the agent reads it, broken in every field, one at a time: it is taken, or
// refused with an error that names the field.
#include <doctest/doctest.h>

#include "agent/device_filter.h"
#include "agent/spec.h"
#include "base/file.h"
#include "tests/data.h"
#include "tests/json_mutations.h"

namespace cc::agent {

namespace {

// What is for the host, or for nobody in a VM (runtime/oci/without_effect.cc).
constexpr std::string_view kNotRead[] = {"/ociVersion",
                                         "/root/path",
                                         "/annotations",
                                         "/process/apparmorProfile",
                                         "/process/selinuxLabel",
                                         "/process/execCPUAffinity",
                                         "/hooks/prestart",
                                         "/hooks/createRuntime",
                                         "/hooks/createContainer",
                                         "/hooks/poststart",
                                         "/hooks/poststop",
                                         "/linux/namespaces/1/path",
                                         "/linux/cgroupsPath",
                                         "/linux/resources/memory/kernel",
                                         "/linux/resources/memory/swappiness",
                                         "/linux/resources/memory/disableOOMKiller",
                                         "/linux/resources/memory/useHierarchy",
                                         "/linux/resources/cpu/cpus",
                                         "/linux/resources/cpu/mems",
                                         "/linux/resources/cpu/realtime",
                                         "/linux/resources/blockIO/leafWeight",
                                         "/linux/resources/blockIO/weightDevice",
                                         "/linux/resources/blockIO/throttle",
                                         "/linux/mountLabel",
                                         "/linux/intelRdt",
                                         "/linux/resources/rdma",
                                         "/linux/resources/network"};

bool AgentReads(const std::string& path) {
    for (const std::string_view other : kNotRead)
        if (path.starts_with(other)) return false;
    return true;
}

Result<void> Use(const std::string& text) {
    NewContainer message;
    message.id = "c";
    message.image = "c";
    message.rootfs = "rootfs";
    message.oci = text;
    CC_ASSIGN(const ContainerSpec spec, ParseContainer(message, "pod"));
    (void)DeviceProgram(*spec.resources.devices);
    return {};
}

}  // namespace

TEST_CASE("the agent takes a configuration with every field, and names the one that is broken") {
    const std::string text = ReadFile(test::TestData("every-field.json"), 1 << 20).value();
    const auto good = Use(text);
    REQUIRE_MESSAGE(good, good.error().message);
    size_t refused = 0;
    test::ForEachMutation(ParseJson(text).value(), [&](const test::Mutation& mutation) {
        const auto used = Use(DumpJson(mutation.document));
        if (used) {
            CHECK_MESSAGE((!mutation.wrong_type || !AgentReads(mutation.path)), mutation.path,
                          " = ", mutation.what, " is accepted");
            return;
        }
        ++refused;
        const std::string fault = test::FaultOf(used.error().message, mutation);
        CHECK_MESSAGE(fault.empty(), mutation.path, " = ", mutation.what, ": ", fault, ": ",
                      used.error().message);
    });
    CHECK(refused > 1000);
}

TEST_CASE("the agent takes a joining process with every field, and names the one that is broken") {
    const std::string text = ReadFile(test::TestData("every-field.json"), 1 << 20).value();
    const Json process = ParseJson(text).value()["process"];
    const ProcessSpec first;
    const auto use = [&](const Json& json) {
        ExecCommand message;
        message.container = "c";
        message.oci = DumpJson(json);
        return ParseExec(message, first);
    };
    const auto good = use(process);
    REQUIRE_MESSAGE(good, good.error().message);
    test::ForEachMutation(process, [&](const test::Mutation& mutation) {
        const auto used = use(mutation.document);
        if (used) return;
        const std::string fault = test::FaultOf(used.error().message, mutation);
        CHECK_MESSAGE(fault.empty(), mutation.path, " = ", mutation.what, ": ", fault, ": ",
                      used.error().message);
    });
}

TEST_CASE("the agent takes resources with every field, and names the one that is broken") {
    const std::string text = ReadFile(test::TestData("every-field.json"), 1 << 20).value();
    const Json resources = ParseJson(text).value()["linux"]["resources"];
    REQUIRE(ParseResources(DumpJson(resources)));
    test::ForEachMutation(resources, [&](const test::Mutation& mutation) {
        const auto used = ParseResources(DumpJson(mutation.document));
        if (used) return;
        const std::string fault = test::FaultOf(used.error().message, mutation);
        CHECK_MESSAGE(fault.empty(), mutation.path, " = ", mutation.what, ": ", fault, ": ",
                      used.error().message);
    });
}

}  // namespace cc::agent
