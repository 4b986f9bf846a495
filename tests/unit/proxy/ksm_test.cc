// SPDX-License-Identifier: Apache-2.0
// Page sharing: modes, values, files, what is put back and when (reference A11).
#include "proxy/ksm.h"

#include <fcntl.h>

#include "proxy/ksm_record.h"
#include "proxy/ksm_throttle.h"
#include "tests/unit/proxy/fake_ksm.h"
#include "tests/unit/proxy/hub.h"

namespace cc::proxy {
namespace {

TEST_CASE("a mode is read and shown by its name, anything else is none") {
    for (const char* name : {"off", "initial", "auto"}) {
        const auto mode = ParseKsmMode(name);
        REQUIRE(mode);
        CHECK(KsmModeName(*mode) == name);
    }
    for (const char* name : {"", "on", "Auto", "auto ", "aggressive"})
        CHECK_FALSE(ParseKsmMode(name));
}

TEST_CASE("the pace follows from the machine's anonymous pages") {
    CHECK(ValuesFor(KsmPace::kAggressive, 100'000) == KsmValues{1, 10'000, 1});
    CHECK(ValuesFor(KsmPace::kStandard, 100'000) == KsmValues{1, 1000, 10});
    CHECK(ValuesFor(KsmPace::kSlow, 100'000) == KsmValues{1, 200, 100});
    CHECK(ValuesFor(KsmPace::kSlow, 999) == KsmValues{1, 1, 100});
    // Never none at a time, never more than the kernel's type holds.
    CHECK(ValuesFor(KsmPace::kSlow, 0).pages_to_scan == 1);
    CHECK(ValuesFor(KsmPace::kAggressive, UINT64_MAX).pages_to_scan == UINT32_MAX);
}

TEST_CASE("anonymous pages are counted in pages of the machine's size") {
    const std::string meminfo = "MemTotal: 1 kB\nAnonPages:      880096 kB\nAnonHugePages: 4 kB\n";
    CHECK(AnonymousPages(meminfo, 4096).value() == 220'024);
    CHECK(AnonymousPages(meminfo, 65536).value() == 13'751);
    for (const char* bad :
         {"", "AnonHugePages: 8 kB", "AnonPages: 8", "AnonPages: -8 kB", "AnonPages: x kB",
          "AnonPages: 99999999999999999999 kB", "AnonPages: 18446744073709551615 kB"})
        CHECK_FALSE(AnonymousPages(bad, 4096));
}

TEST_CASE("mode auto changes nothing at its start and remembers nothing") {
    const FakeKsm ksm;
    const auto tuner = ksm.Begin();
    CHECK(tuner.initial() == FakeKsm::kFound);
    CHECK(ksm.Now() == FakeKsm::kFound);
    CHECK_FALSE(ksm.Remembered());
}

TEST_CASE("each change counts the machine's pages anew, and all of it is put back") {
    const FakeKsm ksm;
    auto tuner = ksm.Begin();
    CHECK(tuner.Apply(KsmPace::kAggressive));
    CHECK(ksm.Now() == KsmValues{1, 10'000, 1});
    CHECK(ksm.Remembered());
    ksm.SetAnonymousPages(500'000);
    CHECK(tuner.Apply(KsmPace::kStandard));
    CHECK(ksm.Now() == KsmValues{1, 5000, 10});
    CHECK(tuner.Apply(KsmPace::kSlow));
    CHECK(ksm.Now() == KsmValues{1, 1000, 100});
    CHECK(tuner.Apply(KsmPace::kInitial));
    CHECK(ksm.Now() == FakeKsm::kFound);
    CHECK_FALSE(ksm.Remembered());
    CHECK(tuner.Apply(KsmPace::kAggressive));
    CHECK(ksm.Remembered());
}

TEST_CASE("mode off stops what runs, and starts it again at the end") {
    const FakeKsm ksm;
    ksm.SetFile("run", "1\n");
    auto tuner = ksm.Begin(KsmMode::kOff);
    CHECK(ksm.Now() == KsmValues{0, 100, 20});
    CHECK(tuner.Apply(KsmPace::kInitial));
    CHECK(ksm.Now() == KsmValues{1, 100, 20});
}

TEST_CASE("after a proxy was killed the next one finds what was before it, in every mode") {
    for (const auto mode : {KsmMode::kInitial, KsmMode::kAuto, KsmMode::kOff}) {
        const FakeKsm ksm;
        ksm.SetFile("run", "1\n");
        ksm.LeaveTuned();
        CHECK(ksm.Now() == KsmValues{1, 10'000, 1});
        struct stat status {};
        REQUIRE(::stat(ksm.paths.record.c_str(), &status) == 0);
        CHECK((status.st_mode & 07777) == 0600);
        auto tuner = ksm.Begin(mode);
        CHECK(tuner.initial() == KsmValues{1, 100, 20});
        CHECK(ksm.Now() == KsmValues{mode == KsmMode::kOff ? 0U : 1U, 100, 20});
        CHECK(ksm.Remembered() == (mode == KsmMode::kOff));
        CHECK(tuner.Apply(KsmPace::kInitial));
        CHECK(ksm.Now() == KsmValues{1, 100, 20});
        CHECK_FALSE(ksm.Remembered());
    }
}

TEST_CASE("a proxy killed again and again does not forget the first values") {
    const FakeKsm ksm;
    for (const auto pace : {KsmPace::kSlow, KsmPace::kAggressive, KsmPace::kOff})
        ksm.LeaveTuned(pace);
    CHECK(ksm.Begin().initial() == FakeKsm::kFound);
    CHECK(ksm.Now() == FakeKsm::kFound);
}

TEST_CASE("values remembered in another boot are not believed, and removed") {
    const FakeKsm ksm;
    ksm.LeaveTuned();
    ksm.Boot("00000000-0000-0000-0000-00000000000b");
    const KsmValues now{1, 300, 30};
    REQUIRE(KsmFiles(ksm.paths.root).Write(now));
    CHECK(ksm.Begin().initial() == now);
    CHECK(ksm.Now() == now);
    CHECK_FALSE(ksm.Remembered());
}

TEST_CASE("a record that is damaged or somebody else's is not believed") {
    const FakeKsm ksm;
    const std::string boot = R"({"boot_id":"00000000-0000-0000-0000-00000000000a")";
    std::string text;
    unsigned mode = 0600;
    SUBCASE("empty") {
        text = "";
    }
    SUBCASE("no JSON") {
        text = std::string(100, '\xff');
    }
    SUBCASE("too long") {
        text = std::string(100'000, ' ');
    }
    SUBCASE("no boot") {
        text = R"({"run":1,"pages_to_scan":7,"sleep_millisecs":7})";
    }
    SUBCASE("a value is missing") {
        text = boot + R"(,"run":1,"pages_to_scan":7})";
    }
    SUBCASE("not a number") {
        text = boot + R"(,"run":1,"pages_to_scan":"7","sleep_millisecs":7})";
    }
    SUBCASE("out of range") {
        text = boot + R"(,"run":3,"pages_to_scan":7,"sleep_millisecs":7})";
    }
    SUBCASE("negative") {
        text = boot + R"(,"run":1,"pages_to_scan":-7,"sleep_millisecs":7})";
    }
    SUBCASE("others can write it") {
        text = boot + R"(,"run":1,"pages_to_scan":7,"sleep_millisecs":7})";
        mode = 0666;
    }
    REQUIRE(WriteFileAtomic(ksm.paths.record, text, 0600));
    REQUIRE(::chmod(ksm.paths.record.c_str(), mode) == 0);
    CHECK_FALSE(ReadKsmRecord(ksm.paths.record, "00000000-0000-0000-0000-00000000000a"));
    CHECK(ksm.Begin().initial() == FakeKsm::kFound);
    CHECK(ksm.Now() == FakeKsm::kFound);
    CHECK_FALSE(ksm.Remembered());
}

TEST_CASE("a record is neither a link nor a pipe to wait at") {
    const FakeKsm ksm;
    SUBCASE("link") {
        ksm.LeaveTuned();
        REQUIRE(::rename(ksm.paths.record.c_str(), (ksm.folder / "elsewhere").c_str()) == 0);
        REQUIRE(::symlink((ksm.folder / "elsewhere").c_str(), ksm.paths.record.c_str()) == 0);
    }
    SUBCASE("pipe") {
        REQUIRE(::mkfifo(ksm.paths.record.c_str(), 0600) == 0);
    }
    CHECK_FALSE(ReadKsmRecord(ksm.paths.record, "00000000-0000-0000-0000-00000000000a"));
}

TEST_CASE("two proxies do not take one another's values for the machine's") {
    const FakeKsm ksm;
    auto first = ksm.Begin();
    KsmPaths other = ksm.paths;
    other.record = ksm.folder / "other.sock.ksm";
    CHECK(first.Apply(KsmPace::kAggressive));
    const auto second = KsmTuner::Begin(other, KsmMode::kOff);
    REQUIRE_FALSE(second);
    CHECK(second.error().code == EWOULDBLOCK);
    CHECK(second.error().message == Cat("another process has locked ", ksm.Path("run")));
    CHECK(ksm.Now() == KsmValues{1, 10'000, 1});
}

TEST_CASE(
    "a kernel without page sharing, missing rights and garbage are errors that name the file") {
    const FakeKsm ksm;
    std::string message;
    SUBCASE("none") {
        REQUIRE(RemoveTree(ksm.paths.root));
        message = Cat("opening ", ksm.Path("run"), ": No such file or directory");
    }
    SUBCASE("read-only") {
        // Nobody may write this one, not even root.
        ::unlink(ksm.Path("run").c_str());
        REQUIRE(::symlink("/proc/sys/kernel/random/boot_id", ksm.Path("run").c_str()) == 0);
        message = Cat("opening ", ksm.Path("run"), ": Permission denied");
    }
    SUBCASE("garbage") {
        ksm.SetFile("pages_to_scan", "many\n");
        message = Cat("reading ", ksm.Path("pages_to_scan"), ": \"many\\n\" is no number");
    }
    SUBCASE("negative") {
        ksm.SetFile("sleep_millisecs", "-1\n");
        message = Cat("reading ", ksm.Path("sleep_millisecs"), ": \"-1\\n\" is no number");
    }
    const auto tuner = KsmTuner::Begin(ksm.paths, KsmMode::kOff);
    REQUIRE_FALSE(tuner);
    CHECK(tuner.error().message == message);
    CHECK_FALSE(ksm.Remembered());
}

TEST_CASE("a change that fails half-way is undone, and what cannot be undone stays remembered") {
    const FakeKsm ksm;
    ksm.SetFile("run", "1\n");
    auto tuner = ksm.Begin();
    ksm.Break("pages_to_scan");
    CHECK_FALSE(tuner.Apply(KsmPace::kAggressive));
    CHECK(ReadFile(ksm.Path("run"), 10).value() == "1");
    CHECK(ReadFile(ksm.Path("sleep_millisecs"), 10).value() == "20\n");
    CHECK(ksm.Remembered());
    ksm.Mend("pages_to_scan", "55\n");
    CHECK(tuner.Apply(KsmPace::kInitial));
    CHECK(ksm.Now() == KsmValues{1, 100, 20});
    CHECK_FALSE(ksm.Remembered());
}

TEST_CASE("nothing is changed that could not be remembered, or whose pace is not known") {
    FakeKsm ksm;
    SUBCASE("no folder for the record") {
        ksm.paths.record = ksm.folder / "nowhere/proxy.sock.ksm";
    }
    SUBCASE("no meminfo") {
        ksm.paths.meminfo = ksm.folder / "nowhere";
    }
    SUBCASE("another meminfo") {
        REQUIRE(WriteFileAtomic(ksm.paths.meminfo, "AnonPages: lots\n", 0600));
    }
    auto tuner = ksm.Begin();
    CHECK_FALSE(tuner.Apply(KsmPace::kAggressive));
    CHECK(ksm.Now() == FakeKsm::kFound);
    CHECK_FALSE(ksm.Remembered());
}

struct Throttled {
    Hub hub;
    std::vector<KsmPace> paces;
    KsmThrottle throttle{hub.world.router, [this](KsmPace pace) { paces.push_back(pace); }};

    Throttled() {
        hub.world.router.SetVmRegistered([this] { throttle.Kick(); });
    }
    std::vector<KsmPace> After(int milliseconds) {
        hub.world.Pass(std::chrono::milliseconds(milliseconds));
        return std::exchange(paces, {});
    }
};
using Paces = std::vector<KsmPace>;

TEST_CASE("a registered VM is searched fast for 30 s, then slower twice for 120 s, then not") {
    Throttled throttled;
    throttled.hub.Register();
    CHECK(throttled.After(0) == Paces{KsmPace::kAggressive});
    CHECK(throttled.After(29'999) == Paces{});
    CHECK(throttled.After(1) == Paces{KsmPace::kStandard});
    CHECK(throttled.After(119'999) == Paces{});
    CHECK(throttled.After(1) == Paces{KsmPace::kSlow});
    CHECK(throttled.After(119'999) == Paces{});
    CHECK(throttled.After(1) == Paces{KsmPace::kInitial});
    CHECK(throttled.After(10'000'000) == Paces{});
    throttled.throttle.Kick();
    CHECK(throttled.After(30'000) == Paces{KsmPace::kAggressive, KsmPace::kStandard});
}

TEST_CASE("a kick begins anew at every step") {
    for (const int before : {10'000, 100'000, 200'000}) {
        Throttled throttled;
        throttled.throttle.Kick();
        // One step after the other, as a clock goes.
        for (int passed = 0; passed < before; passed += 10'000)
            throttled.hub.world.Pass(std::chrono::milliseconds(10'000));
        throttled.paces.clear();
        throttled.throttle.Kick();
        CHECK(throttled.After(29'999) == Paces{KsmPace::kAggressive});
        CHECK(throttled.After(1) == Paces{KsmPace::kStandard});
    }
}

TEST_CASE("without any VM the search begins after 120 s, as with 3.0, and ends as it does else") {
    Throttled throttled;
    CHECK(throttled.After(119'999) == Paces{});
    CHECK(throttled.After(1) == Paces{KsmPace::kStandard});
    CHECK(throttled.After(120'000) == Paces{KsmPace::kSlow});
    CHECK(throttled.After(120'000) == Paces{KsmPace::kInitial});
    CHECK(throttled.After(120'000) == Paces{});
}

TEST_CASE("a VM whose registration fails changes nothing") {
    Throttled throttled;
    CHECK(throttled.hub.Ask(throttled.hub.world.NewClient(), ClientCommand::kRegisterVm,
                            Encode(RegisterVm{"vm", "/nope", "/nope", "", 0})) != "");
    CHECK(throttled.After(1000) == Paces{});
}

}  // namespace
}  // namespace cc::proxy
