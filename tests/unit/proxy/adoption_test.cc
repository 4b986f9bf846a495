// SPDX-License-Identifier: Apache-2.0
// A proxy dies at any instant, and the next one has nothing but the records.
#include "tests/unit/proxy/link_hub.h"
#include "tests/unit/proxy/proxy_log.h"

namespace cc::proxy {

TEST_CASE("the next proxy adopts a VM in a new epoch, and the shim goes on where it was") {
    LinkHub hub;
    hub.Start();
    hub.Output(0, "abcdef");
    hub.Die();
    hub.Successor();
    hub.Adopt({{3, 9, 5, 100, 2, 0}});
    const auto answer = hub.Connect(4);
    CHECK_FALSE(answer.error);
    CHECK(ParseShimConnected(answer.payload)->standard_input.offset == 5);
    const auto windows = hub.Heard(hub.io);
    REQUIRE(windows.size() == 2);
    CHECK(windows[0].epoch == 2);
    CHECK(windows[0].offset == 4);
    CHECK(windows[0].flags == kLinkRewind);
    hub.Output(4, "efgh");
    CHECK(LinkHub::Heard3(hub.shim).at(0).payload == "efgh");
    // Signals find their container.
    hub.shim->Send(EncodeCommand(
        ClientCommand::kSignal, Encode(SignalMessage{15, 0, 0}, kClientVersion3), kClientVersion3));
    hub.world->Run();
    CHECK(hub.Request().payload == R"({"container":"c","signal":15,"allProcesses":false})");
}

TEST_CASE("clients that come before the agent has answered wait for it") {
    LinkHub hub;
    hub.Start();
    hub.Die();
    hub.Successor();
    CHECK(hub.Connect().payload.empty());
    const auto runtime = hub.world->NewClient();
    runtime->Send(EncodeCommand(ClientCommand::kAttachVm, Encode(AttachVm{"vm0", 1})));
    hub.world->Run();
    CHECK(runtime->received.empty());
    hub.Adopt({{3, 0, 0, 100, 0, 0}});
    CHECK_FALSE(Hub::Frame(runtime).error);
    CHECK_FALSE(LinkHub::Heard3(hub.shim).at(0).error);
}

TEST_CASE("clients of a VM whose agent does not answer the new proxy are told after a while") {
    LinkHub hub;
    hub.Start();
    hub.Die();
    hub.Successor();
    const auto runtime = hub.world->NewClient();
    runtime->Send(EncodeCommand(ClientCommand::kAttachVm, Encode(AttachVm{"vm0", 0})));
    hub.world->Run();
    hub.world->Pass(kAdoptionDeadline);
    CHECK(ParseErrorText(Hub::Frame(runtime).payload) ==
          "the agent of VM vm0 has not answered this new cc-proxy within 30 s");
    hub.Adopt({{3, 0, 0, 100, 0, 0}});
    CHECK_FALSE(hub.Connect().error);
}

TEST_CASE(
    "a command that the proxy died over is repeated under its id, and the token is good for it") {
    LinkHub hub;
    hub.Register();
    hub.Connect();
    hub.Hyper(hub.runtime, 77);
    const uint64_t id = hub.Request().stream;
    SUBCASE("the agent has carried it out") {
        hub.Die();
        hub.Successor();
        hub.Adopt({{3, 0, 0, 100, 0, 0}});
    }
    SUBCASE("it never reached the agent") {
        hub.Die();
        hub.Successor();
        hub.Adopt({});
    }
    CHECK_FALSE(hub.Connect().error);
    const auto runtime = hub.world->NewClient();
    runtime->Send(EncodeCommand(ClientCommand::kAttachVm, Encode(AttachVm{"vm0", 0})));
    hub.Hyper(runtime, 77);
    const auto request = hub.Request();
    CHECK(request.stream == id);
    hub.Reply(id);
    Hub::Frame(runtime);
    CHECK_FALSE(Hub::Frame(runtime).error);
}

TEST_CASE("a token that has had its process is refused to another command after an adoption") {
    LinkHub hub;
    hub.Start();
    hub.Die();
    hub.Successor();
    hub.Adopt({{3, 0, 0, 100, 0, 0}});
    const auto runtime = hub.world->NewClient();
    runtime->Send(EncodeCommand(ClientCommand::kAttachVm, Encode(AttachVm{"vm0", 0})));
    hub.Hyper(runtime);
    Hub::Frame(runtime);
    CHECK(Hub::Frame(runtime).error);
}

TEST_CASE("a process that the agent does not know any more is over, and its shim told so") {
    LinkHub hub;
    hub.Start();
    hub.Die();
    hub.Successor();
    hub.Adopt({});
    CHECK(hub.Connect().error);
}

TEST_CASE("what the agent keeps and no record names is forgotten") {
    LinkHub hub;
    hub.Start();
    hub.Die();
    hub.Successor();
    hub.Adopt({{1, 0, 0, 0, 0, 0}, {3, 0, 0, 100, 0, 0}, {9, 0, 0, 100, 0, 0}});
    const auto heard = hub.Heard(hub.io);
    REQUIRE(heard.size() == 1);
    CHECK(heard[0].type == LinkType::kForget);
    CHECK(heard[0].stream == 9);
}

TEST_CASE("a process whose shim does not come to the new proxy is killed after a while") {
    LinkHub hub;
    hub.Start();
    hub.Die();
    hub.Successor();
    hub.Adopt({{3, 0, 0, 100, 0, 0}});
    hub.world->Pass(kShimReturn);
    CHECK(hub.Request().payload == R"({"container":"c","signal":9,"allProcesses":false})");
    CHECK(hub.Heard(hub.io).back().type == LinkType::kForget);
}

TEST_CASE(
    "a VM that has gone with the proxy is lost: it can be unregistered, and nothing is kept") {
    LinkHub hub;
    hub.Start();
    hub.Die();
    hub.world->listeners["/ctl"] = ECONNREFUSED;
    for (const auto& [name, text] : std::map(hub.world->records))
        hub.world->router.Adopt(ParseVmRecord(text).value());
    hub.world->Run();
    CHECK(ParseError(hub.Connect().payload, kClientVersion3).code == ErrorCode::kVmLost);
    const auto runtime = hub.world->NewClient();
    runtime->Send(EncodeCommand(ClientCommand::kUnregisterVm, Encode(UnregisterVm{"vm0"})));
    hub.world->Run();
    CHECK_FALSE(Hub::Frame(runtime).error);
}

TEST_CASE("a VM that was removed while there was no proxy is not adopted, and its record goes") {
    LinkHub hub;
    hub.Start();
    hub.Die();
    hub.world->listeners.clear();
    for (const auto& [name, text] : std::map(hub.world->records)) {
        auto record = ParseVmRecord(text).value();
        record.name = name;
        hub.world->router.Adopt(record);
    }
    CHECK(hub.world->records.empty());
    CHECK(hub.world->router.counts().vms == 0);
    CHECK(ParseError(hub.Connect().payload, kClientVersion3).code == ErrorCode::kUnknownToken);
}

TEST_CASE("records follow the VM's life, and a failed registration leaves none") {
    LinkHub hub;
    hub.Start();
    CHECK(hub.world->records.size() == 1);
    const auto record = ParseVmRecord(hub.world->records.begin()->second);
    REQUIRE(record);
    CHECK(record->epoch == 1);
    REQUIRE(record->sessions.size() == 1);
    CHECK(record->sessions[0].process == ProcessState::kStarted);
    CHECK(record->sessions[0].container == "c");
    hub.runtime->Send(EncodeCommand(ClientCommand::kUnregisterVm, Encode(UnregisterVm{"vm0"})));
    hub.world->Run();
    hub.shim->Close();
    hub.world->Run();
    hub.world->Pass(kShimReturn);
    CHECK(hub.world->records.empty());

    LinkHub failed;
    failed.world->listeners = {{"/ctl", 0}, {"/io", 0}};
    failed.runtime = failed.world->NewClient();
    failed.runtime->Send(
        EncodeCommand(ClientCommand::kRegisterVm, Encode(RegisterVm{"vm0", "/ctl", "/io", "", 1})));
    failed.world->Run();
    failed.world->agents.at("/ctl")->Close();
    failed.world->Run();
    CHECK(failed.world->records.empty());
}

TEST_CASE("a record that was tampered with is refused, whatever is wrong with it") {
    LinkHub hub;
    hub.Start();
    const std::string good = hub.world->records.begin()->second;
    REQUIRE(ParseVmRecord(good));
    for (const auto& [from, to] : std::vector<std::pair<std::string, std::string>>{
             {R"("format":1)", R"("format":2)"},
             {R"("epoch":1)", R"("epoch":-1)"},
             {R"("process":"started")", R"("process":"x")"},
             {R"("base":3)", R"("base":0)"},
             {R"("marker":")", R"("marker":"00)"},
             {R"("token":")", R"("token":"!)"}}) {
        std::string bad = good;
        REQUIRE(bad.find(from) != std::string::npos);
        bad.replace(bad.find(from), from.size(), to);
        CHECK_FALSE(ParseVmRecord(bad));
    }
    CHECK_FALSE(ParseVmRecord(good.substr(0, good.find('\n') / 2)));
}

TEST_CASE("what a peer hears is in the record before") {
    LinkHub hub;
    hub.Register();
    const auto session = [&] {
        return ParseVmRecord(hub.world->records.begin()->second).value().sessions.back();
    };
    int heard = 0;
    hub.runtime->on_write = [&](std::string_view bytes) {
        ++heard;
        CHECK(bytes.find(session().token) != std::string_view::npos);
    };
    hub.runtime->Send(EncodeCommand(ClientCommand::kAttachVm, Encode(AttachVm{"vm0", 1})));
    hub.world->Run();
    CHECK(heard == 1);
    hub.token = ParseIoResponse(Hub::Frame(hub.runtime).payload).value().tokens.at(0);
    hub.Connect();
    hub.control->on_write = [&](std::string_view) {
        ++heard;
        CHECK(session().process == ProcessState::kSent);
        CHECK(session().container == "c");
    };
    hub.Hyper(hub.runtime);
    CHECK(heard == 2);
    hub.runtime->on_write = [&](std::string_view) {
        ++heard;
        CHECK(session().process == ProcessState::kStarted);
    };
    hub.Reply(hub.Request().stream);
    CHECK(heard == 3);
    hub.io->on_write = [&](std::string_view) {  // Forget
        ++heard;
        CHECK(ParseVmRecord(hub.world->records.begin()->second)->sessions.size() == 1);
    };
    hub.shim->Send(EncodeCommand(ClientCommand::kDisconnectShim, "", kClientVersion3));
    hub.world->Run();
    CHECK(heard == 4);
}

TEST_CASE("a change that was cut anywhere by the proxy's death has not happened") {
    LinkHub hub;
    hub.Start();
    const std::string& record = hub.world->records.begin()->second;
    const std::string before = record;
    hub.runtime->Send(EncodeCommand(ClientCommand::kAttachVm, Encode(AttachVm{"vm0", 1})));
    hub.world->Run();
    REQUIRE(record.size() > before.size());
    REQUIRE(record.starts_with(before));
    for (size_t size = before.size(); size < record.size(); ++size) {
        const auto cut = ParseVmRecord(std::string_view(record).substr(0, size));
        REQUIRE(cut);
        CHECK(cut->sessions.size() == 1);
    }
    const auto whole = ParseVmRecord(record);
    REQUIRE(whole);
    CHECK(whole->sessions.size() == 2);
    CHECK(whole->next_base == 7);
}

TEST_CASE("a record is written anew before its changes outgrow it, and when it has gone") {
    LinkHub hub;
    hub.Start();
    size_t largest = 0;
    for (int i = 0; i < 1000; ++i) {
        hub.runtime->Send(EncodeCommand(ClientCommand::kAttachVm, Encode(AttachVm{"vm0", 1})));
        hub.world->Run();
        hub.token = ParseIoResponse(Hub::Frame(hub.runtime).payload).value().tokens.at(0);
        hub.Connect();
        hub.shim->Send(EncodeCommand(ClientCommand::kDisconnectShim, "", kClientVersion3));
        if (i == 500) hub.world->records.clear();
        hub.world->Run();
        REQUIRE(hub.world->records.size() == 1);
        largest = std::max(largest, hub.world->records.begin()->second.size());
    }
    CHECK(largest < 20 * 1024);
    const auto record = ParseVmRecord(hub.world->records.begin()->second);
    REQUIRE(record);
    CHECK(record->sessions.size() == 1);
    CHECK(record->next_base == 2005);
}

TEST_CASE("a record that could not be written is tried again until it is") {
    const ProxyLog log(LogLevel::kInfo);
    LinkHub hub;
    hub.Start();
    hub.world->disk_full = true;
    hub.runtime->Send(EncodeCommand(ClientCommand::kAttachVm, Encode(AttachVm{"vm0", 1})));
    hub.world->Run();
    CHECK_FALSE(Hub::Frame(hub.runtime).error);
    const auto sessions = [&] {
        return ParseVmRecord(hub.world->records.begin()->second).value().sessions.size();
    };
    const size_t before = sessions();
    for (int i = 0; i < 3; ++i)
        hub.world->Pass(kSaveRetry);
    CHECK(sessions() == before);
    CHECK(log.Lines("cannot be written").size() == 1);
    hub.world->disk_full = false;
    hub.world->Pass(kSaveRetry);
    CHECK(sessions() == before + 1);
    CHECK(log.Lines("written again").size() == 1);
}

TEST_CASE("a command that comes again when its process has come and gone is answered as done") {
    for (const bool next_serves_the_end : {false, true}) {
        CAPTURE(next_serves_the_end);
        LinkHub hub;
        hub.Register();
        CHECK_FALSE(hub.Connect().error);
        hub.Hyper(hub.runtime, 77);
        hub.Request();
        // The agent has started it, which no proxy lives to tell the runtime.
        const auto next_proxy = [&](const std::vector<AgentSession>& sessions) {
            hub.Die();
            hub.Successor();
            hub.Adopt(sessions);
        };
        if (next_serves_the_end) {
            next_proxy({{3, 0, 0, 100, 0, 0}});
            CHECK_FALSE(hub.Connect().error);
        }
        hub.Say(hub.io, {hub.epoch, LinkType::kExit, 0, 3, 0, std::string_view("\0\0", 2)});
        hub.shim->Send(EncodeCommand(ClientCommand::kDisconnectShim, "", kClientVersion3));
        hub.world->Run();
        if (!next_serves_the_end) next_proxy({});
        // It is in the next record, too, which was written anew.
        next_proxy({});

        const auto again = hub.world->NewClient();
        again->Send(EncodeCommand(ClientCommand::kAttachVm, Encode(AttachVm{"vm0", 0})));
        hub.world->Run();
        CHECK_FALSE(Hub::Frame(again).error);
        hub.Hyper(again, 77);
        CHECK_FALSE(Hub::Frame(again).error);
        hub.Hyper(again, 78);
        CHECK(ParseErrorText(Hub::Frame(again).payload) == Cat("token already used: ", hub.token));
        CHECK(hub.Heard(hub.control).empty());
    }
}

TEST_CASE("another command for a token that is in use is refused, also after the proxy's death") {
    LinkHub hub;
    hub.Register();
    CHECK_FALSE(hub.Connect().error);
    hub.Hyper(hub.runtime, 77);
    hub.Request();
    hub.Die();
    hub.Successor();
    hub.Adopt({{3, 0, 0, 100, 0, 0}});
    const auto again = hub.world->NewClient();
    again->Send(EncodeCommand(ClientCommand::kAttachVm, Encode(AttachVm{"vm0", 0})));
    hub.world->Run();
    CHECK_FALSE(Hub::Frame(again).error);
    hub.Hyper(again, 78);
    CHECK(ParseErrorText(Hub::Frame(again).payload) == Cat("token already used: ", hub.token));
    hub.Hyper(again, 77);
    CHECK((hub.Request().stream & ~(uint64_t{1} << 63)) == 77);
}

}  // namespace cc::proxy
