// SPDX-License-Identifier: Apache-2.0
#include "tests/e2e/terminal.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

namespace cc::test {

Terminal::Terminal(Host& host, const std::vector<std::string>& runtime_arguments,
                   unsigned short rows, unsigned short columns) {
    int master = -1, slave = -1;
    const winsize size{rows, columns, 0, 0};
    REQUIRE(::openpty(&master, &slave, nullptr, nullptr, &size) == 0);
    master_ = Fd::Adopt(master);
    slave_ = Fd::Adopt(slave);
    SpawnOptions options;
    options.executable = CC_BIN_DIR "/cc-runtime";
    options.arguments = host.RuntimeArguments(runtime_arguments);
    options.environment.emplace();
    for (char** entry = environ; *entry != nullptr; ++entry)
        options.environment->push_back(*entry);
    options.environment->push_back(host.Environment().front());
    options.fds = {{slave, 0}, {slave, 1}, {slave, 2}};
    options.new_session = true;
    options.in_child = [slave]() -> Result<void> {
        if (::ioctl(slave, TIOCSCTTY, 0) < 0) return FailErrno("taking the terminal");
        return {};
    };
    auto process = Spawn(options);
    REQUIRE_MESSAGE(process, process.error().message);
    process_ = std::move(*process);
}

Terminal::~Terminal() {
    process_.Kill();
}

void Terminal::Type(const std::string& text) {
    CHECK(WriteAll(master_.get(), text));
}

void Terminal::Resize(unsigned short rows, unsigned short columns) {
    const winsize size{rows, columns, 0, 0};
    CHECK(::ioctl(master_.get(), TIOCSWINSZ, &size) == 0);
}

bool Terminal::WaitFor(const std::string& text) {
    const auto end = std::chrono::steady_clock::now() + kPatience;
    while (true) {
        if (const size_t at = seen_.find(text); at != std::string::npos) {
            seen_.erase(0, at + text.size());
            return true;
        }
        const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
                              end - std::chrono::steady_clock::now())
                              .count();
        pollfd waiting{master_.get(), POLLIN, 0};
        if (left <= 0 || ::poll(&waiting, 1, static_cast<int>(left)) <= 0) break;
        char bytes[4096];
        const ssize_t count = ::read(master_.get(), bytes, sizeof bytes);
        if (count <= 0) break;
        seen_.append(bytes, static_cast<size_t>(count));
    }
    MESSAGE("on the screen instead: ", Quoted(seen_, 4096));
    return false;
}

int Terminal::WaitExit() {
    REQUIRE(process_.WaitEnd(kPatience).value_or(false));
    const int status = ExitCodeOf(process_.Reap().value());
    process_ = Process();
    return status;
}

bool Terminal::IsCooked() const {
    termios mode{};
    REQUIRE(::tcgetattr(slave_.get(), &mode) == 0);
    return (mode.c_lflag & ICANON) != 0 && (mode.c_lflag & ECHO) != 0;
}

}  // namespace cc::test
