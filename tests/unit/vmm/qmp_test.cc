// SPDX-License-Identifier: Apache-2.0
#include "vmm/qemu/qmp.h"

#include <optional>

#include <sys/socket.h>

#include "tests/unit/vmm/fixtures.h"

namespace cc::qemu {

namespace {

constexpr std::string_view kGreeting =
    "{\"QMP\": {\"version\": {}, \"capabilities\": [\"oob\"]}}\r\n";

// A client in a loop, and the other end of its stream for the test to play QEMU on.
struct Rig {
    uv::Loop loop;
    Fd peer;
    std::unique_ptr<QmpClient> client;
    uv::Timer patience{loop, [this] { loop.Stop(); }};
    bool ready = false;
    std::vector<QmpEvent> events;
    std::optional<Result<void>> end;

    Rig() {
        auto pair = MakeSocketPair(SOCK_STREAM);
        REQUIRE(pair);
        peer = std::move(pair->second);
        REQUIRE(SetNonBlocking(peer.get()));
        auto opened = QmpClient::Open(loop, std::move(pair->first),
                                      {.on_ready =
                                           [this] {
                                               ready = true;
                                               loop.Stop();
                                           },
                                       .on_event =
                                           [this](const QmpEvent& event) {
                                               events.push_back(event);
                                               loop.Stop();
                                           },
                                       .on_end =
                                           [this](Result<void> how) {
                                               end = std::move(how);
                                               loop.Stop();
                                           }});
        REQUIRE(opened);
        client = std::move(*opened);
    }
    void Say(std::string_view text) { REQUIRE(WriteAll(peer.get(), text)); }
    // Until something happens, or for good when nothing does.
    void Turn() {
        patience.Start(std::chrono::seconds(10));
        loop.Run();
    }
    std::string Heard() {
        std::string text(65536, '\0');
        const ssize_t count = ::recv(peer.get(), text.data(), text.size(), 0);
        text.resize(count > 0 ? static_cast<size_t>(count) : 0);
        return text;
    }
    void Greet() {
        Say(kGreeting);
        Say("{\"return\": {}, \"id\": 1}\r\n");
        while (!ready && !end)
            Turn();
        REQUIRE(ready);
        CHECK(Heard() == "{\"execute\":\"qmp_capabilities\",\"id\":1}\n");
    }
    std::optional<Result<std::string>> Ask(
        std::string_view command, std::string_view reply,
        std::chrono::milliseconds deadline = std::chrono::seconds(10)) {
        std::optional<Result<std::string>> answer;
        client->Execute(command, "", deadline, [&](Result<std::string> how) {
            answer = std::move(how);
            loop.Stop();
        });
        Say(reply);
        while (!answer)
            Turn();
        return answer;
    }
};

}  // namespace

TEST_CASE("a greeting and an agreement make a client ready, however the bytes are split") {
    Rig rig;
    const std::string all = Cat(kGreeting, "{\"return\": {}, \"id\": 1}\r\n");
    for (const char c : all) {
        rig.Say(std::string_view(&c, 1));
        uv_run(rig.loop.raw(), UV_RUN_NOWAIT);
    }
    while (!rig.ready && !rig.end)
        rig.Turn();
    CHECK(rig.ready);
}

TEST_CASE("answers find their questions by id, in any order, with events in between") {
    Rig rig;
    rig.Greet();
    std::string first, second;
    rig.client->Execute("query-status", "", std::chrono::seconds(10),
                        [&](const Result<std::string>& how) { first = how.value_or("failed"); });
    rig.client->Execute(
        "device_add", "{\"driver\":\"x\"}", std::chrono::seconds(10),
        [&](const Result<std::string>& how) { second = how ? "unexpected" : how.error().message; });
    rig.Say(
        "{\"id\": 3, \"error\": {\"class\": \"GenericError\", \"desc\": \"no such "
        "\\u001b[31mdriver\"}}\r\n"
        "{\"event\": \"SHUTDOWN\", \"data\": {\"guest\": true, \"reason\": \"guest-reset\"}, "
        "\"timestamp\": {}}\r\n"
        "{\"return\": {\"running\": true}, \"id\": 2}\r\n");
    while (first.empty() && !rig.end)
        rig.Turn();
    CHECK(first == "{\"running\":true}");
    CHECK(second == "device_add: no such \\x1b[31mdriver");
    REQUIRE(rig.events.size() == 1);
    CHECK(rig.events[0].name == "SHUTDOWN");
    CHECK(rig.events[0].reason == "guest-reset");
    CHECK(rig.Heard() ==
          "{\"execute\":\"query-status\",\"id\":2}\n"
          "{\"execute\":\"device_add\",\"arguments\":{\"driver\":\"x\"},\"id\":3}\n");
}

TEST_CASE(
    "an answer that does not come in time is an error that names the command and the deadline") {
    Rig rig;
    rig.Greet();
    auto answer = rig.Ask("stop", "", std::chrono::milliseconds(20));
    CHECK(test::ErrorOf(*answer) == "stop: no answer within 20 ms");
    // The late answer disturbs nothing.
    answer = rig.Ask("cont", "{\"return\": {}, \"id\": 2}\r\n{\"return\": {}, \"id\": 3}\r\n");
    CHECK(*answer);
}

TEST_CASE("what is no QMP ends the client with an error that can be shown on a terminal") {
    for (const auto* garbage :
         {"\x1b[2Jnot json\n", "[1,2]\n", "{\"QMP\"\n", "{}\n", "\"text\"\n"}) {
        CAPTURE(garbage);
        Rig rig;
        rig.Say(garbage);
        while (!rig.end)
            rig.Turn();
        const auto message = test::ErrorOf(*rig.end);
        CHECK(test::Contains(message, "control socket"));
        CHECK_FALSE(test::Contains(message, "\x1b"));
        CHECK_FALSE(rig.ready);
    }
}

TEST_CASE("a message without end is cut off") {
    Rig rig;
    const std::string piece(64 * 1024, 'x');
    for (int i = 0; i < 64 && !rig.end; ++i) {
        (void)!::send(rig.peer.get(), piece.data(), piece.size(), MSG_NOSIGNAL);
        uv_run(rig.loop.raw(), UV_RUN_NOWAIT);
    }
    REQUIRE(rig.end);
    CHECK(test::Contains(test::ErrorOf(*rig.end), "more than"));
}

TEST_CASE("commands that wait when the stream ends fail, and later ones at once") {
    Rig rig;
    rig.Greet();
    std::string waiting, late;
    rig.client->Execute("stop", "", std::chrono::seconds(10),
                        [&](const Result<std::string>& how) { waiting = test::ErrorOf(how); });
    rig.peer.Reset();
    while (!rig.end)
        rig.Turn();
    CHECK(*rig.end);
    CHECK(test::Contains(waiting, "closed its control socket"));
    rig.client->Execute("cont", "", std::chrono::seconds(10),
                        [&](const Result<std::string>& how) { late = test::ErrorOf(how); });
    CHECK(test::Contains(late, "closed"));
}

}  // namespace cc::qemu
