// SPDX-License-Identifier: Apache-2.0
#include "agent/stream.h"

#include <algorithm>

#include <fcntl.h>
#include <unistd.h>

namespace cc::agent {

namespace {

// Reads in one turn of the loop, so that one busy process does not starve the others.
constexpr int kPipeReadsPerTurn = 4;
// What a terminal may hold; a pipe says it itself.
constexpr size_t kTerminalBuffer = 64 * 1024;

}  // namespace

OutputReader::OutputReader(uv::Loop& loop, Fd fd, Callbacks callbacks)
    : fd_(std::move(fd)),
      callbacks_(std::move(callbacks)),
      poll_(std::make_unique<uv::Poll>(loop, [this](int) { OnReadable(); })) {}

Result<std::unique_ptr<OutputReader>> OutputReader::Open(uv::Loop& loop, Fd fd,
                                                         Callbacks callbacks) {
    CC_TRY(SetNonBlocking(fd.get()));
    auto reader =
        std::unique_ptr<OutputReader>(new OutputReader(loop, std::move(fd), std::move(callbacks)));
    CC_TRY(reader->poll_->Open(reader->fd_.get()));
    reader->poll_->Start(UV_READABLE);
    return reader;
}

void OutputReader::OnReadable() {
    static char buffer[kMaxRead];
    for (int turn = 0; turn < kPipeReadsPerTurn; ++turn) {
        const size_t room = std::min(callbacks_.room(), sizeof buffer);
        if (room == 0) return poll_->Stop();
        const size_t wanted = ending_ ? std::min(remaining_, room) : room;
        if (wanted == 0) return End();
        const ssize_t count = ::read(fd_.get(), buffer, wanted);
        if (count < 0 && errno == EINTR) continue;
        if (count < 0 && errno == EAGAIN) {
            if (ending_) End();
            return;
        }
        // A terminal's master answers EIO once nobody has its slave open: its way of end of file.
        if (count <= 0) return End();
        if (ending_) remaining_ -= static_cast<size_t>(count);
        callbacks_.on_data({buffer, static_cast<size_t>(count)});
    }
}

void OutputReader::Resume() {
    if (!ended_ && poll_->events() == 0) poll_->Start(UV_READABLE);
}

void OutputReader::EndSoon() {
    if (ended_ || ending_) return;
    ending_ = true;
    const int capacity = ::fcntl(fd_.get(), F_GETPIPE_SZ);
    remaining_ = capacity > 0 ? static_cast<size_t>(capacity) : kTerminalBuffer;
    OnReadable();
    // An empty pipe that somebody holds open would never become readable, but then OnReadable has
    // ended it.
}

void OutputReader::End() {
    poll_.reset();
    fd_.Reset();  // whoever still holds the other side learns that nobody reads it any more
    ended_ = true;
    callbacks_.on_end();
}

InputWriter::InputWriter(uv::Loop& loop, std::function<void()> on_progress)
    : on_progress_(std::move(on_progress)), loop_(loop) {}

Result<void> InputWriter::Attach(Fd fd) {
    if (closed_) return {};
    CC_TRY(SetNonBlocking(fd.get()));
    fd_ = std::move(fd);
    poll_ = std::make_unique<uv::Poll>(loop_, [this](int) { Flush(); });
    CC_TRY(poll_->Open(fd_.get()));
    Flush();
    return {};
}

void InputWriter::Write(std::string_view bytes) {
    if (closed_ || close_wanted_ || bytes.empty()) return;
    queue_.emplace_back(bytes);
    queued_ += bytes.size();
    if (fd_ && queue_.size() == 1) Flush();
}

void InputWriter::CloseWhenWritten() {
    close_wanted_ = true;
    if (fd_ && queue_.empty()) Drop();
}

void InputWriter::Drop() {
    if (poll_) poll_->Stop();
    poll_.reset();
    fd_.Reset();
    queue_.clear();
    queued_ = 0;
    head_offset_ = 0;
    closed_ = true;
    on_progress_();
}

void InputWriter::Flush() {
    while (!queue_.empty()) {
        const std::string& head = queue_.front();
        const ssize_t count =
            ::write(fd_.get(), head.data() + head_offset_, head.size() - head_offset_);
        if (count < 0) {
            if (errno == EINTR) continue;
            if (errno != EAGAIN) return Drop();  // nobody reads it any more
            poll_->Start(UV_WRITABLE);
            return on_progress_();
        }
        queued_ -= static_cast<size_t>(count);
        head_offset_ += static_cast<size_t>(count);
        if (head_offset_ < head.size()) continue;
        queue_.pop_front();
        head_offset_ = 0;
    }
    poll_->Stop();
    if (close_wanted_) return Drop();
    on_progress_();
}

}  // namespace cc::agent
