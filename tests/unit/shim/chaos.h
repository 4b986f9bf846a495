// SPDX-License-Identifier: Apache-2.0
// Sequences of everything that may happen to a shim, chosen by the bytes of a string: random ones
// (chaos_test.cc) or a fuzzer's (fuzz/shim.cc). The real relay on real sockets and pipes; the
// proxy, the readers and writers of its streams and whoever sends signals do as the bytes say, one
// action in each turn of its loop. Then all behave, and the shim must end well.
//
// An action is a letter, its arguments are digits, so that a sequence can be written by hand
// ("0aaw2o5x3": see Act). Any other byte means one of them, too.
#pragma once

#include <string>
#include <string_view>

#include "base/file.h"
#include "base/text.h"
#include "shim/output_window.h"
#include "shim/relay.h"
#include "tests/unit/shim/chaos_stdio.h"
#include "tests/unit/shim/shim_model.h"

namespace cc::shim {

class Chaos {
  public:
    explicit Chaos(std::string_view choices)
        : choices_(choices),
          shape_(Pick(8)),
          in_(shape_ & 1, true),
          out_(shape_ & 1, false),
          err_(shape_ & 1, false) {
        char name[] = "/tmp/cc-shim-chaos.XXXXXX";
        folder_ = ::mkdtemp(name);
        listener_ = ListenUnix(socket(), SOCK_STREAM, 0600).value();
        (void)SetNonBlocking(listener_.get());
        readers_[0].fd = std::move(out_.far);
        readers_[1].fd = std::move(err_.far);
    }
    ~Chaos() { (void)RemoveTree(folder_); }
    Chaos(const Chaos&) = delete;
    Chaos& operator=(const Chaos&) = delete;

    // Returns what must never be, or nothing.
    std::string Run() {
        KeptSignals signals;
        uv::Loop loop;
        loop_ = &loop;
        const int status = RunShim(loop, signals);
        if (broken_.empty()) CheckEnd(status);
        return broken_;
    }

  private:
    // Called in every turn, before the loop looks what is ready; keeps it from waiting.
    class EachTurn : public uv::Handle<uv_idle_t> {
      public:
        EachTurn(uv::Loop& loop, Callback callback) : Handle(std::move(callback)) {
            initialised_ = uv_idle_init(loop.raw(), raw()) == 0;
            uv_idle_start(raw(), [](uv_idle_t* idle) { Call(idle); });
        }
    };
    static constexpr int kMaxActions = 200, kMaxLastTurns = 4000;
    static constexpr int kLastCode = 77;
    // What the shim may hold for readers who do not read: kOutputHigh of relay.cc, one large read,
    // an unfinished frame, and what the sockets hold.
    static constexpr uint64_t kMostHeld = 2 << 20;
    static constexpr std::string_view kToken = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";

    std::string socket() const { return folder_ + "/proxy.sock"; }

    int RunShim(uv::Loop& loop, KeptSignals& signals) {
        RelayOptions options;
        options.container_id = "box";
        options.link.proxy.socket = socket();
        options.link.token = kToken;
        options.link.reconnect_timeout = std::chrono::hours(impatient() ? 0 : 1);
        options.link.retry_pause = std::chrono::milliseconds(1);
        options.debug = (shape_ & 4) != 0;
        options.input = in_.shims.get();
        options.output = out_.shims.get();
        options.error = err_.shims.get();
        Relay relay(loop, std::move(options));
        if (const auto started = relay.Start(); !started) {
            broken_ = started.error().message;
            return 1;
        }
        signals.ShimWatches();
        EachTurn turn(loop, [this] { Turn(); });
        const int status = relay.Run();
        signals.ShimEnds();
        return status;
    }
    bool impatient() const { return (shape_ & 2) != 0; }

    void Turn() {
        Flush();
        Hear();
        HangUpIfDue();
        ReadOutput();
        if (Held() > kMostHeld) Break("the shim holds more than it may");
        if (!broken_.empty()) return loop_->Stop();
        if (!choices_.empty() && actions_++ < kMaxActions)
            Act();
        else
            Behave();
    }
    void Break(std::string what) {
        if (broken_.empty()) broken_ = std::move(what);
    }

