// SPDX-License-Identifier: Apache-2.0
// Descriptors from peers, on real sockets.
#include "proxy/socket_world.h"

#include <filesystem>

#include <fcntl.h>

#include "base/uv/loop.h"
#include "proxy/ancillary.h"
#include "tests/fakes/fake_agent.h"
#include "tests/unit/proxy/real_server.h"

namespace cc::proxy {
namespace {

size_t OpenDescriptors() {
    const auto begin = std::filesystem::directory_iterator("/proc/self/fd");
    return static_cast<size_t>(std::distance(begin, {}));
}

void Set(int socket, int option) {
    const int on = 1;
    REQUIRE(::setsockopt(socket, SOL_SOCKET, option, &on, sizeof on) == 0);
}

std::string Read(int socket, Ancillary& beside) {
    std::array<char, 100> buffer{};
    const ssize_t count = ReceiveAncillary(socket, buffer, beside);
    return count < 0 ? "error" : std::string(buffer.data(), static_cast<size_t>(count));
}

// Counts what it hears.
struct Ear final : StreamHandler {
    explicit Ear(uv::Loop& its_loop) : loop(its_loop) {}
    void OnData(std::string_view bytes) override {
        heard += bytes;
        loop.Stop();
    }
    void OnDescriptor(Fd) override { ++descriptors; }
    void OnEnd(const Result<void>&) override { loop.Stop(); }
    void OnDrained() override { loop.Stop(); }
    void OnHangup() override {}
    uv::Loop& loop;
    std::string heard;
    int descriptors = 0;
};

}  // namespace

TEST_CASE("one descriptor is handed on, of more none, and none stays open") {
    const FdPair pair = MakeSocketPair(SOCK_STREAM).value();
    const size_t before = OpenDescriptors();
    Ancillary beside;
    CHECK(Read(pair.second.get(), beside) == "error");
    CHECK(errno == EAGAIN);
    for (const size_t count : {0U, 1U, 2U, 5U, 100U}) {
        const std::vector<int> fds(count, 0);
        REQUIRE(SendWithFds(pair.first.get(), "bytes", fds));
        REQUIRE(SendWithFds(pair.first.get(), "more", {}));
        std::string heard;
        bool one = false;
        while (heard.size() < 9) {
            heard += Read(pair.second.get(), beside);
            if (!beside.descriptor) continue;
            one = true;
            CHECK(heard == "bytes");
            CHECK(::fcntl(beside.descriptor.get(), F_GETFD) == FD_CLOEXEC);
        }
        CHECK(one == (count == 1));
        beside = {};
        CHECK(OpenDescriptors() == before);
    }
}

TEST_CASE("what a socket's other holder makes the kernel add is closed, too") {
    const FdPair pair = MakeSocketPair(SOCK_STREAM).value();
    const size_t before = OpenDescriptors();
    const int on = 1;
    // SO_PASSPIDFD, Linux 6.5: a pidfd with each message.
    if (::setsockopt(pair.second.get(), SOL_SOCKET, 76, &on, sizeof on) < 0) return;
    Ancillary beside;
    for (int i = 0; i < 10; ++i) {
        REQUIRE(WriteAll(pair.first.get(), "x"));
        CHECK(Read(pair.second.get(), beside) == "x");
        CHECK_FALSE(beside.descriptor);
    }
    CHECK(OpenDescriptors() == before);
}

TEST_CASE("the sender is who sends, not who made the socket pair") {
    const FdPair pair = MakeSocketPair(SOCK_STREAM).value();
    Set(pair.second.get(), SO_PASSCRED);
    const pid_t child = ::fork();
    if (child == 0) ::_exit(::write(pair.first.get(), "x", 1) == 1 ? 0 : 1);
    REQUIRE(::waitpid(child, nullptr, 0) == child);
    Ancillary beside;
    CHECK(Read(pair.second.get(), beside) == "x");
    CHECK(beside.sender == child);
}

TEST_CASE("a client that sends descriptors nobody asked for leaves none in the proxy") {
    RealServer server;
    test::FakeAgent agent(server.folder.path, {.extension = 1});
    RealClient client(server.socket);
    REQUIRE(client.Ask(ClientCommand::kRegisterVm,
                       Encode(RegisterVm{"vm", agent.control_path(), agent.io_path(), "", 0})) ==
            "");
    const size_t before = OpenDescriptors();
    for (const int count : {1, 5}) {
        const std::vector<int> fds(static_cast<size_t>(count), client.fd());
        for (int i = 0; i < 1000; ++i) {
            const AttachVm request{i % 2 == 0 ? "vm" : "none", 0, i % 4 == 0};
            REQUIRE(SendWithFds(client.fd(),
                                EncodeCommand(ClientCommand::kAttachVm, Encode(request)), fds));
            REQUIRE(client.Next());
        }
    }
    // The answer may overtake the closing of its descriptor; the next one does not.
    REQUIRE(client.Call(ClientCommand::kAttachVm, Encode(AttachVm{"vm", 0})).payload != "");
    CHECK(OpenDescriptors() == before);
}

TEST_CASE("a passed connection cannot make the proxy wait, and knows its sender") {
    uv::Loop loop;
    SocketWorld world(loop, RecordFolder(""), [] {});
    FdPair pair = MakeSocketPair(SOCK_STREAM).value();
    // Whoever has passed it holds it still.
    const Fd held = pair.second.Duplicate().value();
    auto stream = world.TakeConnection(std::move(pair.second));
    REQUIRE(stream);
    Ear ear(loop);
    (*stream)->SetHandler(&ear);
    REQUIRE(::fcntl(held.get(), F_SETFL, 0) == 0);
    std::string bytes(4 << 20, 'x');
    const iovec slice{bytes.data(), bytes.size()};
    (*stream)->Write({&slice, 1});
    CHECK((*stream)->queued() > 0);
    const pid_t child = ::fork();
    if (child == 0) {
        const int fds[] = {0, 1};
        ::_exit(SendWithFds(pair.first.get(), "hello", fds) ? 0 : 1);
    }
    REQUIRE(::waitpid(child, nullptr, 0) == child);
    const size_t before = OpenDescriptors();
    loop.Run();
    CHECK(ear.heard == "hello");
    CHECK(ear.descriptors == 0);
    CHECK(OpenDescriptors() == before);
    REQUIRE(WriteAll(pair.first.get(), "again"));
    loop.Run();
    CHECK(ear.heard == "helloagain");
    CHECK_FALSE((*stream)->peer_process());  // the child has gone, and it is not asked again

    FdPair other = MakeSocketPair(SOCK_STREAM).value();
    auto own = world.TakeConnection(std::move(other.second));
    REQUIRE(own);
    (*own)->SetHandler(&ear);
    REQUIRE(WriteAll(other.first.get(), "mine"));
    loop.Run();
    REQUIRE((*own)->peer_process());
    CHECK((*own)->peer_process()->pid() == ::getpid());
}

}  // namespace cc::proxy
