// SPDX-License-Identifier: Apache-2.0
// Every verb in every state: what happens, what it says, and that runc does the same. The table of
// docs/cc-runtime.md.
#include <csignal>
#include <optional>
#include <thread>

#include <doctest/doctest.h>
#include <unistd.h>

#include "base/file.h"
#include "tests/e2e/host.h"

namespace cc::test {

namespace {

constexpr const char* kRunc = "/usr/sbin/runc";
constexpr const char* kAbsent = "absent";

struct Row {
    const char* before;
    std::vector<std::string> command;  // the id is added after the first word and its options
    const char* error;                 // part of it; nullptr: success
    const char* after;
    bool as_runc = true;  // runc answers the same
};

// NEW stands for `create` with the bundle.
const std::vector<Row> kRows = {
    {kAbsent, {"state"}, "does not exist", kAbsent},
    {kAbsent, {"start"}, "does not exist", kAbsent},
    {kAbsent, {"kill", "ID", "KILL"}, "does not exist", kAbsent},
    {kAbsent, {"exec", "ID", "true"}, "does not exist", kAbsent},
    {kAbsent, {"delete"}, "does not exist", kAbsent},
    {kAbsent, {"delete", "--force"}, nullptr, kAbsent},
    {kAbsent, {"ps"}, "does not exist", kAbsent},
    {kAbsent, {"events", "--stats"}, "does not exist", kAbsent},
    {kAbsent, {"update", "--pids-limit", "100"}, "does not exist", kAbsent},
    {kAbsent, {"pause"}, "does not exist", kAbsent},
    {kAbsent, {"resume"}, "does not exist", kAbsent},

    {"created", {"state"}, nullptr, "created"},
    {"created", {"NEW"}, "container with given ID already exists", "created"},
    {"created", {"exec", "ID", "true"}, nullptr, "created"},
    {"created", {"ps"}, nullptr, "created"},
    {"created", {"events", "--stats"}, nullptr, "created"},
    {"created", {"update", "--pids-limit", "100"}, nullptr, "created"},
    {"created", {"resume"}, "container not paused", "created"},
    {"created", {"pause"}, nullptr, "paused"},
    {"paused before its start",
     {"start"},
     "cannot start a container in the paused state",
     "paused"},
    {"paused before its start", {"resume"}, nullptr, "created"},
    {"created", {"kill", "ID", "0"}, nullptr, "created"},
    {"created", {"kill", "ID", "WINCH"}, nullptr, "created"},
    {"created", {"kill", "ID", "SIGCHLD"}, nullptr, "created"},
    {"created", {"kill", "ID", "NOPE"}, "unknown signal", "created"},
    {"created", {"kill", "ID", "65"}, "unknown signal", "created", false},  // "invalid argument"
    {"created", {"kill"}, nullptr, "stopped"},
    {"created", {"kill", "ID", "KILL"}, nullptr, "stopped"},
    {"created", {"delete"}, nullptr, kAbsent},
    {"created", {"delete", "--force"}, nullptr, kAbsent},

    {"running", {"state"}, nullptr, "running"},
    {"running", {"NEW"}, "container with given ID already exists", "running"},
    {"running", {"start"}, "cannot start an already running container", "running"},
    {"running", {"delete"}, "that is not stopped: running", "running"},
    {"running", {"exec", "ID", "true"}, nullptr, "running"},
    {"running", {"ps"}, nullptr, "running"},
    {"running", {"events", "--stats"}, nullptr, "running"},
    {"running", {"update", "--pids-limit", "100"}, nullptr, "running"},
    {"running", {"resume"}, "container not paused", "running"},
    {"running", {"pause"}, nullptr, "paused"},
    {"running", {"kill", "ID", "0"}, nullptr, "running"},
    // The first process of a pid namespace is not hurt by what it does not handle.
    {"running", {"kill"}, nullptr, "running"},
    {"running", {"kill", "ID", "USR1"}, nullptr, "running"},
    {"running", {"kill", "--all", "ID", "USR1"}, nullptr, "running"},
    {"running", {"kill", "ID", "64"}, nullptr, "running"},
    {"running", {"kill", "ID", "RTMIN+3"}, nullptr, "running", false},  // unknown to runc
    {"running", {"kill", "ID", "SIGRTMAX-1"}, nullptr, "running", false},
    {"running", {"kill", "ID", "9"}, nullptr, "stopped"},
    {"running", {"kill", "ID", "sigkill"}, nullptr, "stopped"},
    {"running", {"kill", "--all", "ID", "KILL"}, nullptr, "stopped"},
    {"running", {"delete", "--force"}, nullptr, kAbsent},

    {"paused", {"state"}, nullptr, "paused"},
    {"paused", {"NEW"}, "container with given ID already exists", "paused"},
    {"paused", {"start"}, "cannot start a container in the paused state", "paused"},
    {"paused", {"delete"}, "that is not stopped: paused", "paused"},
    {"paused", {"exec", "ID", "true"}, "cannot exec in a paused container", "paused"},
    {"paused", {"ps"}, nullptr, "paused"},
    {"paused", {"events", "--stats"}, nullptr, "paused"},
    {"paused", {"update", "--pids-limit", "100"}, nullptr, "paused"},
    {"paused", {"pause"}, "container not running", "paused"},
    {"paused", {"kill", "ID", "0"}, nullptr, "paused"},
    {"paused", {"kill", "ID", "USR1"}, nullptr, "paused"},
    {"paused", {"resume"}, nullptr, "running"},
    {"paused", {"kill", "ID", "KILL"}, nullptr, "stopped"},
    {"paused", {"kill", "--all", "ID", "KILL"}, nullptr, "stopped"},
    {"paused", {"delete", "--force"}, nullptr, kAbsent},

    {"stopped", {"state"}, nullptr, "stopped"},
    {"stopped", {"NEW"}, "container with given ID already exists", "stopped"},
    {"stopped", {"start"}, "cannot start a container that has stopped", "stopped"},
    {"stopped", {"exec", "ID", "true"}, "cannot exec in a stopped container", "stopped"},
    {"stopped", {"ps"}, nullptr, "stopped"},
    {"stopped", {"events", "--stats"}, "is not running", "stopped"},
    {"stopped", {"update", "--pids-limit", "100"}, "container not running", "stopped"},
    {"stopped", {"pause"}, "container not running", "stopped"},
    {"stopped", {"resume"}, "container not paused", "stopped"},
    {"stopped", {"kill", "ID", "KILL"}, "container not running", "stopped"},
    {"stopped", {"kill", "ID", "0"}, "container not running", "stopped"},
    {"stopped", {"kill", "--all", "ID", "KILL"}, nullptr, "stopped"},
    {"stopped", {"delete"}, nullptr, kAbsent},
    {"stopped", {"delete", "--force"}, nullptr, kAbsent},
};

// One container of a runtime, ours or runc.
class Subject {
  public:
    Subject(std::string program, std::vector<std::string> globals,
            std::vector<std::string> environment, std::string bundle)
        : program_(std::move(program)),
          globals_(std::move(globals)),
          environment_(std::move(environment)),
          bundle_(std::move(bundle)),
          id_("cc-states-" + std::to_string(::getpid())) {}
    ~Subject() { Call({"delete", "--force", id_}); }
    Subject(const Subject&) = delete;
    Subject& operator=(const Subject&) = delete;

