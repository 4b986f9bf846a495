// SPDX-License-Identifier: Apache-2.0
#include "protocol/template_failure.h"

#include <doctest/doctest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/text.h"
#include "protocol/template_verbs.h"

namespace cc {

TEST_CASE("a template's failure counts for ten minutes of the host's own time") {
    const TemplateFailure failure{1000, "no such machine"};
    CHECK(Encode(failure) == R"({"boot_seconds":1000,"error":"no such machine"})");
    CHECK(failure.Counts(1000));
    CHECK(failure.Counts(1600));
    CHECK_FALSE(failure.Counts(1601));
    CHECK_FALSE(failure.Counts(999));
    const int64_t now = SecondsSinceBoot();
    CHECK(now > 0);
    CHECK(SecondsSinceBoot() - now <= 60);
}

TEST_CASE("what is no failure of a template is none, and is not waited for") {
    char name[] = "/tmp/cc-failure-XXXXXX";
    const std::string directory = ::mkdtemp(name);
    const std::string file = Cat(directory, "/", kTemplateFailureName);
    CHECK_FALSE(ReadTemplateFailure(directory));
    for (const char* text :
         {"", "no JSON", "{}", "[]", R"({"boot_seconds":7})", R"({"boot_seconds":-7,"error":"x"})",
          R"({"boot_seconds":"7","error":"x"})"}) {
        CAPTURE(text);
        REQUIRE(WriteFileAtomic(file, text, 0600));
        CHECK_FALSE(ReadTemplateFailure(directory));
    }
    REQUIRE(WriteTemplateFailure(directory, "it \"said\" so"));
    CHECK(ReadTemplateFailure(directory)->error == "it \"said\" so");
    REQUIRE(::unlink(file.c_str()) == 0);
    REQUIRE(::mkfifo(file.c_str(), 0600) == 0);
    CHECK_FALSE(ReadTemplateFailure(directory));
    REQUIRE(::unlink(file.c_str()) == 0);
    REQUIRE(MakeDirectories(file, 0700));
    CHECK_FALSE(ReadTemplateFailure(directory));
    CHECK(RemoveTree(directory));
}

}  // namespace cc