    // --- choices
    uint64_t Pick(uint64_t below) { return static_cast<uint8_t>(Byte() - '0') % below; }
    int Byte() {
        if (choices_.empty()) return '0';
        const int byte = static_cast<unsigned char>(choices_.front());
        choices_.remove_prefix(1);
        return byte;
    }
    size_t PickSize() {
        static constexpr size_t kSizes[] = {0,    1,    2,     10,    100,
                                            1000, 4096, 30000, 65535, kMaxStreamPayload};
        return kSizes[Pick(std::size(kSizes))];
    }

    char PickAction() {
        static constexpr std::string_view kActions = "abcdefghijklmnopqrsuvwxyz";
        const int byte = Byte();
        const bool known = kActions.find(static_cast<char>(byte)) != std::string_view::npos;
        return known ? static_cast<char>(byte)
                     : kActions[static_cast<size_t>(byte) % kActions.size()];
    }

    void Act() {
        if (!corked_) unsent_ += std::exchange(later_, {});
        switch (PickAction()) {
            case 'a':
                return TakeCaller();
            case 'b':
                return PrintAgain();
            case 'c':  // frames that come together
                corked_ = !corked_;
                return;
            case 'd':
                return SayOther();
            case 'e':
                return Print(1);
            case 'f':
                return SayRaw();
            case 'g':
                cut_ = 1 + Pick(40);  // the next frame comes in two pieces
                return;
            case 'h':
                return HangUpSoon();
            case 'i':
                return Type(PickSize());
            case 'j':
                return HangUp();
            case 'k':
                return Kill();
            case 'l':
                return Listen();
            case 'm':
                return MoveInput(Pick(7));
            case 'n':
                proxy_reads_ = !proxy_reads_;
                return;
            case 'o':
                return Print(0);
            case 'p':
                ::usleep(1100);  // the shim's pause between tries to connect
                return;
            case 'q':
                return StopListening();
            case 'r':
                return SetReader(readers_[0]);
            case 's':
                return SetReader(readers_[1]);
            case 'u':
                flip_ = {1 + Pick(64), Byte()};  // of the next frame
                return;
            case 'v':
                other_version_ = true;  // of the next frame
                return;
            case 'w':
                return Answer(Pick(10));
            case 'x':
                return End(Notification::kProcessExited);
            case 'y':
                return End(Notification::kProcessEnded);
            default:
                in_.far.Reset();
        }
    }

    // Everybody has the best manners from here on.
    void Behave() {
        if (++last_turns_ > kMaxLastTurns) return Break("the shim does not end"), loop_->Stop();
        if (!peer_ && last_turns_ % 4 == 0) ::usleep(1100);
        if (last_turns_ == 1) {
            choices_ = {};
            proxy_reads_ = true;
            corked_ = other_version_ = false;
            cut_ = 0;
            flip_ = {};
            unsent_ += std::exchange(later_, {});
            for (auto& reader : readers_)
                reader.appetite = ChaosReader::kEverything;
            Listen();
        }
        const bool knows = !uncertain_ && (model_.exited() || model_.lost());
        if (knows || !unsent_.empty()) return;
        if (!peer_) return TakeCaller();
        // Half a frame has no good end.
        if (model_.in_a_frame() && patience_ == 0) return HangUpSoon();
        if (version_ == 0 || said_last_) return;
        if (!model_.introduced()) return Answer(2);
        said_last_ = true;
        Send(version_ == kClientVersion2 ? EncodeProcessExited(kLastCode)
                                         : EncodeNotification(Notification::kProcessExited,
                                                              Encode(ProcessEnd{kLastCode, 0})));
    }

