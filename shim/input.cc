// SPDX-License-Identifier: Apache-2.0
#include "shim/input.h"

#include <algorithm>
#include <array>

namespace cc::shim {

namespace {
constexpr int kReadsPerTurn = 8;  // so that signals and output get their turn
}  // namespace

Result<std::unique_ptr<Input>> Input::Open(uv::Loop& loop, int fd, Callbacks callbacks) {
    CC_ASSIGN(StdioFd stdio, StdioFd::Open(fd, Direction::kRead));
    auto input = std::unique_ptr<Input>(new Input(loop, std::move(stdio), std::move(callbacks)));
    if (input->fd_.pollable()) CC_TRY(input->poll_.Open(input->fd_.watch_fd()));
    return input;
}

Input::Input(uv::Loop& loop, StdioFd fd, Callbacks callbacks)
    : fd_(std::move(fd)),
      callbacks_(std::move(callbacks)),
      poll_(loop, [this](int) { Read(); }),
      turn_(loop, [this] { Read(); }) {}

void Input::Pause() {
    reading_ = false;
    poll_.Stop();
    turn_.Stop();
}

void Input::Resume() {
    if (ended_ || reading_) return;
    reading_ = true;
    if (fd_.pollable())
        poll_.Start(UV_READABLE);
    else
        turn_.Start(std::chrono::milliseconds(0));
}

void Input::Read() {
    std::array<char, kStdinChunk> buffer;
    for (int i = 0; i < kReadsPerTurn && reading_; ++i) {
        const size_t room = std::min(callbacks_.room(), buffer.size());
        if (room == 0) return Pause();
        const ssize_t count = fd_.Read(buffer.data(), room);
        if (count < 0 && errno == EINTR) continue;
        if (count < 0 && errno == EAGAIN && fd_.pollable()) return;
        if (count <= 0) {
            Pause();
            ended_ = true;
            callbacks_.on_end();
            return;
        }
        callbacks_.on_data({buffer.data(), static_cast<size_t>(count)});
    }
    if (reading_ && !fd_.pollable()) turn_.Start(std::chrono::milliseconds(0));
}

}  // namespace cc::shim
