// SPDX-License-Identifier: Apache-2.0
#include "protocol/template_verbs.h"

#include <doctest/doctest.h>

#include "protocol/agent_messages.h"

namespace cc {

TEST_CASE("template requests come back as they went, and bad ones are errors") {
    for (const auto verb :
         {TemplateVerb::kTake, TemplateVerb::kWait, TemplateVerb::kStatus, TemplateVerb::kStop}) {
        const TemplateRequest request{verb, "kernel k\nimage i\n", "/run/vm/1"};
        const auto parsed = ParseTemplateRequest(Encode(request));
        REQUIRE(parsed);
        CHECK(parsed->verb == verb);
        const bool about_one = verb == TemplateVerb::kTake || verb == TemplateVerb::kWait;
        CHECK(parsed->key == (about_one ? request.key : ""));
        CHECK(parsed->directory == (verb == TemplateVerb::kTake ? request.directory : ""));
    }
    for (const char* bad :
         {"", "{", "[]", R"({"verb":"dance"})", R"({"verb":"take","key":"k","directory":"vm"})",
          R"({"verb":"take","key":"k"})", R"({"verb":"take","key":7,"directory":"/vm"})",
          R"({"verb":"take","key":"k","directory":"/v\u0000m"})"})
        CHECK_FALSE_MESSAGE(ParseTemplateRequest(bad), bad);
}

TEST_CASE("template replies come back as they went") {
    TemplateReply reply;
    reply.pooled = true;
    reply.vm.keeper_pid = 7;
    reply.vm.vmm_pid = 8;
    reply.vm.acceleration = "tcg";
    auto parsed = ParseTemplateReply(Encode(reply, TemplateVerb::kTake));
    REQUIRE(parsed);
    CHECK(parsed->pooled);
    CHECK(parsed->vm.keeper_pid == 7);
    CHECK(parsed->vm.vmm_pid == 8);
    CHECK(parsed->vm.acceleration == "tcg");

    TemplateReply status;
    status.status.ready = true;
    status.status.memory_bytes = int64_t{1} << 40;
    status.status.pool = 4;
    status.status.clones = 12;
    status.status.kernel = "/boot/\"k\"";
    parsed = ParseTemplateReply(Encode(status, TemplateVerb::kStatus));
    REQUIRE(parsed);
    CHECK_FALSE(parsed->pooled);
    CHECK(parsed->status.ready);
    CHECK(parsed->status.memory_bytes == int64_t{1} << 40);
    CHECK(parsed->status.pool == 4);
    CHECK(parsed->status.clones == 12);
    CHECK(parsed->status.kernel == "/boot/\"k\"");

    parsed = ParseTemplateReply(Encode(TemplateReply{"no", false, {}, {}}, TemplateVerb::kTake));
    REQUIRE(parsed);
    CHECK(parsed->error == "no");
    CHECK_FALSE(ParseTemplateReply("{}"));
    CHECK_FALSE(ParseTemplateReply(R"({"ok":true,"vm":7})"));
}

TEST_CASE("what a template is to be comes back as it went") {
    TemplateConfig config;
    config.directory = "/run/t";
    config.key = "a\nb";
    config.vm.kernel = "/k";
    config.vm.memory_mib = 256;
    config.vm.origin = VmOrigin::kPooled;
    config.pool = 3;
    const auto parsed = ParseTemplateConfig(Encode(config));
    REQUIRE(parsed);
    CHECK(parsed->directory == config.directory);
    CHECK(parsed->key == config.key);
    CHECK(parsed->vm.kernel == "/k");
    CHECK(parsed->vm.memory_mib == 256);
    CHECK(parsed->vm.origin == VmOrigin::kPooled);
    CHECK(parsed->pool == 3);
    CHECK_FALSE(ParseTemplateConfig(R"({"vm":"{}","pool":-1})"));
}

TEST_CASE("STARTPOD with entropy and time, and as 3.0 sends it") {
    const StartPod message{"pod", "hyperShared", std::string("\0\xff\n", 3),
                           1'700'000'000'123'456'789, 640};
    const auto parsed = ParseStartPod(Encode(message));
    REQUIRE(parsed);
    CHECK(parsed->entropy == message.entropy);
    CHECK(parsed->unix_time_ns == message.unix_time_ns);
    CHECK(parsed->memory_mib == 640);
    CHECK(Encode(StartPod{"pod", "s"}) == R"({"hostname":"pod","shareDir":"s"})");
    CHECK_FALSE(ParseStartPod(R"({"hostname":"pod","shareDir":"s","entropy":"0"})"));
}

}  // namespace cc
