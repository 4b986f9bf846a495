// SPDX-License-Identifier: Apache-2.0
// config.json of a bundle and the process of an exec: what passes the checks can be told to an
// agent, which reads what was meant.
#include "fuzz/target.h"
#include "protocol/agent_messages.h"
#include "runtime/oci/exec_process.h"
#include "runtime/oci/guest_message.h"
#include "runtime/sandbox/pod.h"

namespace cc::fuzz {

namespace {

void CheckContainer(std::string_view input) {
    const auto spec = runtime::ParseSpec(input);
    if (!spec || !runtime::CheckSpec(*spec)) return;
    CC_FUZZ_CHECK(spec->process.has_value());
    CC_FUZZ_CHECK(!spec->process->args.empty());
    const auto role = runtime::PodRoleOf(*spec, "fuzzed");
    const bool joins = role && role->joins();
    CC_FUZZ_CHECK(!joins || runtime::CheckId(role->sandbox_id).has_value());
    const runtime::NamespaceOwners owners{{"pid", "pod"}, {"ipc", "pod"}};
    const auto message = runtime::NewContainerMessage(*spec, "fuzzed", {},
                                                      joins ? owners : runtime::NamespaceOwners{});
    if (!message) return;  // too long for one message
    const auto seen = ParseNewContainer(*message);
    CC_FUZZ_CHECK(seen.has_value());
    CC_FUZZ_CHECK(seen->id == "fuzzed");
    CC_FUZZ_CHECK(seen->process.args == spec->process->args);
    CC_FUZZ_CHECK(seen->process.terminal == spec->process->terminal);
    CC_FUZZ_CHECK(runtime::ParseSpec(seen->oci).has_value());
    CC_FUZZ_CHECK(RelocateProcess(false, *message, {.stdio = 3, .keep_oci = true}).has_value());
    runtime::ExecRequest shell;
    shell.command = {"sh"};
    (void)runtime::MakeExecProcess(*spec, shell);
}

void CheckExec(std::string_view input) {
    const auto exec = runtime::ReadExecProcess(input);
    if (!exec) return;
    const auto message = runtime::ExecMessage(exec->process, exec->json, "fuzzed");
    if (!message) return;
    const auto seen = ParseExecCommand(*message);
    CC_FUZZ_CHECK(seen.has_value());
    CC_FUZZ_CHECK(seen->process.args == exec->process.args);
    CC_FUZZ_CHECK(RelocateProcess(true, *message, {.stdio = 3, .keep_oci = true}).has_value());
}

}  // namespace

int FuzzOciConfig(std::string_view input) {
    CheckContainer(input);
    CheckExec(input);
    return 0;
}

}  // namespace cc::fuzz

CC_FUZZ_TARGET(FuzzOciConfig)
