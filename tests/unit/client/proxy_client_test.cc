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

// Plays the proxy for one connection, in a thread.
class Server {
  public:
    // `script` gets the accepted connection and the first whole frame's payload.
    explicit Server(std::function<void(int fd, const std::string& payload)> script)
        : listener_(ListenUnix(scratch_ / "proxy.sock", SOCK_STREAM, 0600).value()),
          thread_([this, script = std::move(script)] { Serve(script); }) {}
    ~Server() { thread_.join(); }
    Server(const Server&) = delete;
    Server& operator=(const Server&) = delete;

    ProxyClient Connect() const {
        return ProxyClient::Connect({.socket = scratch_ / "proxy.sock", .executable = ""}).value();
    }

  private:
    void Serve(const std::function<void(int, const std::string&)>& script) {
        pollfd waiting{listener_.get(), POLLIN, 0};
        if (::poll(&waiting, 1, 60000) != 1) return;
        const Fd fd = Fd::Adopt(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
        ClientFrameDecoder decoder;
        std::array<char, 4096> bytes{};
        while (true) {
            const auto frame = decoder.Next();
            if (frame && *frame) return script(fd.get(), std::string((*frame)->payload));
            const ssize_t count = ::read(fd.get(), bytes.data(), bytes.size());
            if (count <= 0) return;
            decoder.Push({bytes.data(), static_cast<size_t>(count)});
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

TEST_CASE("a response that is not JSON is an error of the response") {
    Server server([](int fd, const std::string&) {
        CHECK(WriteAll(fd, EncodeResponse(ClientCommand::kAttachVm, "nonsense")));
    });
    auto client = server.Connect();
    CHECK(Contains(client.AttachVm({"web", 0}, kPatience).error(), "invalid JSON"));
}

}  // namespace cc
