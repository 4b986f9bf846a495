// SPDX-License-Identifier: Apache-2.0
#include "agent/kept_streams.h"

#include <sys/wait.h>

#include "agent/io_channel.h"
#include "base/process.h"

namespace cc::agent {

KeptStreams::KeptStreams(IoChannel& channel, uint64_t base, uint64_t stderr_sequence)
    : channel_(channel), base_(base), stderr_sequence_(stderr_sequence) {
    if (stderr_sequence != 0) stderr_.emplace();
}

void KeptStreams::OnWindow(bool on_stderr, uint64_t acknowledged, uint64_t limit, bool rewind) {
    Stream(on_stderr).OnWindow(acknowledged, limit, rewind);
    if (rewind) early_said_ = final_said_ = false;
}

bool KeptStreams::SendSome() {
    bool sent = SendFrom(stdout_, base_);
    if (stderr_) sent = SendFrom(*stderr_, stderr_sequence_) || sent;
    if (sent) SayExit();
    return sent;
}

bool KeptStreams::SendFrom(SentStream& stream, uint64_t sequence) {
    const auto piece = stream.Next();
    if (!piece) return false;
    channel_.Send({.type = LinkType::kData,
                   .flags = piece->end ? kLinkEnd : uint8_t{0},
                   .stream = sequence,
                   .offset = piece->offset,
                   .payload = piece->bytes});
    return true;
}

void KeptStreams::Started() {
    started_ = true;
    SendWindow(input_.Grant(0));
}

bool KeptStreams::InputMoved(size_t waiting) {
    if (!started_) return false;
    if (const auto window = input_.Update(waiting)) SendWindow(*window);
    return input_.Owes(waiting);
}

void KeptStreams::SayInput(size_t waiting) {
    if (started_ && input_.Owes(waiting)) SendWindow(input_.Grant(waiting));
}

void KeptStreams::SendWindow(const InputWindow& window) {
    std::string limit;
    AppendBigEndian<8>(limit, window.limit);
    channel_.Send(
        {.type = LinkType::kWindow, .stream = base_, .offset = window.taken, .payload = limit});
}

void KeptStreams::BeginEpoch(size_t waiting) {
    stdout_.Hold();
    if (stderr_) stderr_->Hold();
    early_said_ = final_said_ = false;
    if (started_) SendWindow(input_.Grant(waiting));
}

void KeptStreams::Exited(int wait_status, bool out_of_memory) {
    wait_status_ = wait_status;
    out_of_memory_ = out_of_memory;
    SendExit(kLinkEarly);
    early_said_ = true;
}

void KeptStreams::SayExit() {
    if (!wait_status_) return;
    if (stdout_.Delivered() && (!stderr_ || stderr_->Delivered())) {
        if (!std::exchange(final_said_, true)) SendExit(0);
    } else if (!std::exchange(early_said_, true)) {
        SendExit(kLinkEarly);
    }
}

void KeptStreams::SendExit(uint8_t flags) {
    if (out_of_memory_) flags |= kLinkOutOfMemory;
    const int signal = WIFSIGNALED(*wait_status_) ? WTERMSIG(*wait_status_) : 0;
    const char payload[] = {static_cast<char>(ExitCodeOf(*wait_status_)),
                            static_cast<char>(signal)};
    channel_.Send({.type = LinkType::kExit,
                   .flags = flags,
                   .stream = base_,
                   .payload = {payload, sizeof payload}});
}

AgentSession KeptStreams::Describe(size_t waiting) {
    AgentSession session;
    session.base = base_;
    const InputWindow window = started_ ? input_.Grant(waiting) : InputWindow{};
    session.stdin_received = input_.received();
    session.stdin_taken = window.taken;
    session.stdin_limit = window.limit;
    session.stdout_acknowledged = stdout_.acknowledged();
    if (stderr_) session.stderr_acknowledged = stderr_->acknowledged();
    return session;
}

}  // namespace cc::agent
