// SPDX-License-Identifier: Apache-2.0
// Page sharing by the program: its thread, its signals, its death.
#include "proxy/ksm_thread.h"
#include "tests/fakes/fake_agent.h"
#include "tests/unit/proxy/fake_ksm.h"
#include "tests/unit/proxy/real_server.h"

namespace cc::proxy {
namespace {

using test::FakeAgent;

struct Machine {
    FakeKsm ksm;
    std::string socket = ksm.folder / "proxy.sock";

    std::unique_ptr<RealProcess> Start(std::vector<std::string> options) const {
        options.insert(options.end(),
                       {"-socket-path", socket, "-log", "error", "--ksm-root", ksm.paths.root});
        auto process = std::make_unique<RealProcess>(options);
        process->WaitForSocket(socket);
        return process;
    }
    std::string RegisterVm(const FakeAgent& agent) const {
        return RealClient(socket).Ask(
            ClientCommand::kRegisterVm,
            Encode(cc::RegisterVm{"vm", agent.control_path(), agent.io_path(), "", 0}));
    }
    bool Fast() const {
        const auto now = KsmFiles(ksm.paths.root).Read();
        return now && now->run == 1 && now->sleep_millisecs == 1;
    }
};

TEST_CASE("the thread changes the pace and puts everything back at its end") {
    const FakeKsm ksm;
    KsmThread thread(ksm.paths, KsmMode::kAuto);
    thread.Apply(KsmPace::kAggressive);
    CHECK(Eventually([&] { return KsmFiles(ksm.paths.root).Read() == KsmValues{1, 10'000, 1}; }));
    thread.Apply(KsmPace::kSlow);
    thread.End();
    CHECK(ksm.Now() == FakeKsm::kFound);
    thread.Apply(KsmPace::kAggressive);
    thread.End();
    CHECK(ksm.Now() == FakeKsm::kFound);
}

TEST_CASE("where page sharing cannot be managed the thread does no harm") {
    FakeKsm ksm;
    SUBCASE("no kernel support") {
        ksm.paths.root = ksm.folder / "nowhere";
    }
    SUBCASE("garbage") {
        ksm.SetFile("run", "perhaps");
    }
    KsmThread thread(ksm.paths, KsmMode::kAuto);
    thread.Apply(KsmPace::kAggressive);
    thread.End();
    CHECK_FALSE(ksm.Remembered());
}

TEST_CASE("mode initial has a thread only to put right what a killed proxy has left") {
    const FakeKsm ksm;
    CHECK_FALSE(StartKsm(ksm.paths, KsmMode::kInitial));
    ksm.LeaveTuned();
    const auto thread = StartKsm(ksm.paths, KsmMode::kInitial);
    REQUIRE(thread);
    thread->End();
    CHECK(ksm.Now() == FakeKsm::kFound);
}

TEST_CASE("the program tunes when a VM is registered and puts back at a signal") {
    for (const int signal : {SIGTERM, SIGINT}) {
        const Machine machine;
        const FakeAgent agent(machine.ksm.folder.path());
        const auto process = machine.Start({"-ksm", "auto"});
        CHECK(machine.ksm.Now() == FakeKsm::kFound);
        CHECK(machine.RegisterVm(agent) == "");
        CHECK(Eventually([&] { return machine.Fast(); }));
        CHECK(machine.ksm.Remembered());
        ::kill(process->pid, signal);
        CHECK(process->WaitExit() == 0);
        CHECK(machine.ksm.Now() == FakeKsm::kFound);
        CHECK_FALSE(machine.ksm.Remembered());
        CHECK_FALSE(Exists(machine.socket));
    }
}

TEST_CASE("a program that was killed is cleaned up after by the next one") {
    const Machine machine;
    const FakeAgent agent(machine.ksm.folder.path());
    {
        const auto process = machine.Start({});  // auto is the default
        CHECK(machine.RegisterVm(agent) == "");
        CHECK(Eventually([&] { return machine.Fast(); }));
    }
    CHECK(machine.Fast());
    const auto process = machine.Start({"-ksm", "initial"});
    CHECK(Eventually([&] { return !machine.ksm.Remembered(); }));
    CHECK(machine.ksm.Now() == FakeKsm::kFound);
}

TEST_CASE("a program that leaves by itself puts back") {
    const Machine machine;
    const FakeAgent agent(machine.ksm.folder.path());
    const auto process = machine.Start({"-ksm", "auto", "--on-demand"});
    CHECK(machine.RegisterVm(agent) == "");
    CHECK(Eventually([&] { return machine.Fast(); }));
    CHECK(
        RealClient(machine.socket).Ask(ClientCommand::kUnregisterVm, Encode(UnregisterVm{"vm"})) ==
        "");
    CHECK(process->WaitExit() == 0);
    CHECK(machine.ksm.Now() == FakeKsm::kFound);
    CHECK_FALSE(machine.ksm.Remembered());
}

TEST_CASE("started on demand or in pod mode the program leaves page sharing alone") {
    const Machine machine;
    const FakeAgent agent(machine.ksm.folder.path());
    std::unique_ptr<RealProcess> process;
    SUBCASE("on demand") {
        process = machine.Start({"--on-demand"});
    }
    SUBCASE("pod mode") {
        process = std::make_unique<RealProcess>(
            std::vector<std::string>{"-uri", "unix://" + machine.socket, "-ksm", "auto", "-log",
                                     "error", "--ksm-root", machine.ksm.paths.root});
        process->WaitForSocket(machine.socket);
    }
    CHECK(machine.RegisterVm(agent) == "");
    ::kill(process->pid, SIGTERM);
    CHECK(process->WaitExit() == 0);
    CHECK(machine.ksm.Now() == FakeKsm::kFound);
}

TEST_CASE("mode off is in force while the program runs") {
    const Machine machine;
    machine.ksm.SetFile("run", "1\n");
    const auto process = machine.Start({"-ksm", "off"});
    CHECK(Eventually([&] { return ReadFile(machine.ksm.Path("run"), 10) == "0"; }));
    ::kill(process->pid, SIGTERM);
    CHECK(process->WaitExit() == 0);
    CHECK(machine.ksm.Now() == KsmValues{1, 100, 20});
}

}  // namespace
}  // namespace cc::proxy