    Finished Do(const std::vector<std::string>& command) {
        if (command == std::vector<std::string>{"NEW"})
            return Call({"create", "--bundle", bundle_, id_});
        std::vector<std::string> words = command;
        bool named = false;
        for (auto& word : words)
            if (word == "ID") {
                word = id_;
                named = true;
            }
        if (!named) words.push_back(id_);
        return Call(words);
    }

    std::string Status() {
        const Finished state = Do({"state"});
        if (state.status != 0) return kAbsent;
        return Json::parse(state.out)["status"];
    }

    bool WaitStatus(const std::string& status) {
        for (int i = 0; i < 600; ++i) {
            if (Status() == status) return true;
            std::this_thread::sleep_for(std::chrono::milliseconds(50));
        }
        return false;
    }

    void Bring(const std::string& status) {
        if (Status() == status) return;
        Call({"delete", "--force", id_});
        if (status == kAbsent) return;
        const Finished created = Do({"NEW"});
        REQUIRE_MESSAGE(created.status == 0, created.err);
        if (status == "created") return;
        if (status == "paused before its start") {
            REQUIRE(Do({"pause"}).status == 0);
            return;
        }
        REQUIRE(Do({"start"}).status == 0);
        if (status == "running") return;
        if (status == "paused") {
            REQUIRE(Do({"pause"}).status == 0);
            return;
        }
        REQUIRE(Do({"kill", "ID", "KILL"}).status == 0);
        REQUIRE(WaitStatus("stopped"));
    }

  private:
    // What is created keeps the caller's output open, so that must not be a pipe.
    Finished Call(const std::vector<std::string>& words) {
        std::vector<std::string> all{program_};
        all.insert(all.end(), globals_.begin(), globals_.end());
        all.insert(all.end(), words.begin(), words.end());
        const std::string err = bundle_ + "/err", out = bundle_ + "/out";
        // The container's shim keeps those of `create`, and may say something at any time.
        for (const auto& file : {err, out})
            (void)::unlink(file.c_str());
        Finished done = RunProgram(
            "/bin/sh", {"sh", "-c", Cat(Join(all, " "), " </dev/null >", out, " 2>", err)}, "",
            environment_);
        done.out = ReadFile(out, 1 << 20).value_or("");
        done.err = ReadFile(err, 1 << 20).value_or("");
        return done;
    }

