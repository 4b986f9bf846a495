// SPDX-License-Identifier: Apache-2.0
#include "base/syslog.h"

#include <cerrno>
#include <ctime>

#include <sys/socket.h>
#include <unistd.h>

#include "base/text.h"

namespace cc {

namespace {

constexpr int kFacilityDaemon = 3;
constexpr size_t kMaxText = 8000;  // daemons cut at 8 KiB by default

// As the C library writes it (RFC 3164): daemons on the local socket expect local time.
std::string Header(SyslogSeverity severity, std::string_view tag) {
    const std::time_t now = std::time(nullptr);
    std::tm local{};
    localtime_r(&now, &local);
    char time[32];
    const size_t length = std::strftime(time, sizeof time, "%b %e %T", &local);
    return Cat("<", kFacilityDaemon * 8 + static_cast<int>(severity), ">",
               std::string_view(time, length), " ", tag, "[", ::getpid(), "]: ");
}

}  // namespace

std::vector<std::string> SyslogSockets() {
    return {"/dev/log", "/var/run/syslog", "/var/run/log"};
}

bool Syslog::Connect() {
    for (const auto& path : sockets_) {
        auto connected = ConnectUnix(path, SOCK_DGRAM | SOCK_NONBLOCK);
        if (!connected) continue;
        socket_ = std::move(*connected);
        return true;
    }
    return false;
}

bool Syslog::SendNow(SyslogSeverity severity, std::string_view text) {
    const std::string message = Header(severity, tag_) + std::string(text.substr(0, kMaxText));
    const auto send = [&] {
        return socket_ && ::send(socket_.get(), message.data(), message.size(), MSG_NOSIGNAL) >= 0;
    };
    if (send()) return true;
    // A full queue is left alone; a daemon that has started anew has another socket.
    if (socket_ && (errno == EAGAIN || errno == EMSGSIZE || errno == ENOBUFS)) return false;
    return Connect() && send();
}

void Syslog::Send(SyslogSeverity severity, std::string_view text) {
    const std::lock_guard lock(mutex_);
    if (dropped_ > 0 && SendNow(SyslogSeverity::kWarning, Cat(dropped_, " lines were lost here")))
        dropped_ = 0;
    if (dropped_ > 0 || !SendNow(severity, text)) ++dropped_;
}

}  // namespace cc
