// SPDX-License-Identifier: Apache-2.0
#include "host/bus.h"

#include <algorithm>
#include <array>

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/text.h"

namespace cc {

namespace {

using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

constexpr milliseconds kCallDeadline{10000};
constexpr size_t kMaxGreeting = 4096;
constexpr size_t kMaxSignals = 1024;  // that nobody has asked for yet

}  // namespace

Result<BusConnection> BusConnection::Connect(const BusAddress& address) {
    CC_ASSIGN(Fd fd, ConnectUnix(address.path, SOCK_STREAM));
    BusConnection connection(std::move(fd));
    CC_TRY(Context(address.path, connection.Authenticate(Clock::now() + kCallDeadline)));
    if (!address.bus) return connection;
    // A bus gives each connection a name before it passes anything on.
    DbusMessage hello;
    hello.destination = "org.freedesktop.DBus";
    hello.path = "/org/freedesktop/DBus";
    hello.interface = "org.freedesktop.DBus";
    hello.member = "Hello";
    CC_ASSIGN(const DbusMessage answer, Context(address.path, connection.Call(std::move(hello))));
    CC_TRY(Context(address.path, CheckAnswer(answer)));
    return connection;
}

// As whom the kernel says that we are: "EXTERNAL", with the user's number in hexadecimal digits of
// its decimal ones. BEGIN goes with it, as sd-bus does it: when it comes together with the first
// message, systemd 252 does not look at that before another one comes.
Result<void> BusConnection::Authenticate(TimePoint end) {
    const std::string user = HexEncode(std::to_string(::geteuid()));
    CC_TRY(WriteAll(fd_.get(),
                    Cat(std::string_view("\0", 1), "AUTH EXTERNAL ", user, "\r\nBEGIN\r\n")));
    std::string line;
    while (!line.ends_with("\r\n")) {
        if (line.size() > kMaxGreeting) return Fail("what answers is no D-Bus");
        CC_ASSIGN(const std::string some, ReadSome(end));
        line += some;
    }
    if (line.starts_with("OK ")) return {};
    return Fail(Cat("authentication: ", Quoted(Trim(line), 64)));
}

Result<std::string> BusConnection::ReadSome(TimePoint end) {
    while (true) {
        const auto left = std::chrono::ceil<milliseconds>(end - Clock::now());
        pollfd waiting{fd_.get(), POLLIN, 0};
        const int ready = ::poll(&waiting, 1, static_cast<int>(std::max<int64_t>(left.count(), 0)));
        if (ready < 0 && errno == EINTR) continue;
        if (ready < 0) return FailErrno("waiting for D-Bus");
        if (ready == 0) return Fail("no answer on D-Bus in time", ETIMEDOUT);
        std::array<char, 4096> buffer{};
        const ssize_t count = ::read(fd_.get(), buffer.data(), buffer.size());
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) return FailErrno("reading from D-Bus");
        if (count == 0) return Fail("D-Bus has closed the connection", ECONNRESET);
        return std::string(buffer.data(), static_cast<size_t>(count));
    }
}

Result<DbusMessage> BusConnection::Receive(TimePoint end) {
    while (true) {
        CC_ASSIGN(auto message, decoder_.Next());
        if (message) return std::move(*message);
        CC_ASSIGN(const std::string some, ReadSome(end));
        decoder_.Push(some);
    }
}

Result<DbusMessage> BusConnection::Call(DbusMessage message) {
    const auto end = Clock::now() + kCallDeadline;
    message.type = DbusType::kCall;
    message.serial = ++serial_;
    CC_TRY(Context(message.member, WriteAll(fd_.get(), Encode(message))));
    while (true) {
        CC_ASSIGN(DbusMessage received, Context(message.member, Receive(end)));
        if (received.type == DbusType::kSignal && signals_.size() < kMaxSignals)
            signals_.push_back(std::move(received));
        else if (received.type != DbusType::kSignal && received.reply_serial == message.serial)
            return received;
    }
}

Result<DbusMessage> BusConnection::AwaitSignal(
    const std::function<bool(const DbusMessage&)>& wanted, milliseconds deadline) {
    const auto end = Clock::now() + deadline;
    while (true) {
        while (!signals_.empty()) {
            DbusMessage signal = std::move(signals_.front());
            signals_.pop_front();
            if (wanted(signal)) return signal;
        }
        CC_ASSIGN(DbusMessage received, Receive(end));
        if (received.type == DbusType::kSignal) signals_.push_back(std::move(received));
    }
}

Result<void> CheckAnswer(const DbusMessage& answer) {
    if (answer.type != DbusType::kError) return {};
    // By custom its first value is a text for people.
    std::string text;
    if (answer.signature.starts_with("s")) text = DbusReader(answer.body).String().value_or("");
    return Fail(Cat(text.empty() ? "no reason is given" : text, " (", answer.error_name, ")"));
}

}  // namespace cc
