// SPDX-License-Identifier: Apache-2.0
// The payloads of the agent's control channel, and what the proxy does to those that start a
// process.
#include "fuzz/payloads.h"
#include "protocol/agent_messages.h"
#include "protocol/container_control.h"
#include "protocol/pod_network.h"
#include "protocol/process_list.h"
#include "protocol/update_network.h"

namespace cc::fuzz {

namespace {

// Every member of `object` that a Go peer takes for `key`.
std::vector<const Json*> All(const Json& object, std::string_view key) {
    std::vector<const Json*> found;
    for (const auto& [name, value] : object.items())
        if (SameGoKey(name, key)) found.push_back(&value);
    return found;
}

void CheckRelocation(std::string_view input, bool exec, bool keep_oci) {
    constexpr uint64_t stdio = 0xfffffffffffffff0;  // no input has it by chance
    const auto relocated = RelocateProcess(exec, input, {.stdio = stdio, .keep_oci = keep_oci});
    if (!relocated) return;
    const auto json = ParseGoObject(relocated->data);
    CC_FUZZ_CHECK(json.has_value());
    CC_FUZZ_CHECK(keep_oci || All(*json, "oci").empty());
    CC_FUZZ_CHECK(!keep_oci ||
                  All(*json, "oci").size() == All(ParseGoObject(input).value(), "oci").size());
    const auto processes = All(*json, "process");
    CC_FUZZ_CHECK(processes.size() == 1);
    const Json& process = *processes[0];
    // Exactly one stdin, and a stderr unless there is a terminal: nobody else's.
    const auto in = All(process, "stdio");
    CC_FUZZ_CHECK(in.size() == 1 && *in[0] == stdio);
    GoReader reader(process);
    const auto err = All(process, "stderr");
    CC_FUZZ_CHECK(reader.Bool("terminal") ? err.empty() : err.size() == 1 && *err[0] == stdio + 1);
    // A second time it is refused: the numbers are there.
    CC_FUZZ_CHECK(!RelocateProcess(exec, relocated->data, {.stdio = stdio, .keep_oci = keep_oci}));
}

}  // namespace

int FuzzAgentPayloads(std::string_view input) {
    CheckRoundTrip(ParseStartPod, input);
    CheckRoundTrip(ParseNewContainer, input);
    CheckRoundTrip(ParseExecCommand, input);
    CheckRoundTrip(ParseKillContainer, input);
    CheckRoundTrip(ParseStartContainer, input);
    CheckRoundTrip(ParseRemoveContainer, input);
    CheckRoundTrip(ParseWinSize, input);
    CheckRoundTrip(ParsePsContainer, input);
    CheckRoundTrip(ParseOneContainer, input);
    CheckRoundTrip(ParseUpdateContainer, input);
    CheckRoundTrip(ParseUpdateNetwork, input);
    CheckRoundTrip(ParseCgroupFiles, input);
    CheckRoundTrip(ParseProcessList, input);
    CheckRoundTrip(ParseVersionAccept, input);
    CheckRoundTrip(ParseAgentSessions, input);
    const ReadyOffer offer = ParseReadyOffer(input);
    CC_FUZZ_CHECK(offer.extension >= 0 && offer.extension <= kAgentExtension);
    CC_FUZZ_CHECK(Encode(ParseReadyOffer(Encode(offer))) == Encode(offer));
    (void)ParseSetupInterface(input);
    (void)ParseSetupRoute(input);
    CheckRawMember(input, "oci");
    for (const bool exec : {false, true})
        for (const bool keep_oci : {false, true})
            CheckRelocation(input, exec, keep_oci);
    return 0;
}

}  // namespace cc::fuzz

CC_FUZZ_TARGET(FuzzAgentPayloads)
