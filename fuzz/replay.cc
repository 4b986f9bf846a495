// SPDX-License-Identifier: Apache-2.0
// Every seed of every target, and every golden frame through all of them, without a fuzzer.
#include <stdexcept>

#include "fuzz/target.h"
#include "tests/golden.h"

namespace cc::fuzz {

// libFuzzer would abort here; doctest turns it into a failed test case.
void Violated(const char* what, const char* file, int line) {
    throw std::logic_error(Cat(file, ":", line, ": does not hold: ", what));
}

namespace {

struct Target {
    const char* name;
    int (*run)(std::string_view input);
};
constexpr Target kTargets[] = {
    {"client_frame", FuzzClientFrame}, {"client_payloads", FuzzClientPayloads},
    {"agent_frame", FuzzAgentFrame},   {"agent_payloads", FuzzAgentPayloads},
    {"vm_messages", FuzzVmMessages},   {"config_toml", FuzzConfigToml},
    {"oci_config", FuzzOciConfig},     {"hub", FuzzHub},
    {"link_frame", FuzzLinkFrame},     {"shim", FuzzShim}};

constexpr size_t kMaxSeed = 8 << 20;

void ReplaySeeds(const Target& target) {
    const std::string directory = Cat(CC_FUZZ_SEEDS, "/", target.name, "/seeds");
    const auto names = ListDirectory(directory);
    REQUIRE_MESSAGE(names, names.error().message);
    CHECK_MESSAGE(names->size() > 3, directory);
    for (const auto& name : *names) {
        CAPTURE(name);
        const std::string seed = ReadFile(Cat(directory, "/", name), kMaxSeed).value();
        CHECK_NOTHROW_MESSAGE(target.run(seed), name);
    }
}

// A frame whole, and its payload alone as the payload targets see it.
void ReplayGolden(const Target& target) {
    for (const auto& golden : test::GoldenFrames()) {
        CAPTURE(golden.name);
        CHECK_NOTHROW_MESSAGE(target.run(golden.bytes), golden.name);
        for (const size_t header : {8U, 12U})
            if (golden.bytes.size() >= header)
                CHECK_NOTHROW_MESSAGE(target.run(std::string_view(golden.bytes).substr(header)),
                                      golden.name);
    }
}

}  // namespace

TEST_CASE("no seed violates what its fuzz target checks") {
    for (const Target& target : kTargets) {
        CAPTURE(target.name);
        ReplaySeeds(target);
    }
}

TEST_CASE("no golden frame and no golden payload violates what any fuzz target checks") {
    for (const Target& target : kTargets) {
        CAPTURE(target.name);
        ReplayGolden(target);
    }
}

TEST_CASE("all golden frames in one stream are the same frames however the stream is cut") {
    std::string client, control, io;
    for (const auto& golden : test::GoldenFrames()) {
        if (golden.Has("malformed-")) continue;
        (golden.Has("_ctl-") ? control : golden.Has("_io-") ? io : client) += golden.bytes;
    }
    CHECK_NOTHROW(FuzzClientFrame(client));
    CHECK_NOTHROW(FuzzAgentFrame(control));
    CHECK_NOTHROW(FuzzAgentFrame(io));
}

}  // namespace cc::fuzz
