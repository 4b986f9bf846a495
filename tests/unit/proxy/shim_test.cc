// SPDX-License-Identifier: Apache-2.0
// Shims: tokens, streams, signals, exits, reconnecting, and slow ones.
#include "tests/unit/proxy/hub.h"

namespace cc::proxy {
namespace {

constexpr auto kConnect = ClientCommand::kConnectShim;
constexpr auto kSignal = ClientCommand::kSignal;

std::string Connect(const std::string& token) {
    return Encode(ConnectShim{token});
}
std::string SignalOf(int64_t number, int64_t columns = 0, int64_t rows = 0) {
    return Encode(SignalMessage{number, columns, rows});
}

// One container with its shim, running.
struct Running : Hub {
    PeerPtr runtime;
    std::string token;
    PeerPtr shim;

    explicit Running(int extension = 0) {
        runtime = Register(extension);
        token = Token();
        shim = Shim(token);
        Start(runtime, token);
    }
};

TEST_CASE("output, end and exit status reach the shim in order") {
    Running hub;
    hub.Output(3, "out");
    hub.Output(4, "err");
    hub.Output(3, "");
    hub.Output(3, "\x2a");
    CHECK(hub.shim->received == EncodeStream(StreamKind::kStdout, "out") +
                                    EncodeStream(StreamKind::kStderr, "err") +
                                    EncodeProcessExited(42));
}

TEST_CASE("a byte on stderr is never an exit status, and there is one exit only") {
    Running hub;
    hub.Output(4, "");
    hub.Output(3, "x");
    hub.Output(3, "");
    hub.Output(4, "e");
    hub.Output(3, "\x07");
    hub.Output(3, "\x08");
    hub.Output(3, "more");
    CHECK(hub.shim->received == EncodeStream(StreamKind::kStdout, "x") +
                                    EncodeStream(StreamKind::kStderr, "e") +
                                    EncodeProcessExited(7));
}

TEST_CASE("DisconnectShim closes without a word and spends the token") {
    Running hub;
    hub.Say(hub.shim, ClientCommand::kDisconnectShim, "");
    CHECK(hub.shim->received.empty());
    CHECK(hub.shim->closed);
    const auto again = hub.world.NewClient();
    CHECK(hub.Ask(again, kConnect, Connect(hub.token)) ==
          Cat("token already claimed: ", hub.token));
    CHECK(hub.Ask(hub.runtime, ClientCommand::kHyper,
                  hub.Hyper("newcontainer", {hub.token}, R"({"id":"d","process":{}})")) ==
          Cat("token already used: ", hub.token));
}

TEST_CASE("a token is claimed once, starts one process, and is its user's alone") {
    Hub hub;
    const auto runtime = hub.Register();
    const std::string token = hub.Token(1000);
    const auto thief = hub.world.NewClient(1001);
    CHECK(hub.Ask(thief, kConnect, Connect(token)) == Cat("unknown token: ", token));
    CHECK(hub.Ask(thief, kConnect, Connect("AAAA")) == "unknown token: AAAA");
    CHECK(hub.Ask(runtime, ClientCommand::kHyper,
                  hub.Hyper("newcontainer", {token}, R"({"process":{}})")) ==
          Cat("unknown token ", token));
    const auto shim = hub.Shim(token, 1000);
    const auto second = hub.world.NewClient(1000);
    CHECK(hub.Ask(second, kConnect, Connect(token)) == Cat("token already claimed: ", token));
    CHECK(hub.Ask(shim, kConnect, Connect(token)) != "");

    const auto owner = hub.world.NewClient(1000);
    CHECK(hub.Ask(owner, ClientCommand::kAttachVm, Encode(AttachVm{"vm0", 0})) == "");
    hub.Start(owner, token);
    CHECK(
        hub.Ask(owner, ClientCommand::kHyper, hub.Hyper("execcmd", {token}, R"({"process":{}})")) ==
        Cat("token already used: ", token));
}

TEST_CASE("a command with a token waits for its shim, then goes to the agent") {
    Hub hub;
    const auto runtime = hub.Register();
    const std::string token = hub.Token();
    hub.Say(runtime, ClientCommand::kHyper,
            hub.Hyper("execcmd", {token}, R"({"container":"c","process":{}})"));
    CHECK(hub.control->received.empty());
    SUBCASE("the shim comes") {
        hub.Shim(token);
        CHECK(hub.Command().second == R"({"container":"c","process":{"stdio":3,"stderr":4}})");
        hub.Ack();
        CHECK_FALSE(Hub::Frame(runtime).error);
    }
    SUBCASE("it does not") {
        hub.world.Pass(kShimDeadline);
        CHECK(ParseErrorText(Hub::Frame(runtime).payload) ==
              Cat("timeout waiting for shim with token ", token));
        hub.Shim(token);  // late, but the token is still good
        hub.Start(runtime, token);
    }
    SUBCASE("the runtime does not wait for it") {
        runtime->Close();
        hub.world.Run();
        hub.Shim(token);
        CHECK(hub.control->received.empty());
    }
}

TEST_CASE("a process that the agent could not start leaves the token good") {
    Hub hub;
    const auto runtime = hub.Register();
    const std::string token = hub.Token();
    const auto shim = hub.Shim(token);
    hub.Say(runtime, ClientCommand::kHyper,
            hub.Hyper("newcontainer", {token}, R"({"id":"c","process":{}})"));
    hub.control->Send(EncodeControl(ControlCode::kError, "no"));
    hub.world.Run();
    CHECK(Hub::Frame(runtime).error);
    hub.control->Take();
    hub.Start(runtime, token);
}

TEST_CASE("signals become KILLCONTAINER, and the shim hears what the agent says") {
    Running hub;
    hub.Say(hub.shim, kSignal, SignalOf(10));
    const auto [code, payload] = hub.Command();
    CHECK(code == ControlCode::kKillContainer);
    CHECK(payload == R"({"container":"c","signal":10,"allProcesses":false})");
    CHECK(hub.shim->received.empty());
    hub.Ack();
    CHECK(hub.shim->received == EncodeResponse(kSignal, ""));
}

TEST_CASE("wrong signals are refused with 3.0's words") {
    Running hub;
    CHECK(hub.Ask(hub.runtime, kSignal, SignalOf(10)) == "client isn't a shim");
    CHECK(hub.Ask(hub.runtime, ClientCommand::kDisconnectShim, "") == "client isn't a shim");
    CHECK(hub.Ask(hub.shim, kSignal, SignalOf(31)) == "invalid signal number 31");
    CHECK(hub.Ask(hub.shim, kSignal, SignalOf(-1)) == "invalid signal number -1");
    CHECK(hub.Ask(hub.shim, kSignal, SignalOf(28)) ==
          "received SIGWINCH but terminal size is invalid (0,0)");
    CHECK(hub.Ask(hub.shim, kSignal, SignalOf(10, 80, 24)) ==
          "received a terminal size (80,24) for signal user defined signal 1");
    CHECK(hub.control->received.empty());
}

TEST_CASE("an exec process is signalled where the agent can, refused where it cannot") {
    for (const int extension : {0, kPlainExtension}) {
        Running hub(extension);
        const std::string token = hub.Token();
        const auto shim = hub.Shim(token);
        hub.StartExec(hub.runtime, token);
        hub.Say(shim, kSignal, SignalOf(2));
        if (extension == 0) {
            CHECK(ParseErrorText(Hub::Frame(shim).payload) ==
                  "Could not send the signal interrupt: Sending a signal to a process different "
                  "from the initial container process is not supported");
        } else {
            CHECK(hub.Command().second ==
                  R"({"container":"c","signal":2,"allProcesses":false,"process":5})");
        }
    }
}

TEST_CASE("KILL and TERM before the process has started end the shim, the exit comes first") {
    for (const int64_t number : {9, 15}) {
        Hub hub;
        hub.Register();
        const auto shim = hub.Shim(hub.Token());
        hub.Say(shim, kSignal, SignalOf(number));
        CHECK(shim->received == EncodeProcessExited(0) + EncodeResponse(kSignal, ""));
        CHECK(hub.control->received.empty());
    }
}

TEST_CASE("other signals wait for the process, up to the deadline") {
    Hub hub;
    const auto runtime = hub.Register();
    const std::string token = hub.Token();
    const auto shim = hub.Shim(token);
    hub.Say(shim, kSignal, SignalOf(1));
    SUBCASE("it starts") {
        hub.Start(runtime, token);
        CHECK(hub.control->received.empty());  // taken by Start, together with its own
        hub.Ack();
        CHECK(shim->received == EncodeResponse(kSignal, ""));
    }
    SUBCASE("it does not") {
        hub.world.Pass(kProcessDeadline);
        CHECK(ParseErrorText(Hub::Frame(shim).payload) ==
              Cat("timeout waiting for process with token ", token));
    }
}

TEST_CASE("a KILL that meets the command on its way kills what that command starts") {
    Hub hub;
    const auto runtime = hub.Register();
    const std::string token = hub.Token();
    const auto shim = hub.Shim(token);
    hub.Say(runtime, ClientCommand::kHyper,
            hub.Hyper("newcontainer", {token}, R"({"id":"c","process":{}})"));
    hub.Command();
    hub.Say(shim, kSignal, SignalOf(9));
    CHECK(shim->received.empty());
    SUBCASE("it starts") {
        hub.Ack();
        CHECK(hub.Command().second == R"({"container":"c","signal":9,"allProcesses":false})");
    }
    SUBCASE("it does not") {
        hub.control->Send(EncodeControl(ControlCode::kError, "no"));
        hub.world.Run();
        CHECK(shim->received == EncodeProcessExited(0) + EncodeResponse(kSignal, ""));
    }
}

TEST_CASE("the terminal's size is kept for a process that has not started") {
    Hub hub;
    const auto runtime = hub.Register();
    const std::string token = hub.Token();
    const auto shim = hub.Shim(token);
    CHECK(hub.Ask(shim, kSignal, SignalOf(28, 80, 24)) == "");
    CHECK(hub.Ask(shim, kSignal, SignalOf(28, 120, 40)) == "");
    hub.Say(runtime, ClientCommand::kHyper,
            hub.Hyper("newcontainer", {token}, R"({"id":"c","process":{}})"));
    hub.Command();
    hub.Ack();
    const auto [code, payload] = hub.Command();
    CHECK(code == ControlCode::kWinSize);
    CHECK(payload == R"({"seq":3,"row":40,"column":120})");
    hub.Ack();
    CHECK_FALSE(Hub::Frame(runtime).error);
    CHECK(shim->received.empty());
}

TEST_CASE("standard input waits for the process as long as it takes, and nothing of it is lost") {
    Hub hub;
    const auto runtime = hub.Register();
    const std::string token = hub.Token();
    const auto shim = hub.Shim(token);
    shim->Send(EncodeStream(StreamKind::kStdin, "a") + EncodeStream(StreamKind::kStdin, "b") +
               EncodeStream(StreamKind::kStdin, ""));
    hub.world.Pass(std::chrono::hours(1));
    CHECK(hub.io->received.empty());
    CHECK_FALSE(shim->closed);
    hub.Start(runtime, token);
    CHECK(hub.io->received == EncodeIo(3, "a") + EncodeIo(3, "b") + EncodeIo(3, ""));
}

TEST_CASE("long standard input is split to what the agent takes") {
    const std::string bytes(kMaxStreamPayload, 'x');
    for (const int extension : {0, kPlainExtension}) {
        Running hub(extension);
        hub.shim->Send(EncodeStream(StreamKind::kStdin, bytes));
        hub.world.Run();
        IoDecoder decoder;
        decoder.Push(hub.io->received);
        std::string arrived;
        while (auto message = decoder.Next().value()) {
            CHECK(message->payload.size() + kIoHeaderSize <=
                  (extension == 0 ? kMaxAgentMessageV3_0 : kMaxIoMessage));
            CHECK_FALSE(message->payload.empty());
            arrived += message->payload;
        }
        CHECK(arrived == bytes);
    }
}

TEST_CASE("a shim that stops reading holds back its VM's output, loses nothing, and is heard") {
    Running hub;
    hub.shim->reads = false;
    std::string sent;
    for (int i = 0; i < 100; ++i) {
        const std::string line(32 * 1024, static_cast<char>('a' + i % 26));
        sent += line;
        hub.io->Send(EncodeIo(3, line));
    }
    hub.io->chunk = 64 * 1024;
    hub.world.Run();
    CHECK_FALSE(hub.io->watched);
    CHECK(hub.shim->unread.size() < kHighWater + 128 * 1024);
    // The control port stays live, and so does what the shim itself says.
    hub.Say(hub.runtime, ClientCommand::kHyper, hub.Hyper("ping"));
    hub.Command();
    hub.Ack();
    CHECK_FALSE(Hub::Frame(hub.runtime).error);
    hub.Say(hub.shim, kSignal, SignalOf(2));
    CHECK(hub.Command().first == ControlCode::kKillContainer);
    // It reads again.
    hub.shim->reads = true;
    hub.world.Run();
    std::string arrived;
    while (!hub.shim->received.empty())
        arrived += Hub::Frame(hub.shim).payload;
    CHECK(arrived == sent);
    CHECK(hub.io->watched);
}

TEST_CASE("a slow shim that goes away sets its VM's output free") {
    Running hub;
    hub.shim->reads = false;
    for (int i = 0; i < 30; ++i)
        hub.io->Send(EncodeIo(3, std::string(32 * 1024, 'x')));
    hub.world.Run();
    REQUIRE_FALSE(hub.io->watched);
    hub.shim->Close();
    hub.world.Run();
    CHECK(hub.io->watched);
}

TEST_CASE("a slow shim of one VM does nothing to another VM") {
    Running hub;
    const auto slow_io = hub.io;
    hub.shim->reads = false;
    for (int i = 0; i < 30; ++i)
        slow_io->Send(EncodeIo(3, std::string(32 * 1024, 'x')));
    hub.world.Run();
    const auto other = hub.Register(0, "vm1");
    const std::string token = hub.Token(0, "vm1");
    const auto shim = hub.Shim(token);
    hub.Start(other, token);
    hub.Output(3, "hello");
    CHECK(Hub::Frame(shim).payload == "hello");
}

TEST_CASE("an agent that does not read stdin makes the shim wait, its signals come through later") {
    Running hub;
    hub.io->reads = false;
    std::string sent;
    hub.shim->chunk = 64 * 1024;
    for (int i = 0; i < 40; ++i) {
        const std::string piece(32 * 1024, static_cast<char>('a' + i % 26));
        sent += piece;
        hub.shim->Send(EncodeStream(StreamKind::kStdin, piece));
    }
    hub.world.Run();
    CHECK_FALSE(hub.shim->watched);
    CHECK(hub.io->unread.size() < kHighWater + 64 * 1024);
    // The control port and output are not concerned.
    hub.Output(3, "out");
    CHECK(Hub::Frame(hub.shim).payload == "out");
    hub.io->reads = true;
    hub.world.Run();
    IoDecoder decoder;
    decoder.Push(hub.io->received);
    std::string arrived;
    while (auto message = decoder.Next().value())
        arrived += message->payload;
    CHECK(arrived == sent);
}

TEST_CASE("a shim that lost its connection comes back to its session") {
    Running hub;
    hub.Output(3, "before");
    CHECK(Hub::Frame(hub.shim).payload == "before");
    hub.shim->Close();
    hub.world.Run();
    hub.Output(3, "meanwhile");
    hub.Output(3, "");
    hub.Output(3, "\x05");
    const auto again = hub.Shim(hub.token);
    CHECK(again->received ==
          EncodeStream(StreamKind::kStdout, "meanwhile") + EncodeProcessExited(5));
    hub.Say(again, ClientCommand::kDisconnectShim, "");
    CHECK(again->closed);
}

TEST_CASE("a shim that came back goes on with input and signals") {
    Running hub;
    hub.shim->Close();
    hub.world.Run();
    const auto again = hub.Shim(hub.token);
    again->Send(EncodeStream(StreamKind::kStdin, "in"));
    hub.Say(again, kSignal, SignalOf(2));
    CHECK(hub.io->received == EncodeIo(3, "in"));
    CHECK(hub.Command().first == ControlCode::kKillContainer);
    hub.world.Pass(kShimReturn);
    CHECK(hub.control->received.empty());
}

TEST_CASE("a shim that does not come back has died: its process is killed") {
    Running hub;
    hub.shim->Close();
    hub.world.Run();
    CHECK(hub.control->received.empty());
    hub.world.Pass(kShimReturn);
    CHECK(hub.Command().second == R"({"container":"c","signal":9,"allProcesses":false})");
    const auto again = hub.world.NewClient();
    CHECK(hub.Ask(again, kConnect, Connect(hub.token)) ==
          Cat("token already claimed: ", hub.token));
}

TEST_CASE("a token that no shim comes with is dropped with its session after two minutes") {
    Hub hub;
    hub.Register();
    const auto runtime = hub.world.NewClient();
    std::vector<std::string> tokens;
    for (int i = 0; i < 10; ++i) {
        hub.Say(runtime, ClientCommand::kAttachVm, Encode(AttachVm{"vm0", 1}));
        tokens.push_back(ParseIoResponse(Hub::Frame(runtime).payload).value().tokens.at(0));
    }
    runtime->Close();
    const auto left = [&] { return hub.world.router.counts().tokens; };
    // One has a shim that waits for its process, another's goes after a while.
    const auto shim = hub.Shim(tokens[0]);
    const auto going = hub.Shim(tokens[1]);
    hub.world.Pass(kClaimDeadline / 2);
    going->Close();
    hub.world.Run();
    hub.world.Pass(kClaimDeadline / 2 - Milliseconds(1));
    CHECK(left() == 10);
    hub.world.Pass(Milliseconds(1));
    CHECK(left() == 2);
    const auto late = hub.world.NewClient();
    CHECK(hub.Ask(late, kConnect, Connect(tokens[5])) == Cat("unknown token: ", tokens[5]));
    hub.world.Pass(kClaimDeadline / 2);
    CHECK(left() == 1);
    hub.world.Pass(10 * kClaimDeadline);
    CHECK(left() == 1);
    CHECK_FALSE(shim->closed);
    CHECK(hub.Ask(late, kConnect, Connect(tokens[0])) == Cat("token already claimed: ", tokens[0]));
}

TEST_CASE("a process whose command waits for a shim keeps its token from being dropped") {
    Hub hub;
    const auto runtime = hub.Register();
    const std::string token = hub.Token();
    hub.Say(runtime, ClientCommand::kAttachVm, Encode(AttachVm{"vm0", 0}));
    runtime->Take();
    hub.world.Pass(kClaimDeadline - kShimDeadline / 2);
    hub.Say(runtime, ClientCommand::kHyper,
            hub.Hyper("newcontainer", {token}, R"({"id":"c","process":{}})"));
    hub.world.Pass(kShimDeadline / 2);
    const auto shim = hub.Shim(token);
    CHECK(hub.Command().first == ControlCode::kNewContainer);
    hub.Ack();
    CHECK_FALSE(Hub::Frame(runtime).error);
    hub.world.Pass(10 * kClaimDeadline);
    CHECK_FALSE(shim->closed);
}

TEST_CASE("the process of a shim that has died is killed at once, not after a wait") {
    Running hub;
    hub.shim->Close();
    hub.world.Run();
    CHECK(hub.control->received.empty());
    hub.shim->Die();
    hub.world.Run();
    CHECK(hub.Command().second == R"({"container":"c","signal":9,"allProcesses":false})");
    hub.world.Pass(kShimReturn);
    CHECK(hub.control->received.empty());
}

TEST_CASE("a shim that came back over a new connection may have let go of the old one") {
    Running hub;
    hub.shim->Close();
    hub.world.Run();
    const auto again = hub.Shim(hub.token);
    hub.shim->Die();
    hub.world.Run();
    hub.world.Pass(kShimReturn);
    CHECK(hub.control->received.empty());
    CHECK_FALSE(again->closed);
}

TEST_CASE("a shim whose last frame is a signal is heard though it hangs up at once") {
    Running hub;
    hub.shim->Send(EncodeCommand(kSignal, SignalOf(10)) + EncodeCommand(kSignal, SignalOf(9)));
    hub.shim->Close();
    hub.world.Run();
    CHECK(hub.Command().second.find("\"signal\":10") != std::string::npos);
    hub.Ack();
    CHECK(hub.Command().second.find("\"signal\":9") != std::string::npos);
    hub.Ack();
    CHECK(hub.world.router.counts().clients == 2);  // the two runtimes
}

TEST_CASE("a shim still gets the last output of a VM that is lost") {
    Running hub;
    hub.shim->reads = false;
    hub.Output(3, "last words");
    hub.io->Close();
    hub.world.Run();
    CHECK_FALSE(hub.shim->closed);
    hub.shim->reads = true;
    hub.world.Run();
    CHECK(Hub::Frame(hub.shim).payload == "last words");
    CHECK(hub.shim->closed);
}

TEST_CASE("last output arrives though the control port of a dying VM ends before it") {
    Running hub;
    hub.Say(hub.runtime, ClientCommand::kHyper, hub.Hyper("ping"));
    hub.control->Close();
    hub.world.Run();
    CHECK(ParseErrorText(Hub::Frame(hub.runtime).payload) ==
          "lost the VM vm0: its control port was closed");
    hub.Output(3, "last words");
    hub.Output(3, "");
    hub.Output(3, "\x03");
    hub.io->Close();
    hub.world.Run();
    CHECK(hub.shim->received ==
          EncodeStream(StreamKind::kStdout, "last words") + EncodeProcessExited(3));
    CHECK(hub.shim->closed);
}

TEST_CASE("a shim that dies is noticed though its process reads no input") {
    Running hub;
    hub.io->reads = false;
    for (int i = 0; i < 40; ++i)
        hub.shim->Send(EncodeStream(StreamKind::kStdin, std::string(32 * 1024, 'x')));
    hub.world.Run();
    REQUIRE_FALSE(hub.shim->watched);
    hub.shim->Close();
    hub.world.Run();
    hub.world.Pass(kShimReturn);
    CHECK(hub.Command().first == ControlCode::kKillContainer);
}

TEST_CASE("a shim that never reads its last output is cut off in the end") {
    Running hub;
    hub.shim->reads = false;
    hub.Output(3, "last words");
    hub.io->Close();
    hub.world.Run();
    hub.world.Pass(kLinger);
    CHECK(hub.shim->closed);
    CHECK(hub.world.router.counts().clients == 2);
}

TEST_CASE("everything works when every byte arrives alone") {
    Hub hub;
    const auto runtime = hub.Register();
    const std::string token = hub.Token();
    const auto shim = hub.Shim(token);
    runtime->chunk = shim->chunk = hub.control->chunk = hub.io->chunk = 1;
    hub.Start(runtime, token);
    hub.Output(3, "one");
    hub.Output(4, "two");
    CHECK(shim->received ==
          EncodeStream(StreamKind::kStdout, "one") + EncodeStream(StreamKind::kStderr, "two"));
    shim->Send(EncodeStream(StreamKind::kStdin, "three"));
    hub.world.Run();
    CHECK(hub.io->received == EncodeIo(3, "three"));
}

TEST_CASE("sessions, tokens and clients are gone after many rounds") {
    Hub hub;
    const auto runtime = hub.Register();
    for (int round = 0; round < 1500; ++round) {
        hub.Say(runtime, ClientCommand::kAttachVm, Encode(AttachVm{"vm0", 1}));
        const std::string token = ParseIoResponse(Hub::Frame(runtime).payload)->tokens.at(0);
        const auto shim = hub.Shim(token);
        hub.Say(shim, ClientCommand::kDisconnectShim, "");
        hub.world.Prune();
    }
    const auto counts = hub.world.router.counts();
    CHECK(counts.clients == 1);
    CHECK(counts.tokens == kMaxSpentTokensPerVm);
    CHECK(hub.Ask(runtime, ClientCommand::kUnregisterVm, Encode(UnregisterVm{"vm0"})) == "");
    CHECK(hub.world.router.counts().tokens == 0);
}

}  // namespace
}  // namespace cc::proxy
