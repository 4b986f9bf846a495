// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/shim/scripted_proxy.h"

#include <csignal>
#include <cstdio>
#include <cstdlib>

#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/file.h"
#include "base/text.h"
#include "shim/main.h"

namespace cc::test {

namespace {

const std::string kShimName("cc-shim\0", 8);

bool WaitReadable(int fd, std::chrono::milliseconds patience) {
    pollfd waiting{fd, POLLIN, 0};
    return ::poll(&waiting, 1, static_cast<int>(patience.count())) > 0;
}

// This test program started under the name cc-shim is one: a fresh process without the test
// framework's signal handlers and buffers, and no other program that must have been built before.
struct ShimWhenAsked {
    ShimWhenAsked() {
        const auto line = ReadFile("/proc/self/cmdline", 1 << 20);
        if (!line || !line->starts_with(kShimName)) return;
        auto arguments = Split(line->substr(0, line->size() - 1), '\0');
        arguments.erase(arguments.begin());
        ::signal(SIGPIPE, SIG_IGN);  // as main.cc does
        const int status = ShimMain(arguments);
        std::fflush(stdout);
        ::_exit(status);
    }
} const shim_when_asked;

}  // namespace

TempDirectory::TempDirectory() {
    char name[] = "/tmp/cc-shim-test.XXXXXX";
    REQUIRE(::mkdtemp(name) != nullptr);
    path_ = name;
}

TempDirectory::~TempDirectory() {
    (void)RemoveTree(path_);
}

void ScriptedProxy::Listen() {
    listener_ = ListenUnix(path_, SOCK_STREAM, 0600).value();
}

void ScriptedProxy::StopListening() {
    listener_.Reset();
    ::unlink(path_.c_str());
}

bool ScriptedProxy::HasCaller(int milliseconds) {
    return WaitReadable(listener_.get(), std::chrono::milliseconds(milliseconds));
}

ConnectShim ScriptedProxy::TakeCaller() {
    while (true) {
        REQUIRE(WaitReadable(listener_.get(), kPatience));
        peer_ = Fd::Adopt(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
        decoder_ = ClientFrameDecoder();
        const auto first = Next();
        REQUIRE(first);
        if (first->version != version_) {
            ++turned_away_;
            Hang();
            continue;
        }
        CHECK(first->Is(ClientCommand::kConnectShim));
        auto message = ParseConnectShim(first->payload, version_);
        REQUIRE(message);
        CHECK(message->token == kToken);
        return std::move(*message);
    }
}

ConnectShim ScriptedProxy::Accept(const StreamWindow& standard_input) {
    auto message = TakeCaller();
    Answer({standard_input});
    return message;
}

ConnectShim ScriptedProxy::AcceptOn(Fd connection, const StreamWindow& standard_input) {
    peer_ = std::move(connection);
    decoder_ = ClientFrameDecoder();
    const auto first = Next();
    REQUIRE(first);
    REQUIRE(first->Is(ClientCommand::kConnectShim));
    auto message = ParseConnectShim(first->payload, version_);
    REQUIRE(message);
    Answer({standard_input, message->token.empty() ? kToken : ""});
    return std::move(*message);
}

void ScriptedProxy::Answer(const ShimConnected& answer) {
    Send(EncodeResponse(ClientCommand::kConnectShim,
                        version_ == kClientVersion3 ? Encode(answer) : "", false, version_));
}

void ScriptedProxy::AcceptAndRefuse(const std::string& error, ErrorCode code) {
    TakeCaller();
    Send(EncodeResponse(ClientCommand::kConnectShim, EncodeError(code, error, version_), true,
                        version_));
}

std::optional<OwnedFrame> ScriptedProxy::Next() {
    while (true) {
        auto frame = decoder_.Next();
        REQUIRE(frame);
        if (*frame) return OwnedFrame(**frame);
        if (!WaitReadable(peer_.get(), kPatience)) return std::nullopt;
        char bytes[65536];
        const ssize_t count = ::read(peer_.get(), bytes, sizeof bytes);
        if (count <= 0) return std::nullopt;
        decoder_.Push({bytes, static_cast<size_t>(count)});
    }
}

std::string ScriptedProxy::Input(uint64_t offset, size_t count, bool* end) {
    std::string bytes;
    for (bool ended = false; bytes.size() < count && !ended;) {
        const auto frame = Next();
        REQUIRE(frame);
        if (!frame->Is(StreamKind::kStdin)) continue;
        CHECK(frame->offset == offset + bytes.size());
        bytes += frame->payload;
        ended = frame->end;
        if (end != nullptr) *end = ended;
    }
    return bytes;
}

StreamWindow ScriptedProxy::NextWindow(StreamKind kind) {
    while (true) {
        const auto frame = Next();
        REQUIRE(frame);
        if (!frame->Is(Notification::kWindow)) continue;
        const auto update = ParseWindowUpdate(frame->payload);
        REQUIRE(update);
        if (update->stream == kind) return update->window;
    }
}

void ScriptedProxy::Send(const std::string& bytes) {
    REQUIRE(WriteAll(peer_.get(), bytes));
}

void ScriptedProxy::ExpectGoodbye() {
    std::optional<OwnedFrame> frame;
    do {
        frame = Next();
    } while (frame && !frame->Is(ClientCommand::kDisconnectShim));
    CHECK(frame);
}

Process StartShim(const std::vector<std::string>& arguments, const Stdio& stdio) {
    SpawnOptions options;
    options.executable = SelfPath().value();
    options.arguments = arguments;
    options.arguments.insert(options.arguments.begin(), kShimName.c_str());
    const int fds[] = {stdio.in, stdio.out, stdio.err, stdio.start};
    for (int i = 0; i < 4; ++i)
        if (fds[i] >= 0) options.fds.push_back({fds[i], i});
    if (stdio.connection >= 0) options.fds.push_back({stdio.connection, 4});
    options.new_session = stdio.session;
    options.new_pid_namespace = stdio.pids;
    if (stdio.session)
        options.in_child = [in = stdio.in]() -> Result<void> {
            if (::ioctl(in, TIOCSCTTY, 0) < 0) return FailErrno("taking the terminal");
            return {};
        };
    auto process = Spawn(options);
    REQUIRE_MESSAGE(process, process.error().message);
    return std::move(*process);
}

std::vector<std::string> ShimArguments(const std::string& socket) {
    return {"-c", "box", "-t", kToken, "-u", "unix://" + socket};
}

int WaitExit(Process& process) {
    const bool ended = process.WaitEnd(kPatience).value();
    if (!ended) (void)process.Signal(SIGKILL);
    const int status = ExitCodeOf(process.Reap().value());
    return ended ? status : -1;
}

std::string ReadBytes(int fd, size_t count) {
    std::string bytes;
    while (bytes.size() < count && WaitReadable(fd, kPatience)) {
        char chunk[65536];
        const ssize_t got = ::read(fd, chunk, std::min(sizeof chunk, count - bytes.size()));
        if (got <= 0) break;
        bytes.append(chunk, static_cast<size_t>(got));
    }
    return bytes;
}

}  // namespace cc::test
