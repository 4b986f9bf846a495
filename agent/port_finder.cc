// SPDX-License-Identifier: Apache-2.0
#include "agent/port_finder.h"

#include <linux/netlink.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/text.h"

namespace cc::agent {

namespace {

constexpr const char* kClass = "/sys/class/virtio-ports";

// Device events of the kernel. A name becomes known some time after its port; that is an event too.
Result<Fd> ListenForEvents() {
    Fd socket = Fd::Adopt(
        ::socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_KOBJECT_UEVENT));
    if (!socket) return FailErrno("listening for device events");
    sockaddr_nl address{};
    address.nl_family = AF_NETLINK;
    address.nl_groups = 1;
    if (::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) < 0)
        return FailErrno("listening for device events");
    return socket;
}

// Empty for a port that is not there yet.
std::string FindPort(const std::string& name) {
    for (const auto& port : ListDirectory(kClass).value_or(std::vector<std::string>{})) {
        const std::string text = ReadFile(Cat(kClass, "/", port, "/name"), 4096).value_or("");
        std::string device = Cat("/dev/", port);
        if (Trim(text) == name && Exists(device)) return device;
    }
    return {};
}

void Discard(int socket) {
    char event[4096];
    while (::recv(socket, event, sizeof event, 0) > 0) {
    }
}

}  // namespace

Result<std::vector<std::string>> FindPorts(const std::vector<std::string>& names,
                                           std::chrono::milliseconds deadline) {
    // Listening first: what appears between looking and waiting is not missed.
    CC_ASSIGN(const Fd events, ListenForEvents());
    const auto end = std::chrono::steady_clock::now() + deadline;
    while (true) {
        Discard(events.get());
        std::vector<std::string> found;
        std::vector<std::string> missing;
        for (const auto& name : names) {
            found.push_back(FindPort(name));
            if (found.back().empty()) missing.push_back(name);
        }
        if (missing.empty()) return found;
        const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
            end - std::chrono::steady_clock::now());
        if (left.count() <= 0)
            return Fail(Cat("the virtio-serial port ", Join(missing, ", "),
                            " did not appear within ", deadline.count(), " ms"),
                        ETIMEDOUT);
        pollfd waiting{events.get(), POLLIN, 0};
        ::poll(&waiting, 1, static_cast<int>(left.count()));
    }
}

}  // namespace cc::agent
