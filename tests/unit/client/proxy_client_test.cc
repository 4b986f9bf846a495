// SPDX-License-Identifier: Apache-2.0
// The client against a scripted server on a real socket.
#include "client/proxy_client.h"

#include <array>
#include <csignal>
#include <thread>

#include <doctest/doctest.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/process.h"
#include "base/text.h"
#include "tests/scratch.h"

namespace cc {
namespace {

using namespace std::chrono_literals;

constexpr auto kPatience = 60s;

// Of the next frame; nothing when the client went away.
std::optional<std::string> NextPayload(int fd) {
    ClientFrameDecoder decoder;
    std::array<char, 4096> bytes{};
    while (true) {
        const auto frame = decoder.Next();
        if (frame && *frame) return std::string((*frame)->payload);
        const ssize_t count = ::read(fd, bytes.data(), bytes.size());
        if (count <= 0) return std::nullopt;
        decoder.Push({bytes.data(), static_cast<size_t>(count)});
    }
}

// Plays the proxy for one connection after another, in a thread, and is gone after the last.
class Server {
  public:
    // A script gets the accepted connection and the first whole frame's payload.
    using Script = std::function<void(int fd, const std::string& payload)>;
    explicit Server(Script script) : Server(std::vector<Script>{std::move(script)}) {}
    explicit Server(std::vector<Script> scripts)
        : listener_(ListenUnix(scratch_ / "proxy.sock", SOCK_STREAM, 0600).value()),
          thread_([this, scripts = std::move(scripts)] { Serve(scripts); }) {}
    ~Server() { thread_.join(); }
    Server(const Server&) = delete;
    Server& operator=(const Server&) = delete;

    ProxyClient Connect() const {
        return ProxyClient::Connect({.socket = scratch_ / "proxy.sock", .executable = ""}).value();
    }

  private:
    void Serve(const std::vector<Script>& scripts) {
        for (size_t i = 0; i < scripts.size(); ++i) {
            pollfd waiting{listener_.get(), POLLIN, 0};
            if (::poll(&waiting, 1, 60000) != 1) return;
            const Fd fd = Fd::Adopt(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
            if (i + 1 == scripts.size()) listener_.Reset();
            if (const auto payload = NextPayload(fd.get())) scripts[i](fd.get(), *payload);
        }
    }

    test::Scratch scratch_;
    Fd listener_;
    std::thread thread_;
};

void WaitForClose(int fd) {
    char byte = 0;
    while (::read(fd, &byte, 1) > 0) {
    }
}

bool Contains(const Error& error, std::string_view part) {
    return error.message.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("commands are sent as they are on the wire and responses are understood") {
    std::string request;
    const std::string token(43, 'A');
    Server server([&](int fd, const std::string& payload) {
        request = payload;
        const std::string answer = R"({"io":{"URL":"unix:///p","tokens":[")" + token +
                                   R"(="]},"agent":{"startedMs":1200,"readyMs":1250}})";
        CHECK(WriteAll(fd, EncodeResponse(ClientCommand::kRegisterVm, answer)));
    });
    auto client = server.Connect();
    const auto response = client.RegisterVm({"web", "/c", "/i", "", 1}, kPatience);
    REQUIRE_MESSAGE(response, response.error().message);
    CHECK(request == R"({"containerId":"web","ctlSerial":"/c","ioSerial":"/i","numIOStreams":1})");
    CHECK(response->url == "unix:///p");
    CHECK(response->tokens == std::vector<std::string>{token + "="});
    CHECK(response->agent->ready_ms == 1250);
}

