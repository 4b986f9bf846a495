// SPDX-License-Identifier: Apache-2.0
#include "vmm/port_forward.h"

#include <csignal>

#include <netinet/in.h>
#include <sys/socket.h>

#include "base/log.h"
#include "base/text.h"

namespace cc {

namespace {

// Each has two processes on the host and one in the guest.
constexpr size_t kMostConnections = 64;

// Both families have it at the same place.
Result<uint16_t> PortOf(const Fd& connection) {
    sockaddr_in6 address{};
    socklen_t size = sizeof address;
    if (::getsockname(connection.get(), reinterpret_cast<sockaddr*>(&address), &size) < 0)
        return FailErrno("asking for a connection's port");
    return ntohs(address.sin6_port);
}

}  // namespace

Result<std::unique_ptr<PortForward>> PortForward::Start(uv::Loop& loop, const Fd& network_namespace,
                                                        NetworkFollower runtime) {
    CC_ASSIGN(netns::LoopbackCatch caught, netns::CatchLoopback(network_namespace));
    std::unique_ptr<PortForward> forward(
        new PortForward(loop, std::move(caught), std::move(runtime)));
    CC_TRY(forward->ipv4_.Open(forward->caught_.ipv4.get()));
    forward->ipv4_.Start(UV_READABLE);
    if (!forward->caught_.ipv6) return forward;
    CC_TRY(forward->ipv6_.Open(forward->caught_.ipv6.get()));
    forward->ipv6_.Start(UV_READABLE);
    return forward;
}

PortForward::PortForward(uv::Loop& loop, netns::LoopbackCatch caught, NetworkFollower runtime)
    : loop_(loop),
      caught_(std::move(caught)),
      runtime_(std::move(runtime)),
      ipv4_(loop, [this](int) { Accept(caught_.ipv4); }),
      ipv6_(loop, [this](int) { Accept(caught_.ipv6); }) {}

PortForward::~PortForward() {
    for (auto& connection : connections_)
        connection.runtime.Kill();
}

void PortForward::Accept(const Fd& listener) {
    const Fd connection = Fd::Adopt(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (!connection) return;
    // Closed, as a program would that has no more room.
    if (connections_.size() >= kMostConnections) {
        Log(LogLevel::kWarn, "a connection to the container's loopback is refused",
            {{"connections", Cat(connections_.size())}});
        return;
    }
    if (auto handed = HandOver(connection); !handed)
        Log(LogLevel::kWarn, "a connection to the container's loopback is lost",
            {{"why", handed.error().message}});
}

Result<void> PortForward::HandOver(const Fd& connection) {
    CC_ASSIGN(const uint16_t port, PortOf(connection));
    SpawnOptions options;
    options.executable = runtime_.executable;
    options.arguments = {"cc-runtime",
                         "--root",
                         runtime_.root,
                         "forward",
                         Cat("--sandbox=", runtime_.sandbox),
                         Cat("--port=", port)};
    options.fds = {{connection.get(), 0}, {connection.get(), 1}};
    options.parent_death_signal = SIGTERM;
    CC_ASSIGN(Process process, Spawn(options));
    const auto at = connections_.emplace(connections_.end(), loop_, [this] {
        std::erase_if(connections_, [](Connection& one) {
            if (!one.runtime.WaitEnd(std::chrono::milliseconds(0)).value_or(false)) return false;
            one.end.Stop();
            (void)one.runtime.Reap();
            return true;
        });
    });
    at->runtime = std::move(process);
    CC_TRY(at->end.Open(at->runtime.pidfd()));
    at->end.Start(UV_READABLE);
    return {};
}

}  // namespace cc
