// SPDX-License-Identifier: Apache-2.0
#include "shim/output.h"

namespace cc::shim {

Result<std::unique_ptr<Output>> Output::Open(uv::Loop& loop, int fd, Callbacks callbacks) {
    CC_ASSIGN(StdioFd stdio, StdioFd::Open(fd, Direction::kWrite));
    auto output = std::unique_ptr<Output>(new Output(loop, std::move(stdio), std::move(callbacks)));
    if (output->fd_.pollable()) CC_TRY(output->poll_.Open(output->fd_.watch_fd()));
    return output;
}

Output::Output(uv::Loop& loop, StdioFd fd, Callbacks callbacks)
    : fd_(std::move(fd)), callbacks_(std::move(callbacks)), poll_(loop, [this](int) { Flush(); }) {}

void Output::Write(std::string_view bytes) {
    if (broken_) return;
    if (queue_.empty()) bytes = WriteNow(bytes);
    if (broken_ || bytes.empty()) return;
    queue_.emplace_back(bytes);
    backlog_ += bytes.size();
    if (poll_.events() == 0)
        poll_.Start(UV_READABLE);  // the watch is readable when the descriptor is ready
}

std::string_view Output::WriteNow(std::string_view bytes) {
    while (!bytes.empty()) {
        const ssize_t count = fd_.Write(bytes);
        if (count < 0 && errno == EINTR) continue;
        if (count < 0 && errno == EAGAIN && fd_.pollable()) break;
        if (count < 0) {
            Break(FailErrno("writing").value());
            return {};
        }
        bytes.remove_prefix(static_cast<size_t>(count));
    }
    return bytes;
}

void Output::Flush() {
    const size_t before = backlog_;
    while (!queue_.empty()) {
        const std::string_view head = std::string_view(queue_.front()).substr(head_offset_);
        const std::string_view rest = WriteNow(head);
        if (broken_) break;
        head_offset_ += head.size() - rest.size();
        backlog_ -= head.size() - rest.size();
        if (!rest.empty()) break;
        queue_.pop_front();
        head_offset_ = 0;
    }
    if (queue_.empty()) poll_.Stop();
    if (backlog_ != before && callbacks_.on_progress) callbacks_.on_progress();
}

void Output::Break(const Error& error) {
    broken_ = true;
    queue_.clear();
    head_offset_ = 0;
    backlog_ = 0;
    poll_.Stop();
    if (callbacks_.on_broken) callbacks_.on_broken(error);
}

}  // namespace cc::shim