    // --- the proxy
    void TakeCaller() {
        if (peer_) return;
        peer_ = Fd::Adopt(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
        if (!peer_) return;
        (void)SetNonBlocking(peer_.get());
        heard_ = {};
        version_ = 0;
        input_at_.reset();
        input_ended_ = false;
        said_last_ = false;
        if (model_.ever()) typed_lost_ = true;
    }
    void HangUp() {
        if (!peer_) return;
        // The shim may learn that the connection has gone before it has read everything.
        if (Unread()) uncertain_ = true;
        Forget();
    }
    bool Unread() const {
        int unread = 0;
        return ::ioctl(peer_.get(), TIOCOUTQ, &unread) == 0 && unread > 0;
    }
    // Once the shim has read everything, if it does.
    void HangUpSoon() { patience_ = peer_ ? 8 : 0; }
    void HangUpIfDue() {
        if (patience_ > 0 && (--patience_ == 0 || (unsent_.empty() && !Unread()))) HangUp();
    }
    void Forget() {
        if (version_ != 0) model_.Disconnect();
        // A shim that gives up may do so while it is being answered.
        if (impatient()) uncertain_ = true;
        peer_.Reset();
        patience_ = 0;
        version_ = 0;
        unsent_.clear();
        later_.clear();
    }
    void StopListening() { (void)::rename(socket().c_str(), Cat(socket(), ".away").c_str()); }
    void Listen() { (void)::rename(Cat(socket(), ".away").c_str(), socket().c_str()); }

    // Frames are in the connection's version, which is the shim's choice.
    uint16_t FrameVersion() {
        const bool three = (version_ == kClientVersion3) != std::exchange(other_version_, false);
        return three ? kClientVersion3 : kClientVersion2;
    }
    void Send(std::string frame) {
        if (version_ == 0) return;
        if (const auto [at, change] = std::exchange(flip_, {}); at > 0 && at <= frame.size())
            frame[at - 1] = static_cast<char>(frame[at - 1] ^ change);
        const size_t cut = std::min(std::exchange(cut_, 0), frame.size());
        if (corked_ || !later_.empty()) {
            later_ += frame;
        } else if (cut > 0) {
            unsent_ += frame.substr(0, cut);
            later_ = frame.substr(cut);
        } else {
            unsent_ += frame;
        }
    }
    void Flush() {
        if (!peer_ || unsent_.empty()) return;
        const ssize_t count =
            ::send(peer_.get(), unsent_.data(), unsent_.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
        if (count <= 0) return;
        model_.Take(std::string_view(unsent_).substr(0, static_cast<size_t>(count)));
        unsent_.erase(0, static_cast<size_t>(count));
    }
    void Answer(uint64_t how) {
        const uint16_t version = FrameVersion();
        static constexpr ErrorCode kCodes[] = {ErrorCode::kUnknownToken, ErrorCode::kVmLost,
                                               ErrorCode::kTokenInUse, ErrorCode::kFailed};
        const auto connected = ClientCommand::kConnectShim;
        if (how >= 5 && how <= 8)
            return Send(EncodeResponse(connected, EncodeError(kCodes[how - 5], "no", version), true,
                                       version));
        const StreamWindow windows[] = {{0, 0},
                                        {0, 65536},
                                        {0, 1 << 20},
                                        {heard_input_, heard_input_ + 10},
                                        {UINT64_MAX, UINT64_MAX}};
        const std::string payload = how == 9 ? "\xc1" : Encode(ShimConnected{windows[how]});
        Send(EncodeResponse(connected, version == kClientVersion3 ? payload : "", false, version));
    }
    void Print(size_t stream) {
        const size_t size = PickSize();
        PrintAt(stream, next_[stream], size);
        next_[stream] += size;
    }
    void PrintAt(size_t stream, uint64_t offset, size_t size) {
        const auto kind = stream == 0 ? StreamKind::kStdout : StreamKind::kStderr;
        const std::string bytes = BytesAt(stream, offset, size);
        Send(FrameVersion() == kClientVersion3 ? EncodeStreamAt(kind, offset, bytes, size == 0)
                                               : EncodeStream(kind, bytes));
    }
    // What was sent before, or is not due yet.
    void PrintAgain() {
        const size_t stream = Pick(2);
        const uint64_t next = next_[stream];
        const uint64_t offsets[] = {0,        next - 1,    next - 1000, next / 2,      next + 1,
                                    next + 9, next + 1000, UINT64_MAX,  UINT64_MAX / 2};
        PrintAt(stream, offsets[Pick(std::size(offsets))], PickSize());
    }
    void End(Notification notification) {
        static constexpr int kCodes[] = {0, 1, 77, 127, 137, 255, 256, -1, 1 << 30, 300};
        const int code = kCodes[Pick(std::size(kCodes))];
        if (FrameVersion() == kClientVersion3)
            return Send(EncodeNotification(notification, Encode(ProcessEnd{code, 0})));
        std::string frame = EncodeProcessExited(static_cast<uint8_t>(code));
        if (notification == Notification::kProcessExited) return Send(frame);
        frame.pop_back();  // without its payload
        frame[kClientHeaderSize - 1] = 0;
        Send(frame);
    }
    void MoveInput(uint64_t how) {
        const StreamWindow windows[] = {
            {heard_input_, heard_input_ + 100}, {heard_input_, heard_input_ + 65536},
            {heard_input_, heard_input_},       {0, 0},
            {UINT64_MAX, UINT64_MAX},           {0, UINT64_MAX},
            {heard_input_ + 1000000, 0}};
        Send(EncodeNotification(Notification::kWindow,
                                Encode(WindowUpdate{StreamKind::kStdin, windows[how]})));
    }
    // Legal and not, of no consequence for output and end but where the model says so.
    void SayOther() {
        const uint16_t version = FrameVersion();
        const std::string error = EncodeError(ErrorCode::kUnknownToken, "unknown token", version);
        const std::string window = Encode(WindowUpdate{StreamKind::kStdout, {1, 2}});
        const std::string log = Encode(LogEntry{"shim", "box", "debug", "text"}, version);
        switch (Pick(9)) {
            case 0:
                return Send(EncodeResponse(ClientCommand::kSignal, error, true, version));
            case 1:
                return Send(EncodeResponse(ClientCommand::kSignal, "", false, version));
            case 2:
                return Send(EncodeCommand(ClientCommand::kSignal, "", version));
            case 3:
                return Send(EncodeStream(StreamKind::kLog, log, version));
            case 4:
                return Send(version == kClientVersion3
                                ? EncodeStreamAt(StreamKind::kStdin, 0, "text", true)
                                : EncodeStream(StreamKind::kStdin, "text"));
            case 5:
                return Send(EncodeNotification(Notification::kWindow, window));
            case 6:
                return Send(EncodeNotification(Notification::kWindow, "\xc1"));
            case 7:
                return Send(EncodeNotification(Notification::kProcessExited, "\xc1"));
            default:
                return Send(EncodeResponse(ClientCommand::kConnectShim, error, true, version));
        }
    }
    // Bytes of the choices as they are, after their number.
    void SayRaw() {
        const auto high = static_cast<size_t>(Byte()), low = static_cast<size_t>(Byte());
        const std::string_view bytes = choices_.substr(0, high << 8 | low);
        choices_.remove_prefix(bytes.size());
        Send(std::string(bytes));
    }

    // --- what the proxy hears
    void Hear() {
        if (!peer_ || !proxy_reads_) return;
        std::string bytes(65536, '\0');
        ssize_t count = 0;
        while ((count = ::read(peer_.get(), bytes.data(), bytes.size())) > 0) {
            heard_.Push(std::string_view(bytes).substr(0, static_cast<size_t>(count)));
            while (broken_.empty()) {
                const auto frame = heard_.Next();
                if (!frame) return Break(Cat("the shim sends nonsense: ", frame.error().message));
                if (!*frame) break;
                HearFrame(**frame);
            }
        }
        if (count < 0 && errno == EAGAIN) return;
        // It need not take everything from a proxy that has not answered.
        if (model_.alive() && !model_.introduced()) uncertain_ = true;
        Forget();
    }
    void HearFrame(const ClientFrame& frame) {
        if (version_ == 0) return HearIntroduction(frame);
        if (goodbyes_ > 0) return Break("the shim says more after its good-bye");
        if (!model_.ever()) return Break("the shim says more before it was introduced");
        if (frame.Is(StreamKind::kStdin)) return HearInput(frame);
        if (frame.Is(StreamKind::kLog)) {
            if (!ParseLogEntry(frame.payload, version_)) Break("a log entry cannot be read");
        } else if (frame.Is(Notification::kWindow)) {
            const auto update = ParseWindowUpdate(frame.payload);
            if (!update || update->stream == StreamKind::kStdin) return Break("a wrong window");
            CheckWindow(update->stream == StreamKind::kStderr, update->window);
        } else if (frame.Is(ClientCommand::kSignal)) {
            const auto signal = ParseSignal(frame.payload, version_);
            if (!signal || signal->number <= 0 || signal->number >= 32)
                return Break("a wrong signal");
            if (--raised_[static_cast<size_t>(signal->number)] < 0)
                Break(Cat("signal ", signal->number, " that nobody sent"));
        } else if (frame.Is(ClientCommand::kDisconnectShim)) {
            ++goodbyes_;
            if (!model_.exited() && !model_.ended()) Break("a good-bye of no process's end");
        } else {
            Break("the shim sends what is not a shim's");
        }
    }
    void HearIntroduction(const ClientFrame& frame) {
        version_ = frame.version;
        model_.Connect(version_);
        const auto message = ParseConnectShim(frame.payload, version_);
        if (!frame.Is(ClientCommand::kConnectShim) || !message || message->token != kToken)
            return Break("a shim's first word is not its token");
        if (version_ != kClientVersion3) return;
        CheckWindow(0, message->standard_output);
        CheckWindow(1, message->standard_error);
        next_ = {message->standard_output.offset, message->standard_error.offset};
    }
    // Only what was written is acknowledged, and that never goes back.
    void CheckWindow(size_t stream, const StreamWindow& window) {
        const ChaosReader& reader = readers_[stream];
        if (window.limit != window.offset + kStreamWindow) Break("a window of another width");
        if (window.offset < acknowledged_[stream]) Break("an acknowledgement goes back");
        if (reader.fd && window.offset > reader.written())
            Break("output is acknowledged that was not written");
        if (window.offset > model_.printed(stream).size() && !uncertain_)
            Break("output is acknowledged that was not sent");
        acknowledged_[stream] = window.offset;
    }
    void HearInput(const ClientFrame& frame) {
        if (input_ended_) return Break("input after its end");
        const bool three = version_ == kClientVersion3;
        const uint64_t at = three ? frame.offset : input_at_.value_or(heard_input_);
        const uint64_t end = at + frame.payload.size();
        if (end > typed_) return Break("more input than there was");
        // Where the bytes of a broken connection of version 2 went nobody knows.
        if ((three || !typed_lost_) && frame.payload != BytesAt(2, at, frame.payload.size()))
            return Break("input that was not typed, or not there");
        if (three && end > model_.input_limit()) return Break("input beyond the proxy's window");
        const uint64_t due = input_at_.value_or(model_.input_claimed());
        if (three && at > due && at > model_.input_claimed()) return Break("input is left out");
        if (three && input_at_ && at < *input_at_) return Break("input comes again");
        input_ended_ = three ? frame.end : frame.payload.empty();
        if (input_ended_ && (in_.far || (end != typed_ && (three || !typed_lost_))))
            Break("input ends too early");
        input_at_ = end;
        heard_input_ = std::max(heard_input_, end);
    }

    // --- the streams
    void Type(size_t size) {
        if (!in_.far) return;
        const std::string bytes = BytesAt(2, typed_, size);
        const ssize_t count = ::write(in_.far.get(), bytes.data(), bytes.size());
        if (count > 0) typed_ += static_cast<uint64_t>(count);
    }
    void SetReader(ChaosReader& reader) {
        static constexpr size_t kAppetites[] = {ChaosReader::kEverything, 0, 1, 100, 4096};
        const uint64_t how = Pick(std::size(kAppetites) + 1);
        if (how < std::size(kAppetites))
            reader.appetite = kAppetites[how];
        else
            reader.fd.Reset();
    }
    void ReadOutput() {
        for (size_t stream = 0; stream < readers_.size(); ++stream)
            for (size_t left = readers_[stream].appetite; left > 0;) {
                const uint64_t at = readers_[stream].got;
                const std::string bytes = readers_[stream].Read(left);
                if (bytes.empty()) break;
                left -= bytes.size();
                CheckOutput(stream, at, bytes);
            }
    }
    void CheckOutput(size_t stream, uint64_t at, std::string_view bytes) {
        if (uncertain_) return;
        const std::string& printed = model_.printed(stream);
        const std::string_view due =
            std::string_view(printed).substr(std::min<size_t>(at, printed.size()), bytes.size());
        if (bytes.substr(0, due.size()) != due) return Break("output of other bytes");
        bytes.remove_prefix(due.size());
        // After all of the process's output, the shim's own word.
        if (stream == 1)
            word_ += bytes;
        else if (!bytes.empty())
            Break("more output than there was");
    }
    uint64_t Held() const {
        uint64_t held = 0;
        for (size_t stream = 0; stream < readers_.size(); ++stream)
            if (const auto printed = model_.printed(stream).size();
                readers_[stream].fd && printed > readers_[stream].got)
                held += printed - readers_[stream].got;
        return held;
    }
    void Kill() {
        static constexpr int kSignals[] = {SIGHUP,  SIGUSR1, SIGUSR2,   SIGWINCH, SIGQUIT,
                                           SIGCONT, SIGTSTP, SIGTTIN,   SIGTTOU,  SIGCHLD,
                                           SIGURG,  SIGIO,   SIGSTKFLT, SIGPWR,   SIGTRAP};
        const int signal = kSignals[Pick(std::size(kSignals))];
        // The end of a shim that only waits for its readers.
        if (signal == SIGHUP && (model_.ended() || model_.exited() || model_.lost()))
            dismissed_ = true;
        ++raised_[static_cast<size_t>(signal)];
        ::raise(signal);
    }

    // --- the end
    void CheckEnd(int status) {
        for (auto& reader : readers_)
            reader.appetite = ChaosReader::kEverything;
        ReadOutput();
        proxy_reads_ = true;
        const bool open = peer_ && model_.owes_goodbye();
        Hear();
        if (status < 0 || status > 255) Break(Cat("an exit status of ", status));
        if (goodbyes_ > 1) Break("two good-byes");
        if (!word_.empty() && !word_.starts_with("cc-shim: ")) Break("a word of nobody's");
        if (uncertain_) return;
        if (model_.exited() || dismissed_) {
            if (status != model_.exited().value_or(status) && status != model_.ended())
                Break(Cat("an exit status of ", status, " that is not the process's"));
            if (open && goodbyes_ == 0) Break("the shim leaves without a good-bye");
        } else {
            // Before that, it depends on when it tried.
            if (!model_.lost() && model_.ever()) Break("the shim leaves before its process");
            if (status != 1 && status != 137 && status != model_.ended())
                Break(Cat("an exit status of ", status, " for a shim that was lost"));
        }
        for (size_t stream = 0; stream < readers_.size(); ++stream)
            if (readers_[stream].fd && !dismissed_ &&
                readers_[stream].got < model_.printed(stream).size())
                Break("the shim ends before all output is out");
    }

    std::string_view choices_;
    const uint64_t shape_;  // 1: pipes; 2: no patience with a proxy that has gone; 4: debug lines
    ChaosStream in_, out_, err_;
    std::array<ChaosReader, 2> readers_;
    std::string folder_;
    Fd listener_;
    uv::Loop* loop_ = nullptr;
    std::string broken_;
    int actions_ = 0, last_turns_ = 0;
    bool said_last_ = false;

    ShimModel model_;
    bool uncertain_ = false;  // what of the sent bytes the shim has read
    bool dismissed_ = false;  // by a signal, and need not wait for its readers

    Fd peer_;
    uint16_t version_ = 0;  // of the connection; 0 before the shim's first word
    std::string unsent_, later_;
    bool corked_ = false, other_version_ = false, proxy_reads_ = true;
    size_t cut_ = 0;
    int patience_ = 0;  // turns until the connection ends; 0: it stays
    std::pair<uint64_t, int> flip_{};
    std::array<uint64_t, 2> next_{}, acknowledged_{};

    ClientFrameDecoder heard_;
    uint64_t typed_ = 0, heard_input_ = 0;
    std::optional<uint64_t> input_at_;  // on this connection
    bool input_ended_ = false, typed_lost_ = false;
    std::array<int, 32> raised_{};
    int goodbyes_ = 0;
    std::string word_;
};

}  // namespace cc::shim
