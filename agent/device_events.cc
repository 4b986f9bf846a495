// SPDX-License-Identifier: Apache-2.0
#include "agent/device_events.h"

#include <algorithm>

#include <linux/netlink.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

namespace cc::agent {

namespace {

constexpr size_t kEventSize = 4096;  // the kernel's own are at most half of it

// What is said before nobody hears.
Result<Fd> Listen() {
    Fd socket = Fd::Adopt(
        ::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_KOBJECT_UEVENT));
    sockaddr_nl address{};
    address.nl_family = AF_NETLINK;
    address.nl_groups = 1;
    if (!socket || ::bind(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) < 0)
        return FailErrno("listening to the kernel's devices");
    return socket;
}

}  // namespace

Result<bool> AwaitDevices(const std::function<Result<bool>()>& there,
                          std::chrono::milliseconds deadline) {
    using Clock = std::chrono::steady_clock;
    const auto end = Clock::now() + deadline;
    // Listening first: what comes between looking and waiting is not missed.
    CC_ASSIGN(const Fd events, Listen());
    while (true) {
        CC_ASSIGN(const bool found, there());
        if (found) return true;
        const auto left =
            std::chrono::duration_cast<std::chrono::milliseconds>(end - Clock::now()).count();
        if (left <= 0) return false;
        pollfd waiting{events.get(), POLLIN, 0};
        char event[kEventSize];
        if (::poll(&waiting, 1, static_cast<int>(left)) > 0)
            while (::read(events.get(), event, sizeof event) > 0)
                continue;
    }
}

bool BringsProcessor(std::string_view event) {
    return event.starts_with("add@/devices/system/cpu/cpu");
}

Result<std::unique_ptr<ProcessorWatch>> ProcessorWatch::Start(uv::Loop& loop,
                                                              std::function<void()> on_processor) {
    CC_ASSIGN(Fd events, Listen());
    std::unique_ptr<ProcessorWatch> watch(
        new ProcessorWatch(loop, std::move(events), std::move(on_processor)));
    CC_TRY(watch->poll_.Open(watch->events_.get()));
    watch->poll_.Start(UV_READABLE);
    return watch;
}

ProcessorWatch::ProcessorWatch(uv::Loop& loop, Fd events, std::function<void()> on_processor)
    : events_(std::move(events)),
      on_processor_(std::move(on_processor)),
      poll_(loop, [this](int) { OnEvents(); }) {}

void ProcessorWatch::OnEvents() {
    bool plugged = false;
    char event[kEventSize];
    ssize_t size = 0;
    while ((size = ::read(events_.get(), event, sizeof event)) > 0)
        plugged |= BringsProcessor({event, static_cast<size_t>(size)});
    // Events that did not fit into the socket's buffer are lost: one may have been of a processor.
    if (plugged || errno == ENOBUFS) on_processor_();
}

}  // namespace cc::agent
