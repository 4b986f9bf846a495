// SPDX-License-Identifier: Apache-2.0
// The socket of those who look at the proxy.
#include "proxy/status_server.h"

#include <sys/stat.h>

#include "tests/unit/proxy/real_server.h"

namespace cc::proxy {
namespace {

// A caller that says `request` and then listens to the end.
std::string Ask(const std::string& path, std::string_view request) {
    const Fd fd = ConnectUnix(path, SOCK_STREAM).value();
    (void)WriteAll(fd.get(), request);
    return ReadAll(fd.get(), 64 << 20).value_or("broken");
}

// The server alone, in a thread.
class Alone {
  public:
    explicit Alone(std::chrono::milliseconds deadline = StatusServer::kDeadline)
        : path(folder.path + "/m.sock") {
        stop_ = MakePipe().value();
        auto ready = MakePipe().value();
        thread_ = std::thread([this, deadline, fd = ready.second.get()] {
            uv::Loop loop;
            uv::Poll stop(loop, [&](int) { loop.Stop(); });
            (void)stop.Open(stop_.first.get());
            stop.Start(UV_READABLE);
            const auto server = StatusServer::Open(
                loop, path,
                [](std::string_view page) -> std::optional<StatusPage> {
                    if (page == "/small") return StatusPage{"text/plain", "hello\n"};
                    if (page == "/large")
                        return StatusPage{"text/plain", std::string(8 << 20, 'x')};
                    return std::nullopt;
                },
                deadline);
            (void)WriteAll(fd, server ? "y" : "n");
            loop.Run();
        });
        char answer = 'n';
        REQUIRE(::read(ready.first.get(), &answer, 1) == 1);
        REQUIRE(answer == 'y');
    }
    ~Alone() { Stop(); }
    void Stop() {
        stop_.second.Reset();
        if (thread_.joinable()) thread_.join();
    }
    TemporaryFolder folder;
    const std::string path;

  private:
    FdPair stop_;
    std::thread thread_;
};

TEST_CASE("the status socket stands beside the proxy's") {
    CHECK(StatusSocketPath("/run/cc/proxy.sock") == "/run/cc/proxy.metrics.sock");
    CHECK(StatusSocketPath("/run/cc/proxy") == "/run/cc/proxy.metrics.sock");
}

TEST_CASE("a GET is answered with a page, everything else with what is wrong") {
    const Alone server;
    CHECK(Ask(server.path, "GET /small HTTP/1.1\r\nHost: localhost\r\nAccept: */*\r\n\r\n") ==
          "HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 6\r\n"
          "Connection: close\r\n\r\nhello\n");
    CHECK(Ask(server.path, "GET /small HTTP/1.0\n\n").ends_with("\r\n\r\nhello\n"));
    CHECK(Ask(server.path, "GET /large HTTP/1.0\r\n\r\n").size() > 8 << 20);
    CHECK(Ask(server.path, "GET /none HTTP/1.0\r\n\r\n").starts_with("HTTP/1.0 404 "));
    CHECK(Ask(server.path, "POST /small HTTP/1.0\r\n\r\n").starts_with("HTTP/1.0 405 "));
    CHECK(Ask(server.path, "hello\n\n").starts_with("HTTP/1.0 400 "));
    CHECK(Ask(server.path, std::string("\0\0\0\x02\n\n", 6)).starts_with("HTTP/1.0 400 "));
    CHECK(Ask(server.path, std::string(StatusServer::kMaxRequest + 1, 'x'))
              .starts_with("HTTP/1.0 400 "));
}

TEST_CASE("a request may come in pieces, and its caller may say no more after it") {
    const Alone server;
    const Fd fd = ConnectUnix(server.path, SOCK_STREAM).value();
    for (const char c : std::string_view("GET /large HTTP/1.0\r\n\r\n"))
        REQUIRE(WriteAll(fd.get(), {&c, 1}));
    ::shutdown(fd.get(), SHUT_WR);
    CHECK(ReadAll(fd.get(), 64 << 20).value().size() > 8 << 20);
}

TEST_CASE("a caller that says nothing, or does not read its answer, is closed at the deadline") {
    const Alone server(std::chrono::milliseconds(50));
    CHECK(Ask(server.path, "") == "");
    CHECK(Ask(server.path, "GET /small").empty());
    const Fd stuck = ConnectUnix(server.path, SOCK_STREAM).value();
    REQUIRE(WriteAll(stuck.get(), "GET /large HTTP/1.0\r\n\r\n"));
    pollfd gone{stuck.get(), POLLRDHUP, 0};
    CHECK(::poll(&gone, 1, kPatience) == 1);
    CHECK(ReadAll(stuck.get(), 64 << 20).value_or("").size() < 8 << 20);
}

TEST_CASE(
    "callers beyond the bound are closed at once, and others are served when they have gone") {
    const Alone server;
    std::vector<Fd> waiting;
    for (size_t i = 0; i < StatusServer::kMaxCallers; ++i)
        waiting.push_back(ConnectUnix(server.path, SOCK_STREAM).value());
    const Fd beyond = ConnectUnix(server.path, SOCK_STREAM).value();
    CHECK(ReadAll(beyond.get(), 100).value_or("broken").empty());
    waiting.pop_back();
    // The server notices an end and a new caller in either order.
    std::string answer;
    for (int i = 0; i < kPatience / 10 && !answer.starts_with("HTTP/1.0 200 "); ++i) {
        answer = Ask(server.path, "GET /small HTTP/1.0\r\n\r\n");
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    CHECK(answer.ends_with("hello\n"));
}

TEST_CASE("the status socket is its own user's, is removed at the end, and no other is") {
    Alone server;
    struct stat status {};
    REQUIRE(::stat(server.path.c_str(), &status) == 0);
    CHECK((status.st_mode & 07777) == 0600);
    server.Stop();
    CHECK_FALSE(Exists(server.path));

    Alone other;
    REQUIRE(::unlink(other.path.c_str()) == 0);
    const Fd successor = ListenUnix(other.path, SOCK_STREAM, 0600).value();
    other.Stop();
    CHECK(Exists(other.path));
}

TEST_CASE("a proxy's metrics and status can be asked for while it serves") {
    RealServer server;
    const std::string path = StatusSocketPath(server.socket);
    RealClient client(server.socket);
    CHECK(client.Ask(ClientCommand::kAttachVm, Encode(AttachVm{"none", 0})) != "");
    const std::string metrics = Ask(path, "GET /metrics HTTP/1.0\r\n\r\n");
    CHECK(metrics.find("Content-Type: text/plain; version=0.0.4") != std::string::npos);
    CHECK(metrics.find("\ncc_proxy_command_errors_total{command=\"AttachVM\"} 1\n") !=
          std::string::npos);
    CHECK(Ask(path, "GET /status HTTP/1.0\r\n\r\n").find("\"clients\":1,") != std::string::npos);
    CHECK(Ask(path, "GET / HTTP/1.0\r\n\r\n").starts_with("HTTP/1.0 404 "));
}

TEST_CASE("callers of the status socket do not keep an idle server") {
    RealServer server(std::chrono::milliseconds(50));
    auto client = std::make_unique<RealClient>(server.socket);
    CHECK(client->Ask(ClientCommand::kAttachVm, Encode(AttachVm{"none", 0})) != "");
    const Fd caller = ConnectUnix(StatusSocketPath(server.socket), SOCK_STREAM).value();
    client.reset();
    server.Join();
    CHECK(server.ended);
}

}  // namespace
}  // namespace cc::proxy