TEST_CASE("a connection goes with AttachVM once; a proxy that does not know of it takes none") {
    FdPair pair = MakeSocketPair(SOCK_STREAM).value();
    std::vector<std::string> requests;
    const auto hang_up = [&](int, const std::string& payload) { requests.push_back(payload); };
    // As one of 3.0: reads without taking descriptors, answers without the member.
    const auto answer = [&](int fd, const std::string& payload) {
        requests.push_back(payload);
        CHECK(WriteAll(fd, EncodeResponse(ClientCommand::kAttachVm,
                                          R"({"io":{"URL":"unix:///p","tokens":["t"]}})")));
    };
    Server server({hang_up, answer});
    auto client = server.Connect();
    const auto response = client.AttachVm({"web", 1}, kPatience, pair.second.get());
    REQUIRE_MESSAGE(response, response.error().message);
    CHECK_FALSE(response->connection);
    CHECK(requests == std::vector<std::string>(
                          2, R"({"containerId":"web","numIOStreams":1,"connection":true})"));
    pair.second.Reset();
    char byte = 0;
    CHECK(::read(pair.first.get(), &byte, 1) == 0);  // nobody has it any more
}

TEST_CASE("a response may arrive in any pieces") {
    Server server([](int fd, const std::string&) {
        const std::string bytes = EncodeResponse(ClientCommand::kHyper, std::string(100, 'r'));
        for (const char byte : bytes)
            CHECK(WriteAll(fd, {&byte, 1}));
    });
    auto client = server.Connect();
    CHECK(client.Hyper({"ping", {}, ""}, kPatience) == std::string(100, 'r'));
}

TEST_CASE("an error response is the error, in the proxy's words, and the connection stays good") {
    Server server([](int fd, const std::string&) {
        CHECK(WriteAll(fd, EncodeResponse(ClientCommand::kAttachVm,
                                          EncodeErrorText("unknown containerID: web"), true)));
        std::array<char, 4096> bytes{};
        CHECK(::read(fd, bytes.data(), bytes.size()) > 0);
        CHECK(WriteAll(fd, EncodeResponse(ClientCommand::kUnregisterVm, "")));
    });
    auto client = server.Connect();
    const auto attached = client.AttachVm({"web", 1}, kPatience);
    REQUIRE_FALSE(attached);
    CHECK(attached.error().message == "unknown containerID: web");
    CHECK(client.UnregisterVm({"web"}, kPatience));
}

TEST_CASE("a silent proxy is an error at the deadline, and what it says later is not believed") {
    Server server([](int fd, const std::string&) { WaitForClose(fd); });
    auto client = server.Connect();
    const auto answer = client.Hyper({"ping", {}, ""}, 30ms);
    REQUIRE_FALSE(answer);
    CHECK(answer.error().code == ETIMEDOUT);
    CHECK(Contains(answer.error(), "waiting for cc-proxy"));
    const auto second = client.Hyper({"ping", {}, ""}, kPatience);
    REQUIRE_FALSE(second);
    CHECK(Contains(second.error(), "given up after an earlier error"));
}

TEST_CASE("a proxy that does not even read is an error at the deadline") {
    const test::Scratch scratch;
    const Fd listener = ListenUnix(scratch / "s", SOCK_STREAM, 0600).value();  // accepts nobody
    auto client = ProxyClient::Connect({.socket = scratch / "s", .executable = ""}).value();
    const auto answer =
        client.Hyper({"newcontainer", {}, "\"" + std::string(4000000, 'x') + "\""}, 50ms);
    REQUIRE_FALSE(answer);
    CHECK(answer.error().code == ETIMEDOUT);
    CHECK(Contains(answer.error(), "sending to cc-proxy"));
}

TEST_CASE("a proxy that closes, or sends what nobody asked for, is an error that says so") {
    {
        Server server([](int, const std::string&) {});
        auto client = server.Connect();
        CHECK(Contains(client.UnregisterVm({"web"}, kPatience).error(), "cc-proxy"));
    }
    for (const std::string& bytes :
         {EncodeResponse(ClientCommand::kAttachVm, "{}"), EncodeStream(StreamKind::kStdout, "x"),
          EncodeCommand(ClientCommand::kHyper, "{}"), std::string("HTTP/1.1 400 Bad Request\r\n"),
          EncodeResponse(ClientCommand::kHyper, "").substr(0, 7)}) {
        Server server([&](int fd, const std::string&) { CHECK(WriteAll(fd, bytes)); });
        auto client = server.Connect();
        CHECK_FALSE(client.Hyper({"ping", {}, ""}, kPatience));
    }
}

namespace {

void Answer(int fd, ClientCommand command, std::string_view payload) {
    CHECK(WriteAll(fd, EncodeResponse(command, payload)));
}
void Refuse(int fd, ClientCommand command, const std::string& text) {
    CHECK(WriteAll(fd, EncodeResponse(command, EncodeErrorText(text), true)));
}

}  // namespace

TEST_CASE("a command whose proxy dies is repeated at the next one, attached and with the same id") {
    std::vector<uint64_t> ids;
    const auto note = [&](const std::string& payload) {
        const auto hyper = ParseHyper(payload);
        REQUIRE(hyper);
        CHECK(hyper->data == R"({"a":1})");
        ids.push_back(hyper->request_id);
    };
    const auto attach = [](int fd, const std::string& payload) {
        CHECK(payload == R"({"containerId":"web"})");
        Answer(fd, ClientCommand::kAttachVm, "{}");
    };
    Server server(
        {[&](int fd, const std::string&) {
             Answer(fd, ClientCommand::kAttachVm, "{}");
             note(NextPayload(fd).value());
         },
         [&](int, const std::string& payload) { CHECK(payload == R"({"containerId":"web"})"); },
         [&](int fd, const std::string& payload) {
             attach(fd, payload);
             note(NextPayload(fd).value());
         },
         [&](int fd, const std::string& payload) {
             attach(fd, payload);
             note(NextPayload(fd).value());
             Answer(fd, ClientCommand::kHyper, "done");
             note(NextPayload(fd).value());
             Answer(fd, ClientCommand::kHyper, "and again");
         }});
    auto client = server.Connect();
    REQUIRE(client.AttachVm({"web", 1}, kPatience));
    CHECK(client.Hyper({"startpod", {}, R"({"a":1})"}, kPatience) == "done");
    CHECK(client.Hyper({"startpod", {}, R"({"a":1})"}, kPatience) == "and again");
    REQUIRE(ids.size() == 4);
    CHECK(ids[0] != 0);
    CHECK(ids[0] == ids[1]);
    CHECK(ids[1] == ids[2]);
    CHECK(ids[2] != ids[3]);
}

TEST_CASE("a command is not repeated when the next proxy does not know the VM, or there is none") {
    Server server({[](int fd, const std::string&) {
                       Answer(fd, ClientCommand::kAttachVm, "{}");
                       CHECK(NextPayload(fd));
                   },
                   [](int fd, const std::string&) {
                       Refuse(fd, ClientCommand::kAttachVm, "unknown containerID: web");
                   }});
    auto client = server.Connect();
    REQUIRE(client.AttachVm({"web", 1}, kPatience));
    const auto answer = client.Hyper({"ping", {}, ""}, kPatience);
    REQUIRE_FALSE(answer);
    CHECK(answer.error().message == "cc-proxy closed the connection: unknown containerID: web");
    CHECK(Contains(client.Hyper({"ping", {}, ""}, kPatience).error(), "given up"));
}

TEST_CASE("a registration that was carried out before the proxy died becomes an attachment") {
    const auto taken = [](int fd, const std::string&) {
        Refuse(fd, ClientCommand::kRegisterVm, "web: container already registered");
    };
    Server server({[](int, const std::string&) {},
                   [&](int fd, const std::string& payload) {
                       taken(fd, payload);
                       CHECK(NextPayload(fd) == R"({"containerId":"web","numIOStreams":1})");
                       Answer(fd, ClientCommand::kAttachVm, R"({"io":{"URL":"u","tokens":["t"]}})");
                   }});
    auto client = server.Connect();
    const auto registered = client.RegisterVm({"web", "/c", "/i", "", 1}, kPatience);
    REQUIRE_MESSAGE(registered, registered.error().message);
    CHECK(registered->tokens == std::vector<std::string>{"t"});

    // Said at once it is another's, and an error.
    Server other(taken);
    auto second = other.Connect();
    CHECK(Contains(second.RegisterVm({"web", "/c", "/i", "", 1}, kPatience).error(), "already"));
}

TEST_CASE("of a VM that is unknown when its removal is repeated, the removal is done") {
    const auto unknown = [](int fd, const std::string&) {
        Refuse(fd, ClientCommand::kUnregisterVm, "unknown containerID: web");
    };
    Server server({[](int, const std::string&) {}, unknown});
    auto client = server.Connect();
    CHECK(client.UnregisterVm({"web"}, kPatience));
    Server other(unknown);
    auto second = other.Connect();
    CHECK_FALSE(second.UnregisterVm({"web"}, kPatience));
}

TEST_CASE("a proxy that dies each time is an error at the deadline") {
    Server server(std::vector<Server::Script>(
        3, [](int fd, const std::string&) { Answer(fd, ClientCommand::kAttachVm, "{}"); }));
    auto client = server.Connect();
    REQUIRE(client.AttachVm({"web", 1}, kPatience));
    const auto answer = client.Hyper({"ping", {}, ""}, kPatience);
    REQUIRE_FALSE(answer);
    CHECK(Contains(answer.error(), "connecting to cc-proxy"));
}

TEST_CASE("a command that no proxy takes is not sent") {
    Server server([](int fd, const std::string&) {
        Answer(fd, ClientCommand::kAttachVm, "{}");
        CHECK_FALSE(NextPayload(fd));
    });
    {
        auto client = server.Connect();
        REQUIRE(client.AttachVm({"web", 0}, kPatience));
        const auto answer =
            client.Hyper({"newcontainer", {}, std::string(5 << 20, '1')}, kPatience);
        REQUIRE_FALSE(answer);
        CHECK(answer.error().code == EMSGSIZE);
    }
}

TEST_CASE("a response that is not JSON is an error of the response") {
    Server server([](int fd, const std::string&) {
        CHECK(WriteAll(fd, EncodeResponse(ClientCommand::kAttachVm, "nonsense")));
    });
    auto client = server.Connect();
    CHECK(Contains(client.AttachVm({"web", 0}, kPatience).error(), "invalid JSON"));
}

}  // namespace cc
