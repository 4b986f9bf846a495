// SPDX-License-Identifier: Apache-2.0
// The rules of the streams and of a host that comes and goes, over sockets, with the loop on a
// thread of its own.
#include <thread>

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent/io_channel.h"
#include "base/text.h"
#include "tests/unit/agent/host_side.h"

namespace cc::agent {

namespace {

// An I/O channel that serves a socket; `work` runs in the loop's thread before it starts, and is
// over when the loop stops.
class ChannelWorld {
  public:
    ChannelWorld() {
        auto listening = ListenUnix(scratch_ / "io", SOCK_STREAM, 0600);
        REQUIRE(listening);
        auto port = Port::Serve(loop, std::move(*listening), channel.PortCallbacks());
        REQUIRE(port);
        channel.Use(std::move(*port));
    }
    void Run() {
        thread_ = std::thread([this] { loop.Run(); });
    }
    ~ChannelWorld() {
        ::uv_async_send(&stop_);
        if (thread_.joinable()) thread_.join();
        ::uv_close(reinterpret_cast<uv_handle_t*>(&stop_), nullptr);
        ::uv_run(loop.raw(), UV_RUN_NOWAIT);
    }
    Fd Connect() const {
        auto connected = ConnectUnix(scratch_ / "io", SOCK_STREAM);
        REQUIRE(connected);
        return std::move(*connected);
    }

    test::Scratch scratch_;
    uv::Loop loop;
    IoChannel channel{loop};

