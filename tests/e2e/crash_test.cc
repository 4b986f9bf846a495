// SPDX-License-Identifier: Apache-2.0
// Commands that are killed, hosts that boot, commands that meet: the next command finds its way.
#include <atomic>
#include <csignal>
#include <thread>

#include <doctest/doctest.h>

#include "base/file.h"
#include "runtime/sandbox/removal.h"
#include "tests/e2e/host.h"

namespace cc::test {

namespace {

// In a directory of cgroups that CheckNoResidue knows.
std::function<void(Json&)> InCgroup(const Host& host) {
    return
        [path = "/" + Tag(host) + "/c1"](Json& config) { config["linux"]["cgroupsPath"] = path; };
}

// The shim and the VM keep the caller's output open, so it must be a file.
Finished CreateKilled(Host& host, const std::string& bundle, const std::string& step) {
    return RunProgram(
        "/bin/sh",
        {"sh", "-c",
         Cat("exec ", CC_BIN_DIR, "/",
             Join(host.RuntimeArguments({"create", "--kill-after", step, "--bundle", bundle, "c1"}),
                  " "),
             " </dev/null >/dev/null 2>&1")},
        "", host.Environment());
}

}  // namespace

TEST_CASE("a create that is killed after any step leaves nothing that delete does not remove") {
    Host host;
    const std::string bundle = host.Bundle("b", {"true"}, InCgroup(host));
    for (const auto& step :
         Split(std::string(Trim(host.Runtime({"create", "--list-steps"}).out)), '\n')) {
        CAPTURE(step);
        CHECK(CreateKilled(host, bundle, step).status == kKilled);
        const Finished state = host.Runtime({"state", "c1"});
        if (state.status == 0) {
            const std::string status = Json::parse(state.out)["status"];
            CHECK_MESSAGE((status == "stopped" || status == "created"), status);
        }
        const Finished removed = host.Runtime({"delete", "--force", "c1"});
        CHECK_MESSAGE(removed.status == 0, removed.err);
        host.CheckNoResidue();
    }
}

TEST_CASE("a delete that is killed after any step is completed by the next one") {
    for (const auto step : runtime::kRemovalSteps) {
        CAPTURE(std::string(step));
        Host host;
        host.Start("c1", {"sleep", "1000"}, "", InCgroup(host));
        CHECK(host.Runtime({"delete", "--force", "--kill-after", std::string(step), "c1"}).status ==
              kKilled);
        const Finished removed = host.Runtime({"delete", "--force", "c1"});
        CHECK_MESSAGE(removed.status == 0, removed.err);
        CHECK(host.Runtime({"state", "c1"}).status == 1);
        host.CheckNoResidue();
    }
}

TEST_CASE(
    "after a reboot containers are stopped, and delete touches no process that has their pids") {
    Host host;
    host.Start("c1", {"sleep", "1000"});
    // The records as they would be found after a boot, with pids that are alive.
    std::vector<std::pair<std::string, std::string>> records;
    for (const char* path : {"/containers/c1/container.json", "/sandboxes/c1/sandbox.json"}) {
        const std::string text = ReadFile(host.root() + path, 1 << 20).value();
        records.emplace_back(host.root() + path, text);
        Json record = Json::parse(text);
        REQUIRE(record["bootId"].is_string());
        record["bootId"] = "00000000-0000-0000-0000-000000000000";
        REQUIRE(WriteFileAtomic(host.root() + path, DumpJson(record), 0600));
    }
    CHECK(host.State("c1")["status"] == "stopped");
    CHECK(host.State("c1")["pid"] == 0);
    CHECK(host.Runtime({"kill", "c1", "KILL"}).status == 1);
    CHECK(host.PidOf("cc-shim") > 0);
    for (const auto& [path, text] : records)
        REQUIRE(WriteFileAtomic(path, text, 0600));
    CHECK(host.State("c1")["status"] == "running");
    CHECK(host.Runtime({"delete", "--force", "c1"}).status == 0);
}

TEST_CASE("a spoilt record is deleted by force, with the machine that belongs to it") {
    Host host;
    host.Start("c1", {"sleep", "1000"});
    REQUIRE(WriteFileAtomic(host.root() + "/containers/c1/container.json", "{", 0600));
    CHECK(host.Runtime({"list"}).status == 0);
    CHECK(host.Runtime({"delete", "c1"}).status == 1);
    const Finished removed = host.Runtime({"delete", "--force", "c1"});
    CHECK_MESSAGE(removed.status == 0, removed.err);
    host.CheckNoResidue();
}

TEST_CASE("commands that meet on one container wait for one another") {
    Host host;
    host.Start("c1", {"sleep", "1000"});
    std::vector<std::thread> threads;
    std::atomic<int> deleted = 0, wrong = 0;
    for (int i = 0; i < 20; ++i)
        threads.emplace_back([&, i] {
            const Finished done = i % 4 == 0   ? host.Runtime({"state", "c1"})
                                  : i % 4 == 1 ? host.Runtime({"kill", "c1", "KILL"})
                                  : i % 4 == 2 ? host.Runtime({"delete", "--force", "c1"})
                                               : host.Runtime({"delete", "c1"});
            if (i % 4 == 2 && done.status != 0) ++wrong;
            if (i % 4 == 3 && done.status == 0) ++deleted;
            const bool told = done.status == 0 ||
                              done.err.find("does not exist") != std::string::npos ||
                              done.err.find("not running") != std::string::npos ||
                              done.err.find("not stopped") != std::string::npos;
            if (!told) ++wrong;
            CHECK_MESSAGE(told, done.err);
        });
    for (auto& thread : threads)
        thread.join();
    CHECK(wrong == 0);
    CHECK(deleted <= 1);
    CHECK(host.Runtime({"state", "c1"}).status == 1);
    host.CheckNoResidue();
}

}  // namespace cc::test
