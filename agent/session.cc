// SPDX-License-Identifier: Apache-2.0
#include "agent/session.h"

#include "agent/executor/terminal.h"
#include "agent/io_channel.h"

namespace cc::agent {

namespace {
// A grandchild that inherited stdout may hold it open for ever. It gets this long after the end of
// the process that the host waits for; then what is in the pipe is the end of the output.
constexpr std::chrono::milliseconds kDrainTime{2000};
}  // namespace

Session::Session(uv::Loop& loop, IoChannel& channel, uint64_t stdio, uint64_t stderr_sequence)
    : loop_(loop),
      channel_(channel),
      stdio_(stdio),
      stderr_sequence_(stderr_sequence),
      in_(loop, [this] { channel_.BacklogChanged(*this); }),
      drain_(loop, [this] {
          if (out_) out_->EndSoon();
          if (err_) err_->EndSoon();
      }) {}

Result<ChildStreams> Session::MakePipes() {
    CC_ASSIGN(FdPair in, MakePipe());
    CC_ASSIGN(FdPair out, MakePipe());
    CC_ASSIGN(FdPair err, MakePipe());
    CC_TRY(in_.Attach(std::move(in.second)));
    CC_ASSIGN(out_, Read(std::move(out.first), stdio_));
    CC_ASSIGN(err_, Read(std::move(err.first), stderr_sequence_ != 0 ? stderr_sequence_ : stdio_));
    return ChildStreams{std::move(in.first), std::move(out.second), std::move(err.second)};
}

Result<void> Session::AttachTerminal(Fd master) {
    // One descriptor a watcher: the loop watches each only once.
    CC_ASSIGN(Fd input, master.Duplicate());
    CC_ASSIGN(terminal_, master.Duplicate());
    CC_TRY(in_.Attach(std::move(input)));
    CC_ASSIGN(out_, Read(std::move(master), stdio_));
    return {};
}

Result<std::unique_ptr<OutputReader>> Session::Read(Fd fd, uint64_t sequence) {
    return OutputReader::Open(
        loop_, std::move(fd),
        {.may_read = [this] { return channel_.MaySend(); },
         .on_data = [this, sequence](std::string_view bytes) { channel_.Send(sequence, bytes); },
         .on_end = [this] { FinishWhenDone(); }});
}

void Session::Input(std::string_view bytes) {
    if (!bytes.empty()) return in_.Write(bytes);
    // A terminal has no end of file but the character that its user types, as with 3.0.
    if (stderr_sequence_ != 0 || err_) in_.CloseWhenWritten();
}

Result<void> Session::Resize(uint16_t rows, uint16_t columns) {
    if (!terminal_) return {};
    return SetTerminalSize(terminal_.get(), rows, columns);
}

void Session::Resume() {
    if (out_) out_->Resume();
    if (err_) err_->Resume();
}

void Session::Exited(int code) {
    exit_code_ = code;
    in_.Drop();
    drain_.Start(kDrainTime);
    FinishWhenDone();
}

void Session::FinishWhenDone() {
    if (finished_ || !exit_code_) return;
    if ((out_ && !out_->ended()) || (err_ && !err_->ended())) return;
    finished_ = true;
    drain_.Stop();
    channel_.Send(stdio_, {});
    const char code = static_cast<char>(*exit_code_);
    channel_.Send(stdio_, {&code, 1});
    channel_.Finished(*this);
}

}  // namespace cc::agent
