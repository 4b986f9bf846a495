// SPDX-License-Identifier: Apache-2.0
#include "shim/relay.h"

#include <unistd.h>

#include "base/text.h"
#include "protocol/client_messages.h"
#include "shim/oom_report.h"

namespace cc::shim {

namespace {

// 3.0's list and SIGQUIT. The protocol carries numbers below 31; SIGKILL and SIGSTOP nobody can
// catch, and the rest report faults of this program.
constexpr int kForwarded[] = {SIGHUP,    SIGINT,  SIGQUIT,  SIGTRAP, SIGABRT, SIGUSR1,
                              SIGUSR2,   SIGALRM, SIGTERM,  SIGCHLD, SIGCONT, SIGSTKFLT,
                              SIGTSTP,   SIGTTIN, SIGTTOU,  SIGURG,  SIGXCPU, SIGXFSZ,
                              SIGVTALRM, SIGPROF, SIGWINCH, SIGIO,   SIGPWR};

// Version 2: above the high mark of bytes that a reader has not taken yet, nothing more is fetched
// for it until the low mark. In version 3 the windows keep below that.
constexpr size_t kOutputHigh = 1024 * 1024, kOutputLow = 256 * 1024;
constexpr size_t kMaxWaitingSignals = 64;
constexpr std::chrono::milliseconds kForegroundPause{200};
constexpr std::chrono::milliseconds kGoodbye{500};
constexpr int kStatusVmEnded = 128 + SIGKILL;

}  // namespace

std::span<const int> ForwardedSignals() {
    return kForwarded;
}

Relay::Relay(uv::Loop& loop, RelayOptions options)
    : loop_(loop),
      options_(std::move(options)),
      link_(
          loop, std::move(options_.link),
          {.introduce =
               [this](ConnectShim& message) {
                   message.standard_output = output_->Resume();
                   message.standard_error = error_->Resume();
               },
           .on_connected = [this](
                               bool first,
                               const ShimConnected& connected) { OnConnected(first, connected); },
           .on_disconnected = [this] { UpdateFlow(); },
           .on_frame = [this](const ClientFrame& frame) { OnFrame(frame); },
           .on_drained = [this] { status_ ? loop_.Stop() : UpdateFlow(); },
           .on_lost = [this](ProxyLink::Loss loss, const std::string& why) { OnLost(loss, why); }}),
      foreground_(loop, [this] { TakeTerminal(); }),
      goodbye_(loop, [this] { loop_.Stop(); }) {}

Result<void> Relay::Start() {
    CC_TRY(OpenStdio());
    CC_TRY(WatchSignals());
    return link_.Start();
}

int Relay::Run() {
    if (!status_) loop_.Run();
    raw_.reset();
    return status_.value_or(1);
}

Result<void> Relay::OpenStdio() {
    CC_ASSIGN(input_,
              StandardInput::Open(loop_, options_.input, link_, [this] { return MayRead(); }));
    auto open = [this](int fd, StreamKind kind, const char* name) {
        return StandardOutput::Open(
            loop_, fd, kind, link_,
            {.on_progress = [this] { UpdateFlow(); },
             .on_broken =
                 [this, name](const Error& error) {
                     // A reader that left is everyday life; a full disk is not.
                     if (error.code == EPIPE || error.code == ECONNRESET || error.code == EIO)
                         Debug(Cat(name, ": ", error.message));
                     else
                         Complain(Cat("the container's ", name,
                                      " is lost from here on: ", error.message));
                     UpdateFlow();
                 }});
    };
    CC_ASSIGN(output_, open(options_.output, StreamKind::kStdout, "standard output"));
    CC_ASSIGN(error_, open(options_.error, StreamKind::kStderr, "standard error"));
    return {};
}

Result<void> Relay::WatchSignals() {
    for (const int signal : kForwarded) {
        auto watch =
            std::make_unique<uv::SignalWatch>(loop_, [this](int number) { OnSignal(number); });
        CC_TRY(watch->Start(signal));
        signals_.push_back(std::move(watch));
    }
    return {};
}

void Relay::OnConnected(bool first, const ShimConnected& connected) {
    input_->OnConnected(connected);
    output_->OnConnected();
    error_->OnConnected();
    if (first)
        TakeTerminal();
    else if (raw_)
        SendWindowSize();
    for (const int signal : std::exchange(waiting_signals_, {}))
        SendSignal({signal, 0, 0});
    UpdateFlow();
}

void Relay::TakeTerminal() {
    if (!RawMode::IsTerminal(options_.input)) {
        terminal_taken_ = true;
        return UpdateFlow();
    }
    // A background job that touched its terminal would be stopped, as would we; wait to be fetched.
    terminal_taken_ = MayUseTerminal(options_.input);
    if (!terminal_taken_) return foreground_.Start(kForegroundPause);
    if (options_.use_terminal) {
        if (raw_)
            raw_->Apply();
        else
            raw_.emplace(options_.input);
        SendWindowSize();
    }
    UpdateFlow();
}

bool Relay::MayRead() {
    if (MayUseTerminal(options_.input)) return true;
    terminal_taken_ = false;
    foreground_.Start(kForegroundPause);
    return false;
}

void Relay::SendWindowSize() {
    if (const auto size = SizeOf(options_.input)) SendSignal({SIGWINCH, size->columns, size->rows});
}

void Relay::SendSignal(const SignalMessage& message) {
    link_.Command(ClientCommand::kSignal, Encode(message, link_.version()));
}

// The process is gone and only a reader who does not read keeps us: whoever wants us gone gets it.
bool Relay::MayLeaveAt(int signal) const {
    return (signal == SIGTERM || signal == SIGINT || signal == SIGHUP) &&
           (exited_ || (ended_ && Backlog() > 0));
}

void Relay::OnSignal(int signal) {
    if (MayLeaveAt(signal)) return Leave(exited_ ? *exited_ : *ended_);
    if (signal == SIGWINCH) {
        if (options_.use_terminal) SendWindowSize();
        return;
    }
    // Stopping or starting a background job says nothing to the guest.
    if ((signal == SIGTTIN || signal == SIGTTOU) && !terminal_taken_) return;
    if (link_.connected())
        SendSignal({signal, 0, 0});
    else if (waiting_signals_.size() < kMaxWaitingSignals)
        waiting_signals_.push_back(signal);
}

// Decides from the state of all parts who may read.
void Relay::UpdateFlow() {
    if (status_) return;
    input_->Update(terminal_taken_ && !ended_ && !exited_);
    const size_t backlog = Backlog();
    if (exited_) {
        if (backlog == 0) Leave(*exited_);
    } else if (backlog > kOutputHigh) {
        link_.PauseReading();
    } else if (backlog < kOutputLow) {
        link_.ResumeReading();
    }
}

void Relay::OnFrame(const ClientFrame& frame) {
    if (exited_) return;
    if (frame.Is(StreamKind::kStdout)) {
        output_->Take(frame);
        UpdateFlow();
    } else if (frame.Is(StreamKind::kStderr)) {
        error_->Take(frame);
        UpdateFlow();
    } else if (frame.type == FrameType::kNotification) {
        OnNotification(frame);
    } else if (frame.type == FrameType::kResponse && frame.error) {
        Debug(Cat("cc-proxy refused a command: ",
                  ParseError(frame.payload, link_.version()).message));
    }
}

void Relay::OnNotification(const ClientFrame& frame) {
    if (frame.version == kClientVersion2) {
        if (!frame.payload.empty()) Finish(static_cast<unsigned char>(frame.payload[0]));
        return;
    }
    if (auto understood = OnNews(frame); !understood)
        Debug(Cat("cc-proxy sent nonsense: ", understood.error().message));
}

// Of version 3.
Result<void> Relay::OnNews(const ClientFrame& frame) {
    if (frame.Is(Notification::kWindow)) {
        CC_ASSIGN(const WindowUpdate update, ParseWindowUpdate(frame.payload));
        if (update.stream == StreamKind::kStdin) input_->OnWindow(update.window);
    } else {
        CC_ASSIGN(const ProcessEnd end, ParseProcessEnd(frame.payload));
        ended_ = end.code;
        out_of_memory_ = out_of_memory_ || end.out_of_memory;
        if (frame.Is(Notification::kProcessExited)) exited_ = end.code;
    }
    UpdateFlow();
    return {};
}

void Relay::Finish(int status) {
    exited_ = status;
    UpdateFlow();
}

// While the proxy's log can still be reached, and nothing else is left to do: this may take a
// moment.
void Relay::TellEngine() {
    if (!std::exchange(out_of_memory_, false) || options_.memory_cgroup.empty()) return;
    const auto told =
        link_.host().Run([this] { return ReportOutOfMemory(options_.memory_cgroup); });
    if (!told) Debug(Cat("no engine hears that memory ran out: ", told.error().message));
}

void Relay::Leave(int status) {
    status_ = status;
    input_->Stop();
    TellEngine();
    link_.SayGoodbye();
    if (link_.queued() == 0) return loop_.Stop();
    goodbye_.Start(kGoodbye);  // a proxy that does not read keeps no one
}

void Relay::OnLost(ProxyLink::Loss loss, const std::string& why) {
    if (status_) return loop_.Stop();
    if (exited_) return UpdateFlow();  // the reader still gets its bytes
    const std::string container = Cat("container ", options_.container_id);
    int status = 1;
    switch (loss) {
        case ProxyLink::Loss::kRefused:
            Complain(Cat(
                "connecting ", container, " to cc-proxy ",
                link_.socket().empty() ? "by the inherited connection" : Cat("at ", link_.socket()),
                ": ", why));
            break;
        case ProxyLink::Loss::kVmEnded:
            Complain(Cat("the virtual machine of ", container, " has ended"));
            status = kStatusVmEnded;
            break;
        case ProxyLink::Loss::kForgotten:
            Complain(Cat("cc-proxy was restarted and does not know ", container, " any more"));
            status = kStatusVmEnded;
            break;
        case ProxyLink::Loss::kNoProxy:
            Complain(Cat("giving up ", container, ": ", why));
            break;
    }
    // How the process ended may be known already, only not all that it wrote.
    Finish(ended_.value_or(status));
}

// To whoever reads the container's standard error, in one line.
void Relay::Complain(const std::string& text) {
    const bool raw = raw_.has_value();
    error_->Print(Cat("cc-shim: ", text, raw ? "\r\n" : "\n"));
}

void Relay::Debug(const std::string& text) {
    if (!options_.debug) return;
    link_.Send(EncodeStream(
        StreamKind::kLog,
        Encode(LogEntry{"shim", options_.container_id, "debug", text}, link_.version()),
        link_.version()));
}

}  // namespace cc::shim
