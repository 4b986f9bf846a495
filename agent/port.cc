// SPDX-License-Identifier: Apache-2.0
#include "agent/port.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "base/text.h"

namespace cc::agent {

namespace {

// The virtio-serial driver returns at most a page a read. A busy port must not keep the loop from
// everything else.
constexpr size_t kReadSize = 16 * 1024;
constexpr int kPortReadsPerTurn = 32;

}  // namespace

Port::Port(uv::Loop& loop, Callbacks callbacks)
    : callbacks_(std::move(callbacks)),
      edge_poll_(loop, [this](int) { OnEdge(); }),
      listen_poll_(loop, [this](int) { Accept(); }),
      again_(loop, [this] { Pump(); }) {}

Result<std::unique_ptr<Port>> Port::OpenDevice(uv::Loop& loop, const std::string& path,
                                               Callbacks callbacks) {
    CC_ASSIGN(Fd device, OpenFile(path, O_RDWR | O_NONBLOCK | O_NOCTTY));
    return Over(loop, std::move(device), std::move(callbacks));
}

Result<std::unique_ptr<Port>> Port::Over(uv::Loop& loop, Fd fd, Callbacks callbacks) {
    auto port = std::unique_ptr<Port>(new Port(loop, std::move(callbacks)));
    port->fd_ = std::move(fd);
    CC_TRY(port->Watch(port->fd_.get()));
    return port;
}

Result<std::unique_ptr<Port>> Port::Serve(uv::Loop& loop, Fd listener, Callbacks callbacks) {
    auto port = std::unique_ptr<Port>(new Port(loop, std::move(callbacks)));
    port->listener_ = std::move(listener);
    CC_TRY(SetNonBlocking(port->listener_.get()));
    CC_TRY(port->listen_poll_.Open(port->listener_.get()));
    CC_TRY(port->Watch(-1));
    return port;
}

// Makes the inner epoll instance at first, and has it watch `fd`.
Result<void> Port::Watch(int fd) {
    if (!edges_) {
        edges_ = Fd::Adopt(::epoll_create1(EPOLL_CLOEXEC));
        if (!edges_) return FailErrno("making an epoll instance");
        CC_TRY(edge_poll_.Open(edges_.get()));
    }
    if (fd < 0) return {};
    epoll_event event{};
    event.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
    if (::epoll_ctl(edges_.get(), EPOLL_CTL_ADD, fd, &event) < 0)
        return FailErrno("watching a port");
    return {};
}

void Port::Start() {
    edge_poll_.Start(UV_READABLE);
    if (listener_) listen_poll_.Start(UV_READABLE);
}

void Port::Accept() {
    const int connection =
        ::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (connection < 0) return;
    fd_ = Fd::Adopt(connection);
    listen_poll_.Stop();  // the next one waits until this one is gone
    if (auto watched = Watch(connection); !watched) {
        Log(LogLevel::kError, watched.error().message);
        Disconnect();
    }
}

void Port::OnEdge() {
    epoll_event event{};
    if (::epoll_wait(edges_.get(), &event, 1, 0) <= 0) return;
    const bool present = (event.events & (EPOLLHUP | EPOLLERR)) == 0;
    if (present && !connected_) {
        connected_ = true;
        congested_ = queued_ > kHighWater;
        callbacks_.on_connect();
    }
    if (!connected_) {
        if (!present) WaitForNext();  // it came and went in one edge
        return;
    }
    if (!present) {
        // What the host sent before it left still counts, whether or not somebody wanted to wait
        // with it; the next connection must not begin with the rest of it.
        do
            errno = 0;
        while (Read() && errno != EAGAIN);
        return Disconnect();
    }
    Pump();
}

void Port::Pump() {
    if (!connected_) return;
    if (!Flush()) return Disconnect();
    bool alive = true;
    int turns = 0;
    while (alive && reading_ && turns++ < kPortReadsPerTurn) {
        errno = 0;
        alive = Read();
        if (alive && errno == EAGAIN) break;
    }
    if (!alive) return Disconnect();
    // The edge has been used up, the data has not.
    if (reading_ && turns > kPortReadsPerTurn) again_.Start(std::chrono::milliseconds(0));
    if (connected_ && congested_ && queued_ <= kLowWater) {
        congested_ = false;
        callbacks_.on_room();
    }
}

// One read. True with errno EAGAIN: nothing more for now.
bool Port::Read() {
    static char buffer[kReadSize];
    const ssize_t count = ::read(fd_.get(), buffer, sizeof buffer);
    if (count > 0) {
        callbacks_.on_data({buffer, static_cast<size_t>(count)});
        errno = 0;
        return true;
    }
    // Zero: the host has closed its side.
    return count < 0 && (errno == EAGAIN || errno == EINTR);
}

void Port::Write(std::string frame) {
    if (frame.empty()) return;
    queued_ += frame.size();
    queue_.push_back(std::move(frame));
    if (queued_ > kHighWater) congested_ = true;
    // Errors show up at the next edge too; leaving them to it keeps callers free of surprises.
    if (connected_ && queue_.size() == 1) (void)Flush();
}

// A frame a write: the driver copies each into one buffer of the queue to the host.
bool Port::Flush() {
    while (connected_ && !queue_.empty()) {
        const std::string& frame = queue_.front();
        const ssize_t count =
            ::write(fd_.get(), frame.data() + head_offset_, frame.size() - head_offset_);
        if (count < 0) {
            if (errno == EINTR) continue;
            return errno == EAGAIN;
        }
        queued_ -= static_cast<size_t>(count);
        head_offset_ += static_cast<size_t>(count);
        if (head_offset_ < frame.size()) continue;
        queue_.pop_front();
        head_offset_ = 0;
    }
    return true;
}

void Port::DropQueue() {
    queue_.clear();
    queued_ = 0;
    head_offset_ = 0;
    congested_ = false;
}

void Port::ResumeReading() {
    if (reading_) return;
    reading_ = true;
    again_.Start(std::chrono::milliseconds(0));
}

void Port::Disconnect() {
    connected_ = false;
    // A frame that was cut is sent again whole.
    queued_ += head_offset_;
    head_offset_ = 0;
    again_.Stop();
    WaitForNext();
    callbacks_.on_disconnect();
}

// A device's descriptor stays for ever, a connection's does not.
void Port::WaitForNext() {
    if (!listener_) return;
    fd_.Reset();  // which also takes it out of the epoll instance
    listen_poll_.Start(UV_READABLE);
}

}  // namespace cc::agent
