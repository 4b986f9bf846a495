// SPDX-License-Identifier: Apache-2.0
#include "agent/session.h"

#include <algorithm>

#include "agent/executor/terminal.h"
#include "agent/io_channel.h"
#include "base/process.h"
#include "protocol/window.h"

namespace cc::agent {

namespace {
// A grandchild that inherited stdout may hold it open for ever. It gets this long after the end of
// the process that the host waits for; then what is in the pipe is the end of the output.
constexpr std::chrono::milliseconds kDrainTime{2000};
}  // namespace

Session::Session(uv::Loop& loop, IoChannel& channel, uint64_t stdio, uint64_t stderr_sequence,
                 Mode mode)
    : loop_(loop),
      channel_(channel),
      stdio_(stdio),
      stderr_sequence_(stderr_sequence),
      mode_(mode),
      in_(loop, [this] { InputMoved(); }),
      say_input_(loop,
                 [this] {
                     if (mode_ == Mode::kKept) kept_->SayInput(in_.queued());
                 }),
      drain_(loop, [this] {
          if (out_) out_->EndSoon();
          if (err_) err_->EndSoon();
      }) {
    if (mode == Mode::kKept) kept_ = std::make_unique<KeptStreams>(channel, stdio, stderr_sequence);
}

Result<ChildStreams> Session::MakePipes() {
    CC_ASSIGN(FdPair in, MakePipe());
    CC_ASSIGN(FdPair out, MakePipe());
    CC_ASSIGN(FdPair err, MakePipe());
    CC_TRY(in_.Attach(std::move(in.second)));
    CC_ASSIGN(out_, Read(std::move(out.first), false));
    CC_ASSIGN(err_, Read(std::move(err.first), true));
    return ChildStreams{std::move(in.first), std::move(out.second), std::move(err.second)};
}

Result<void> Session::AttachTerminal(Fd master) {
    // One descriptor a watcher: the loop watches each only once.
    CC_ASSIGN(Fd input, master.Duplicate());
    CC_ASSIGN(terminal_, master.Duplicate());
    CC_TRY(in_.Attach(std::move(input)));
    CC_ASSIGN(out_, Read(std::move(master), false));
    return {};
}

Result<std::unique_ptr<OutputReader>> Session::Read(Fd fd, bool on_stderr) {
    return OutputReader::Open(
        loop_, std::move(fd),
        {.room = [this, on_stderr] { return Room(on_stderr); },
         .on_data = [this, on_stderr](std::string_view bytes) { Output(on_stderr, bytes); },
         .on_end = [this] { OutputEnded(); }});
}

size_t Session::Room(bool on_stderr) {
    if (mode_ == Mode::kKept)
        return std::min(kept_->Stream(on_stderr).room(), SentStream::kMaxPiece);
    return mode_ == Mode::kDiscarded || channel_.MaySend() ? OutputReader::kMaxRead : 0;
}

void Session::Output(bool on_stderr, std::string_view bytes) {
    if (mode_ == Mode::kPlain)
        return channel_.Send(on_stderr && stderr_sequence_ != 0 ? stderr_sequence_ : stdio_, bytes);
    if (mode_ == Mode::kDiscarded) return;
    kept_->Stream(on_stderr).Append(bytes);
    channel_.SendOutput(*this);
}

void Session::OutputEnded() {
    if (mode_ == Mode::kKept) {
        // Stderr without a number of its own ends with stdout.
        if (stderr_sequence_ == 0 ? drained() : out_->ended()) kept_->Stream(false).End();
        if (stderr_sequence_ != 0 && err_ && err_->ended()) kept_->Stream(true).End();
        channel_.SendOutput(*this);
    }
    FinishWhenDone();
}

void Session::Started() {
    if (mode_ == Mode::kKept) kept_->Started();
}

// A terminal has no end of file but the character that its user types, as with 3.0.
bool Session::InputMayEnd() const {
    return stderr_sequence_ != 0 || err_;
}

void Session::Input(std::string_view bytes) {
    if (!bytes.empty()) return in_.Write(bytes);
    if (InputMayEnd()) in_.CloseWhenWritten();
}

void Session::InputMoved() {
    if (mode_ != Mode::kKept) return channel_.BacklogChanged(*this);
    if (kept_->InputMoved(in_.queued()) && !say_input_.active())
        say_input_.Start(kAcknowledgeWithin);
}

Result<void> Session::Resize(uint16_t rows, uint16_t columns) {
    if (!terminal_) return {};
    return SetTerminalSize(terminal_.get(), rows, columns);
}

void Session::Resume() {
    if (out_) out_->Resume();
    if (err_) err_->Resume();
}

void Session::Exited(int wait_status, bool out_of_memory) {
    wait_status_ = wait_status;
    in_.Drop();
    if (mode_ == Mode::kKept) kept_->Exited(wait_status, out_of_memory);
    drain_.Start(kDrainTime);
    FinishWhenDone();
}

void Session::Discard() {
    if (mode_ == Mode::kDiscarded) return;
    mode_ = Mode::kDiscarded;
    kept_.reset();
    if (finished_) return channel_.Remove(*this);
    Resume();
}

void Session::OnData(uint64_t offset, std::string_view bytes, bool end) {
    const auto fresh = kept_->TakeInput(offset, bytes, end && InputMayEnd());
    if (!fresh.bytes.empty()) in_.Write(fresh.bytes);
    if (fresh.end) in_.CloseWhenWritten();
    InputMoved();  // thrown away, when the process reads no more
}

void Session::OnWindow(uint64_t sequence, uint64_t acknowledged, uint64_t limit, bool rewind) {
    kept_->OnWindow(sequence == stderr_sequence_, acknowledged, limit, rewind);
    Resume();
}

void Session::FinishWhenDone() {
    if (finished_ || !wait_status_ || !drained()) return;
    finished_ = true;
    drain_.Stop();
    terminal_.Reset();
    if (mode_ == Mode::kKept) return kept_->SayExit();
    if (mode_ == Mode::kPlain) {
        channel_.Send(stdio_, std::string_view());
        const char code = static_cast<char>(ExitCodeOf(*wait_status_));
        channel_.Send(stdio_, {&code, 1});
    }
    channel_.Remove(*this);
}

}  // namespace cc::agent
