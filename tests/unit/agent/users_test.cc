// SPDX-License-Identifier: Apache-2.0
#include "agent/executor/users.h"

#include <doctest/doctest.h>

namespace cc::agent {

namespace {

constexpr std::string_view kPasswd =
    "root:x:0:0:root:/root:/bin/sh\n"
    "broken\n"
    "odd:x:zero:0::/:\n"
    "bob:x:1000:1001:Bob:/home/bob:/bin/sh\n";
constexpr std::string_view kGroup =
    "root:x:0:\n"
    "bob:x:1001:\n"
    "wheel:x:10:root,bob\n"
    "42:x:77:\n";

UserSpec Named(std::string name) {
    UserSpec user;
    user.by_name = std::move(name);
    return user;
}

}  // namespace

TEST_CASE("a user by number is taken as it is, only its home is looked up") {
    UserSpec user;
    user.uid = 1000;
    user.gid = 5;
    user.additional_gids = {7};
    const auto identity = ResolveUser(user, kPasswd, kGroup);
    REQUIRE(identity);
    CHECK(identity->uid == 1000);
    CHECK(identity->gid == 5);
    CHECK(identity->groups == std::vector<uint32_t>{7});
    CHECK(identity->home == "/home/bob");
}

TEST_CASE("a user by name gets the groups that the container's files give it") {
    const auto identity = ResolveUser(Named("bob"), kPasswd, kGroup);
    REQUIRE(identity);
    CHECK(identity->uid == 1000);
    CHECK(identity->gid == 1001);
    CHECK(identity->groups == std::vector<uint32_t>{10});
}

TEST_CASE("a group of one's own replaces those of the files") {
    const auto identity = ResolveUser(Named("bob:wheel"), kPasswd, kGroup);
    REQUIRE(identity);
    CHECK(identity->gid == 10);
    CHECK(identity->groups.empty());
    CHECK(ResolveUser(Named("bob:42"), kPasswd, kGroup)->gid == 77);
    CHECK(ResolveUser(Named("bob:43"), kPasswd, kGroup)->gid == 43);
}

TEST_CASE("a number that no line knows needs no line") {
    const auto identity = ResolveUser(Named("4711:4712"), "", "");
    REQUIRE(identity);
    CHECK(identity->uid == 4711);
    CHECK(identity->gid == 4712);
    CHECK(identity->home == "/");
    CHECK(ResolveUser(Named("0:0"), kPasswd, kGroup)->home == "/root");
}

TEST_CASE("a name that nobody knows is an error that says it") {
    CHECK(ResolveUser(Named("eve"), kPasswd, kGroup).error().message.find("\"eve\"") !=
          std::string::npos);
    CHECK(ResolveUser(Named("bob:none"), kPasswd, kGroup).error().message.find("\"none\"") !=
          std::string::npos);
    UserSpec user = Named("bob");
    user.additional_groups = {"wheel", "5"};
    CHECK(ResolveUser(user, kPasswd, kGroup)->groups == std::vector<uint32_t>{10, 10, 5});
    user.additional_groups = {"none"};
    CHECK_FALSE(ResolveUser(user, kPasswd, kGroup));
}

}  // namespace cc::agent