  private:
    static void Stop(uv_async_t* handle) { ::uv_stop(handle->loop); }
    std::thread thread_;
    uv_async_t stop_ = [this] {
        uv_async_t handle{};
        return handle;
    }();
    const int started_ = ::uv_async_init(loop.raw(), &stop_, Stop);
};

std::string ReadExactly(int fd, size_t count) {
    std::string bytes;
    while (bytes.size() < count) {
        std::string more(count - bytes.size(), '\0');
        const ssize_t got = ::read(fd, more.data(), more.size());
        if (got <= 0) break;
        bytes.append(more, 0, static_cast<size_t>(got));
    }
    return bytes;
}

}  // namespace

TEST_CASE("output on both streams comes before the end and the exit code") {
    ChannelWorld world;
    Session& session = world.channel.Add(3, 4);
    auto streams = session.MakePipes();
    REQUIRE(streams);
    REQUIRE(WriteAll(streams->out.get(), "out"));
    REQUIRE(WriteAll(streams->err.get(), "err"));
    *streams = {};
    session.Exited(7 << 8);  // known before the first byte was read
    const Fd host = world.Connect();
    world.Run();
    const std::string ends = Cat(EncodeIo(3, ""), EncodeIo(3, "\x07"));
    const std::string received = ReadExactly(host.get(), 2 * (kIoHeaderSize + 3) + ends.size());
    CHECK(received.find(EncodeIo(3, "out")) != std::string::npos);
    CHECK(received.find(EncodeIo(4, "err")) != std::string::npos);
    CHECK(received.ends_with(ends));
}

TEST_CASE("output that nobody is connected for waits in the pipe, and makes the process wait") {
    ChannelWorld world;
    Session& session = world.channel.Add(3, 4);
    auto streams = session.MakePipes();
    REQUIRE(streams);
    REQUIRE(SetNonBlocking(streams->out.get()));
    world.Run();
    const std::string block(4096, 'x');
    size_t written = 0;
    while (::write(streams->out.get(), block.data(), block.size()) > 0)
        written += block.size();
    CHECK(written <= 64 * 1024);
    const Fd host = world.Connect();
    std::string received;
    while (received.size() < written)
        received += ReadExactly(host.get(), kIoHeaderSize + 1);
    CHECK(received.starts_with(
        EncodeIo(3, std::string(kAgentIoChunk - kIoHeaderSize, 'x')).substr(0, 13)));
}

TEST_CASE("a host that stops reading bounds what is kept for it") {
    ChannelWorld world;
    Session& session = world.channel.Add(3, 4);
    auto streams = session.MakePipes();
    REQUIRE(streams);
    REQUIRE(SetNonBlocking(streams->out.get()));
    const Fd host = world.Connect();
    world.Run();
    const std::string block(65536, 'x');
    size_t written = 0;
    for (int idle = 0; idle < 50;) {
        const ssize_t count = ::write(streams->out.get(), block.data(), block.size());
        if (count > 0) {
            written += static_cast<size_t>(count);
            idle = 0;
        } else {
            ++idle;
            std::this_thread::sleep_for(std::chrono::milliseconds(2));
        }
    }
    // Queue, pipe, and the socket's own buffers.
    CHECK(written < 2 << 20);
    size_t received = 0;
    while (received < written) {
        char buffer[65536];
        const ssize_t count = ::read(host.get(), buffer, sizeof buffer);
        REQUIRE(count > 0);
        received += static_cast<size_t>(count);
    }
}

TEST_CASE("a frame that the host took half of is sent again whole on its next connection") {
    ChannelWorld world;
    Session& session = world.channel.Add(3, 4);
    auto streams = session.MakePipes();
    REQUIRE(streams);
    Fd first = world.Connect();
    world.Run();
    std::thread writer([&] { (void)WriteAll(streams->out.get(), std::string(2 << 20, 'y')); });
    CHECK(ReadExactly(first.get(), 100).size() == 100);
    first.Reset();
    const Fd second = world.Connect();
    const std::string header = ReadExactly(second.get(), kIoHeaderSize);
    CHECK(LoadBigEndian<8>(header, 0) == 3);
    const size_t length = LoadBigEndian<4>(header, 8);
    CHECK(length <= kAgentIoChunk);
    CHECK(ReadExactly(second.get(), length - kIoHeaderSize) ==
          std::string(length - kIoHeaderSize, 'y'));
    streams->out.Reset();
    std::thread reader([&] {
        char buffer[65536];
        while (::read(second.get(), buffer, sizeof buffer) > 0) {
        }
    });
    writer.join();
    ::shutdown(second.get(), SHUT_RDWR);
    reader.join();
}

TEST_CASE("a host that comes and goes at once does not keep the next one out") {
    ChannelWorld world;
    Session& session = world.channel.Add(3, 4);
    auto streams = session.MakePipes();
    REQUIRE(streams);
    world.Connect().Reset();
    world.Run();
    const Fd second = world.Connect();
    CHECK(WriteAll(streams->out.get(), "x"));
    CHECK(ReadExactly(second.get(), kIoHeaderSize + 1).ends_with('x'));
}

TEST_CASE("input reaches the process in order, and its end closes the pipe after it") {
    ChannelWorld world;
    Session& session = world.channel.Add(3, 4);
    auto streams = session.MakePipes();
    REQUIRE(streams);
    const Fd host = world.Connect();
    world.Run();
    std::thread writer([&] {
        for (int i = 0; i < 64; ++i)
            REQUIRE(WriteAll(host.get(),
                             EncodeIo(3, std::string(16 * 1024, static_cast<char>('a' + i % 26)))));
        REQUIRE(WriteAll(host.get(), EncodeIo(99, "for nobody")));
        REQUIRE(WriteAll(host.get(), EncodeIo(3, "")));
    });
    const auto input = ReadAll(streams->in.get(), 2 << 20);
    writer.join();
    REQUIRE(input);
    CHECK(input->size() == 64 * 16 * 1024);
    CHECK(input->at(16 * 1024) == 'b');
}

TEST_CASE("a process that does not read its input makes the host wait, until it ends") {
    ChannelWorld world;
    Session& session = world.channel.Add(3, 4);
    auto streams = session.MakePipes();
    REQUIRE(streams);
    Fd host = world.Connect();
    world.Run();
    REQUIRE(SetNonBlocking(host.get()));
    const std::string frame = EncodeIo(3, std::string(16 * 1024, 'i'));
    size_t sent = 0;
    for (int idle = 0; idle < 50;) {
        const ssize_t count = ::write(host.get(), frame.data(), frame.size());
        if (count > 0) {
            // Whole frames only, so that the next one begins where it should.
            sent += static_cast<size_t>(count);
            for (size_t rest = static_cast<size_t>(count); rest < frame.size();) {
                const ssize_t more = ::write(host.get(), frame.data() + rest, frame.size() - rest);
                if (more > 0) rest += static_cast<size_t>(more);
                if (more < 0 && ++idle > 200) break;
            }
            continue;
        }
        ++idle;
        std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
    CHECK(sent < 4 << 20);
    // The reader goes away: its backlog is dropped and the channel is read again.
    streams->in.Reset();
    ::fcntl(host.get(), F_SETFL, 0);
    CHECK(WriteAll(host.get(), std::string(1, '\0')));
}

}  // namespace cc::agent
