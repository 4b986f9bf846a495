// SPDX-License-Identifier: Apache-2.0
#include "base/uv/channel.h"

#include <algorithm>
#include <array>
#include <climits>

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

namespace cc::uv {

namespace {
// One read takes up to this much: all that a UNIX socket holds, so few calls a megabyte and few
// frames that two reads share. A busy stream gets one in a turn of its loop.
constexpr size_t kReadSize = 256 * 1024;
constexpr size_t kGather = 64;
constexpr size_t kQueuedPiece = 16 * 1024;  // small writes that have to wait are joined up to this
// The read buffer is shared by all channels of the thread: its bytes never outlive a callback.
thread_local std::unique_ptr<std::array<char, kReadSize>> read_buffer;
}  // namespace

Result<std::unique_ptr<Channel>> Channel::Open(Loop& loop, Fd fd, Callbacks callbacks) {
    CC_TRY(SetNonBlocking(fd.get()));
    auto channel = std::unique_ptr<Channel>(new Channel(loop, std::move(fd), std::move(callbacks)));
    CC_TRY(channel->poll_.Open(channel->fd_.get()));
    channel->UpdateEvents();
    return channel;
}

Channel::Channel(Loop& loop, Fd fd, Callbacks callbacks)
    : fd_(std::move(fd)),
      callbacks_(std::make_shared<Callbacks>(std::move(callbacks))),
      poll_(loop, [this](int events) { OnReady(events); }) {}

Channel::~Channel() {
    *alive_ = false;
    poll_.Stop();
}

void Channel::OnReady(int events) {
    const auto alive = alive_;
    const auto callbacks = callbacks_;
    const bool failed = events == 0;  // libuv has stopped the poll; the next read or write says why
    if (failed) poll_.Stop();
    if ((events & UV_WRITABLE) != 0 || failed) Flush();
    if (*alive && ((events & UV_READABLE) != 0 || (failed && reading_))) Read();
    if (*alive && failed && !reading_ && queue_.empty()) End(Fail("the peer has gone", EPIPE));
    if (*alive && (events & UV_DISCONNECT) != 0 && !reading_) HangUp();
    if (*alive) UpdateEvents();
}

void Channel::HangUp() {
    auto on_hangup = std::exchange(callbacks_->on_hangup, nullptr);
    // A peer that only writes no more has not gone: it may read on.
    pollfd now{fd_.get(), 0, 0};
    const bool gone = ::poll(&now, 1, 0) > 0 && (now.revents & (POLLHUP | POLLERR)) != 0;
    if (gone && on_hangup) on_hangup();
}

ssize_t Channel::Receive(std::span<char> buffer) const {
    if (callbacks_->receive) return callbacks_->receive(fd_.get(), buffer);
    return ::read(fd_.get(), buffer.data(), buffer.size());
}

ssize_t Channel::Transmit(std::span<const iovec> slices) const {
    if (callbacks_->transmit) return callbacks_->transmit(fd_.get(), slices);
    return ::writev(fd_.get(), slices.data(), static_cast<int>(slices.size()));
}

void Channel::Read() {
    if (!read_buffer) read_buffer = std::make_unique_for_overwrite<std::array<char, kReadSize>>();
    const ssize_t count = Receive(*read_buffer);
    if (count > 0) return callbacks_->on_data({read_buffer->data(), static_cast<size_t>(count)});
    if (count < 0 && (errno == EINTR || errno == EAGAIN)) return;
    // A pty master answers EIO once the last slave is closed: its way of end of file.
    if (count == 0 || errno == EIO) return End({});
    End(FailErrno("reading"));
}

void Channel::Write(std::string_view bytes) {
    const iovec slice{const_cast<char*>(bytes.data()), bytes.size()};
    Write({&slice, bytes.empty() ? 0U : 1U});
}

void Channel::Write(std::span<const iovec> slices) {
    if (broken_ || slices.empty()) return;
    const bool waits = !queue_.empty();  // for writability, already
    ssize_t count = 0;
    do
        count = waits ? 0 : Transmit(slices.first(std::min<size_t>(slices.size(), IOV_MAX)));
    while (count < 0 && errno == EINTR);
    if (count < 0 && errno != EAGAIN) {
        const auto alive = alive_;
        End(FailErrno("writing"));
        if (*alive) UpdateEvents();
        return;
    }
    EnqueueRest(slices, static_cast<size_t>(std::max<ssize_t>(count, 0)));
    // on_drained is for those who had to wait: a write that is taken at once does not call it.
    if (queue_.empty() && shutdown_wanted_) ::shutdown(fd_.get(), SHUT_WR);
    if (!queue_.empty() && !waits) UpdateEvents();
}

void Channel::EnqueueRest(std::span<const iovec> slices, size_t taken) {
    for (const auto& slice : slices) {
        const size_t skip = std::min(taken, slice.iov_len);
        taken -= skip;
        if (skip < slice.iov_len)
            Enqueue({static_cast<const char*>(slice.iov_base) + skip, slice.iov_len - skip});
    }
}

void Channel::Enqueue(std::string_view bytes) {
    queued_ += bytes.size();
    if (!queue_.empty() && queue_.back().size() + bytes.size() <= kQueuedPiece)
        queue_.back().append(bytes);
    else
        queue_.emplace_back(bytes);
}

void Channel::Flush() {
    if (queue_.empty()) return;
    while (!queue_.empty()) {
        std::array<iovec, kGather> slices{};
        size_t n = 0;
        size_t wanted = 0;
        for (const auto& bytes : queue_) {
            if (n == slices.size()) break;
            const size_t skip = n == 0 ? head_offset_ : 0;
            slices[n++] = {const_cast<char*>(bytes.data()) + skip, bytes.size() - skip};
            wanted += bytes.size() - skip;
        }
        const ssize_t count = Transmit({slices.data(), n});
        if (count < 0) {
            if (errno == EINTR) continue;
            if (errno == EAGAIN) return;
            return End(FailErrno("writing"));
        }
        queued_ -= static_cast<size_t>(count);
        for (size_t left = static_cast<size_t>(count); left > 0;) {
            const size_t rest = queue_.front().size() - head_offset_;
            if (left < rest) {
                head_offset_ += left;
                break;
            }
            left -= rest;
            head_offset_ = 0;
            queue_.pop_front();
        }
        if (static_cast<size_t>(count) < wanted) return;
    }
    if (shutdown_wanted_) ::shutdown(fd_.get(), SHUT_WR);
    if (callbacks_->on_drained) callbacks_->on_drained();
}

void Channel::End(Result<void> how) {
    input_ended_ = true;
    if (!how) {
        broken_ = true;
        queue_.clear();
        queued_ = 0;
        head_offset_ = 0;
    }
    if (callbacks_->on_end) {
        // Moved out, so that it runs once, and on the stack, so that it may destroy the channel.
        auto on_end = std::exchange(callbacks_->on_end, nullptr);
        on_end(std::move(how));
    }
}

void Channel::PauseReading() {
    reading_ = false;
    UpdateEvents();
}

void Channel::ResumeReading() {
    reading_ = true;
    UpdateEvents();
}

void Channel::ShutdownWrite() {
    shutdown_wanted_ = true;
    if (queue_.empty() && !broken_) ::shutdown(fd_.get(), SHUT_WR);
}

void Channel::UpdateEvents() {
    const int wanted = (reading_ && !input_ended_ ? UV_READABLE : 0) |
                       (queue_.empty() ? 0 : UV_WRITABLE) |
                       (!reading_ && !input_ended_ && callbacks_->on_hangup ? UV_DISCONNECT : 0);
    if (wanted != poll_.events()) poll_.Start(wanted);
}

}  // namespace cc::uv