    std::string program_;
    std::vector<std::string> globals_, environment_;
    std::string bundle_, id_;
};

void Check(Subject& subject, const Row& row) {
    subject.Bring(row.before);
    const Finished done = subject.Do(row.command);
    CHECK_MESSAGE((done.status == 0) == (row.error == nullptr), done.err);
    if (row.error != nullptr)
        CHECK_MESSAGE(done.err.find(row.error) != std::string::npos, done.err);
    CHECK_MESSAGE(subject.WaitStatus(row.after), "it is ", subject.Status());
}

}  // namespace

TEST_CASE("every verb does in every state what it does with runc") {
    Host host;
    std::vector<std::string> globals = host.RuntimeArguments({});
    globals.erase(globals.begin());
    Subject ours(CC_BIN_DIR "/cc-runtime", globals, host.Environment(),
                 host.Bundle("ours", {"sleep", "1000"}));
    std::optional<Subject> runc;
    if (Exists(kRunc))
        runc.emplace(kRunc, std::vector<std::string>{"--root", host.directory() + "/runc"},
                     std::vector<std::string>{}, host.Bundle("runc", {"sleep", "1000"}));
    else
        Skip("runc is not installed to compare with");
    for (const auto& row : kRows) {
        const std::string what = Cat(std::string_view(row.before), ": ", Join(row.command, " "));
        CAPTURE(what);
        Check(ours, row);
        if (!runc || !row.as_runc) continue;
        INFO("runc");
        Check(*runc, row);
    }
}

TEST_CASE("when a machine has gone its container is stopped at once, and can be deleted") {
    for (const bool started : {false, true}) {
        CAPTURE(started);
        Host host;
        std::vector<std::string> globals = host.RuntimeArguments({});
        globals.erase(globals.begin());
        Subject subject(CC_BIN_DIR "/cc-runtime", globals, host.Environment(),
                        host.Bundle("b", {"sleep", "1000"}));
        subject.Bring(started ? "running" : "created");
        REQUIRE(host.Kill(kVmm, SIGKILL));
        // The kernel needs a moment to end it, on a busy machine a long one; its command line goes
        // before it does.
        for (int i = 0; i < 500 && subject.Status() != "stopped"; ++i)
            std::this_thread::sleep_for(std::chrono::milliseconds(10));
        CHECK(subject.Status() == "stopped");
        const auto refused = [&](const std::vector<std::string>& command, const char* why) {
            const Finished done = subject.Do(command);
            CHECK_MESSAGE(Has(done.err, why), command[0], " ended with ", done.status, ": ",
                          done.err);
        };
        refused({"start"}, "has stopped");
        refused({"exec", "ID", "true"}, "stopped container");
        refused({"kill", "ID", "TERM"}, "not running");
        CHECK(subject.Do({"kill", "--all", "ID", "KILL"}).status == 0);
        const Finished removed = subject.Do({"delete"});
        CHECK_MESSAGE(removed.status == 0, removed.err);
        host.CheckNoResidue();
    }
}

TEST_CASE("a guest that hangs holds up no question, no kill and no delete --force") {
    for (const bool force : {false, true}) {
        CAPTURE(force);
        Host host;
        host.Start("c1", {"sleep", "1000"});
        const pid_t machine = host.PidOf(kVmm);
        REQUIRE(machine > 0);
        REQUIRE(::kill(machine, SIGSTOP) == 0);
        CHECK(host.State("c1")["status"] == "running");
        CHECK(host.Runtime({"list"}).out.find("running") != std::string::npos);
        const Finished done = force ? host.Runtime({"delete", "--force", "c1"})
                                    : host.Runtime({"kill", "c1", "KILL"});
        CHECK_MESSAGE(done.status == 0, done.err);
        // All that is done before the command is.
        CHECK(host.PidOf(kVmm) == 0);
        CHECK(host.PidOf("cc-vmm") == 0);
        if (!force) {
            CHECK(host.WaitStatus("c1", "stopped"));
            CHECK(host.Runtime({"delete", "c1"}).status == 0);
        }
        host.CheckNoResidue();
    }
}

TEST_CASE("a command that waits for a guest that hangs does not hold up delete --force") {
    Host host;
    host.Start("c1", {"sleep", "1000"});
    const pid_t machine = host.PidOf(kVmm);
    REQUIRE(machine > 0);
    REQUIRE(::kill(machine, SIGSTOP) == 0);
    Finished update;
    std::thread waits([&] { update = host.Runtime({"update", "--pids-limit", "50", "c1"}); });
    const std::string lock = host.root() + "/containers/c1/lock";
    bool held = false;
    for (int i = 0; i < 500 && !held; ++i) {
        held = !FileLock::Acquire(lock, FileLock::Mode::kExclusive, std::chrono::milliseconds(0));
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    CHECK(held);
    const Finished done = host.Runtime({"delete", "--force", "c1"});
    CHECK_MESSAGE(done.status == 0, done.err);
    waits.join();
    CHECK(update.status != 0);
    // It was not the command's own patience that has ended the wait.
    CHECK_MESSAGE(update.err.find("30") == std::string::npos, update.err);
    host.CheckNoResidue();
}

}  // namespace cc::test
