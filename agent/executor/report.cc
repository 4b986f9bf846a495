// SPDX-License-Identifier: Apache-2.0
#include "agent/executor/report.h"

#include <sys/socket.h>

#include "base/text.h"

namespace cc::agent {

namespace {
constexpr char kTerminal = 'T';
constexpr char kHeld = 'H';
constexpr char kReady = 'R';
constexpr char kError = 'E';
constexpr size_t kLongest = 16 * 1024;
}  // namespace

Result<void> ReportTerminal(int socket, int master) {
    const int fds[] = {master};
    return SendWithFds(socket, std::string_view(&kTerminal, 1), fds);
}

Result<void> ReportHeld(int socket) {
    CC_TRY(SendWithFds(socket, std::string_view(&kHeld, 1), {}));
    char word = 0;
    ssize_t count;
    do
        count = ::recv(socket, &word, 1, 0);
    while (count < 0 && errno == EINTR);
    if (count < 0) return FailErrno("waiting for the start");
    if (count == 0) return Fail("it was given up before its start");
    return {};
}

void ReportReady(int socket) {
    (void)SendWithFds(socket, std::string_view(&kReady, 1), {});
}

void ReportError(int socket, const Error& error) {
    const std::string text = Cat(kError, error.code, " ", error.message);
    (void)SendWithFds(socket, std::string_view(text).substr(0, kLongest), {});
}

Result<std::unique_ptr<ReportReader>> ReportReader::Open(uv::Loop& loop, Fd socket,
                                                         std::chrono::milliseconds deadline,
                                                         Events events) {
    CC_TRY(SetNonBlocking(socket.get()));
    auto reader = std::unique_ptr<ReportReader>(
        new ReportReader(loop, std::move(socket), deadline, std::move(events)));
    CC_TRY(reader->poll_.Open(reader->socket_.get()));
    reader->poll_.Start(UV_READABLE);
    reader->deadline_.Start(deadline);
    return reader;
}

ReportReader::ReportReader(uv::Loop& loop, Fd socket, std::chrono::milliseconds deadline,
                           Events events)
    : socket_(std::move(socket)),
      patience_(deadline),
      events_(std::move(events)),
      poll_(loop, [this](int) { OnReadable(); }),
      deadline_(loop, [this] { Finish(Fail("not done in time", ETIMEDOUT)); }) {}

void ReportReader::OnReadable() {
    while (true) {
        auto received = ReceiveWithFds(socket_.get(), kLongest);
        if (!received && received.error().code == EAGAIN) return;
        if (!received) return Finish(Failure(received.error()));
        const std::string& bytes = received->bytes;
        if (bytes.empty()) break;
        if (bytes[0] == kTerminal && !received->fds.empty()) {
            outcome_.terminal = std::move(received->fds.front());
        } else if (bytes[0] == kHeld) {
            deadline_.Stop();
            if (events_.held) events_.held(std::move(outcome_));
        } else if (bytes[0] == kReady) {
            ready_ = true;
        } else if (bytes[0] == kError) {
            const size_t space = bytes.find(' ');
            error_ = Error{bytes.substr(space + 1),
                           ParseNumber<int>(bytes.substr(1, space - 1)).value_or(0)};
        }
    }
    if (error_) return Finish(Failure(*error_));
    if (!ready_) return Finish(Fail("it ended while it was being set up"));
    Finish(std::move(outcome_));
}

void ReportReader::Finish(Result<Outcome> outcome) {
    poll_.Stop();
    deadline_.Stop();
    const auto done = std::exchange(events_.done, nullptr);
    if (done) done(std::move(outcome));
}

void ReportReader::Release() {
    deadline_.Start(patience_);
    // Of a process that has ended in between the end of file tells.
    (void)SendWithFds(socket_.get(), "G", {});
}

}  // namespace cc::agent
