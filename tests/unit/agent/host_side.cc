// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/agent/host_side.h"

#include <csignal>
#include <cstdio>
#include <thread>

#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/host_test.h"
#include "base/text.h"

namespace cc::agent {

namespace {

constexpr int kDeadlineMs = 60000;  // generous: sanitizers and busy machines

std::string ReadSome(int fd) {
    pollfd waiting{fd, POLLIN, 0};
    REQUIRE_MESSAGE(::poll(&waiting, 1, kDeadlineMs) == 1, "the agent did not answer in time");
    std::string bytes(1 << 18, '\0');
    const ssize_t count = ::read(fd, bytes.data(), bytes.size());
    REQUIRE_MESSAGE(count > 0, "the agent closed the channel");
    bytes.resize(static_cast<size_t>(count));
    return bytes;
}

Fd ConnectEventually(const std::string& path) {
    for (int i = 0; i < 3000; ++i) {
        if (auto connected = ConnectUnix(path, SOCK_STREAM)) return std::move(*connected);
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    FAIL("nobody listens on " << path);
    return {};
}

}  // namespace

HostSide::HostSide(const std::string& control, const std::string& io)
    : control_(ConnectEventually(control)), io_(ConnectEventually(io)) {}

Answer HostSide::Receive() {
    while (true) {
        auto message = control_decoder_.Next();
        REQUIRE(message);
        if (*message) return {(*message)->code, std::string((*message)->payload)};
        control_decoder_.Push(ReadSome(control_.get()));
    }
}

void HostSide::Send(ControlCode code, std::string_view payload) {
    REQUIRE(WriteAll(control_.get(), EncodeControl(code, payload)));
}

Answer HostSide::Call(ControlCode code, std::string_view payload) {
    Send(code, payload);
    return Receive();
}

std::string HostSide::CallFails(ControlCode code, std::string_view payload) {
    const Answer answer = Call(code, payload);
    CHECK(answer.code == ControlCode::kError);
    return answer.payload;
}

void HostSide::Input(uint64_t sequence, std::string_view bytes) {
    REQUIRE(WriteAll(io_.get(), EncodeIo(sequence, bytes)));
}

void HostSide::PumpOnce() {
    io_decoder_.Push(ReadSome(io_.get()));
    while (true) {
        const auto message = io_decoder_.Next();
        REQUIRE(message);
        if (!*message) return;
        const auto& [sequence, payload] = **message;
        if (payload.empty()) {
            streams_.ended.insert(sequence);
        } else if (streams_.ended.contains(sequence)) {
            CHECK(payload.size() == 1);
            streams_.exit_codes[sequence] = static_cast<unsigned char>(payload[0]);
        } else {
            CHECK(payload.size() + kIoHeaderSize <= kAgentIoChunk);
            streams_.output[sequence] += payload;
        }
    }
}

int HostSide::WaitExit(uint64_t sequence) {
    while (!streams_.exit_codes.contains(sequence))
        PumpOnce();
    return streams_.exit_codes[sequence];
}

void HostSide::WaitOutput(uint64_t sequence, std::string_view text) {
    while (streams_.output[sequence].find(text) == std::string::npos)
        PumpOnce();
}

HostAgent::HostAgent() : share_(scratch_ / "share") {
    REQUIRE(MakeDirectories(rootfs() + "/bin", 0755));
    REQUIRE(MakeDirectories(rootfs() + "/etc", 0755));
    REQUIRE(::chmod((share_ + "/c").c_str(), 0755) == 0);
    const auto busybox = ReadFile("/bin/busybox", 16 << 20);
    REQUIRE_MESSAGE(busybox, "these tests need Debian's busybox-static");
    REQUIRE(WriteFileAtomic(rootfs() + "/bin/busybox", *busybox, 0755));
    for (const std::string applet :
         {"sh", "cat", "echo", "sleep", "id", "stty", "tty", "head", "kill", "ls", "grep"})
        REQUIRE(::symlink("busybox", (rootfs() + "/bin/" + applet).c_str()) == 0);
    REQUIRE(WriteFileAtomic(rootfs() + "/etc/passwd",
                            "root:x:0:0::/root:/bin/sh\nbob:x:1000:1000::/home/bob:/bin/sh\n",
                            0644));
    REQUIRE(WriteFileAtomic(rootfs() + "/etc/group", "root:x:0:\nwheel:x:10:bob\n", 0644));
    std::fflush(nullptr);
    pid_ = ::fork();
    REQUIRE(pid_ >= 0);
    if (pid_ != 0) return;
    const auto status = RunHostTest({scratch_ / "ctl", scratch_ / "io", share_});
    if (!status) std::fprintf(stderr, "cc-agent: %s\n", status.error().message.c_str());
    ::_exit(status.value_or(1));
}

HostAgent::~HostAgent() {
    ::kill(pid_, SIGTERM);
    int status = 0;
    CHECK(::waitpid(pid_, &status, 0) == pid_);
    CHECK(status == 0);
    CHECK_FALSE(Exists(scratch_ / "ctl"));
    CHECK_FALSE(Exists(Cat("/tmp/cc-agent-test.", pid_)));
}

HostSide HostAgent::StartPod() const {
    HostSide host = Connect();
    CHECK(host.Receive().code == ControlCode::kReady);
    const Answer answer =
        host.Call(ControlCode::kStartPod, Encode(cc::StartPod{"pod", "hyperShared"}));
    CHECK_MESSAGE(answer.code == ControlCode::kAck, answer.payload);
    return host;
}

bool SkipWithoutRoot() {
    if (::geteuid() == 0) return false;
    std::printf("SKIPPED: containers are made in namespaces, which needs root\n");
    return true;
}

}  // namespace cc::agent
