// SPDX-License-Identifier: Apache-2.0
#include "proxy/listener.h"

#include <algorithm>

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>

#include "base/log.h"
#include "base/text.h"

namespace cc::proxy {

namespace {
// In one turn of the loop, so that a storm of callers does not hold up everybody else.
constexpr int kAcceptsPerTurn = 64;
constexpr std::chrono::milliseconds kRest{100};
}  // namespace

Result<std::unique_ptr<Listener>> Listener::Open(uv::Loop& loop, Fd socket, rlim_t spared,
                                                 Accepted accepted) {
    CC_TRY(SetNonBlocking(socket.get()));
    auto listener = std::unique_ptr<Listener>(
        new Listener(loop, std::move(socket), spared, std::move(accepted)));
    CC_TRY(listener->poll_.Open(listener->socket_.get()));
    listener->poll_.Start(UV_READABLE);
    return listener;
}

Listener::Listener(uv::Loop& loop, Fd socket, rlim_t spared, Accepted accepted)
    : socket_(std::move(socket)),
      spared_(spared),
      accepted_(std::move(accepted)),
      poll_(loop, [this](int) { Accept(); }),
      rest_(loop, [this] { poll_.Start(UV_READABLE); }) {}

void Listener::Accept() {
    for (int i = 0; i < kAcceptsPerTurn; ++i) {
        if (FewDescriptorsLeft()) return Rest("few descriptors are left");
        Fd connection =
            Fd::Adopt(::accept4(socket_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
        if (!connection) {
            const int error = errno;
            if (error == EAGAIN) {
                resting_logged_ = false;
                return;
            }
            if (error == EINTR || error == ECONNABORTED) continue;
            return Rest(FailErrno("accepting a connection", error).value().message);
        }
        ucred peer{};
        socklen_t size = sizeof peer;
        if (::getsockopt(connection.get(), SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0) continue;
        accepted_(std::move(connection), peer.uid);
    }
}

// They are given out lowest first, so that the next one tells.
bool Listener::FewDescriptorsLeft() const {
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) < 0) return false;
    const Fd next = Fd::Adopt(::fcntl(socket_.get(), F_DUPFD_CLOEXEC, 0));
    return !next || static_cast<rlim_t>(next.get()) + std::min(spared_, limit.rlim_cur / 4) >=
                        limit.rlim_cur;
}

void Listener::Rest(std::string_view why) {
    if (!std::exchange(resting_logged_, true))
        Log(LogLevel::kWarn, "callers wait", {{"why", std::string(why)}});
    poll_.Stop();
    rest_.Start(kRest);
}

bool Listener::HasCaller() const {
    pollfd waiting{socket_.get(), POLLIN, 0};
    return ::poll(&waiting, 1, 0) > 0;
}

}  // namespace cc::proxy
