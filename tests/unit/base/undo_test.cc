// SPDX-License-Identifier: Apache-2.0
#include "base/undo.h"

#include <string>

#include <doctest/doctest.h>

#include "base/result.h"

namespace cc {

TEST_CASE("what was set up is taken back, last step first, unless it is committed") {
    std::string order;
    {
        Undo undo;
        undo.Push([&] { order += "1"; });
        undo.Push([&] { order += "2"; });
        undo.Push([&] { order += "3"; });
    }
    CHECK(order == "321");
    {
        Undo undo;
        undo.Push([&] { order += "x"; });
        undo.Commit();
        undo.Push([&] { order += "4"; });
    }
    CHECK(order == "3214");
}

TEST_CASE("running the steps early leaves none for the destructor") {
    int runs = 0;
    {
        Undo undo;
        undo.Push([&] { ++runs; });
        undo.Run();
        CHECK(runs == 1);
    }
    CHECK(runs == 1);
}

TEST_CASE("a step may push another one") {
    std::string order;
    {
        Undo undo;
        undo.Push([&] {
            order += "a";
            undo.Push([&] { order += "b"; });
        });
    }
    CHECK(order == "ab");
}

TEST_CASE("an error passes through the macros and gathers its context, outermost first") {
    auto inner = []() -> Result<int> { return FailErrno("opening /x", ENOENT); };
    auto outer = [&]() -> Result<void> {
        CC_ASSIGN(const int value, Context("starting", inner()));
        CHECK(value == 0);  // never reached
        return {};
    };
    const auto failed = outer();
    REQUIRE_FALSE(failed);
    CHECK(failed.error().message == "starting: opening /x: No such file or directory");
    CHECK(failed.error().code == ENOENT);
    auto tried = []() -> Result<int> {
        CC_TRY(Result<void>{});
        return 7;
    };
    CHECK(Context("unused", tried()) == 7);
}

}  // namespace cc
