// SPDX-License-Identifier: Apache-2.0
#include "agent/online_memory.h"

#include <cerrno>
#include <charconv>

#include <linux/netlink.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/text.h"

namespace cc::agent {

namespace {

constexpr size_t kSysfsFile = 4096;

// What the kernel says of its devices, memory among them. What is said before nobody hears.
Result<Fd> ListenToDevices() {
    Fd socket = Fd::Adopt(
        ::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_KOBJECT_UEVENT));
    sockaddr_nl address{};
    address.nl_family = AF_NETLINK;
    address.nl_groups = 1;
    if (!socket || ::bind(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) < 0)
        return FailErrno("listening to the kernel's devices");
    return socket;
}

// Which device it was does not matter.
void Drain(int socket) {
    char event[kSysfsFile];
    while (::read(socket, event, sizeof event) > 0)
        continue;
}

}  // namespace

Result<int64_t> OnlineMemoryMib(const std::string& blocks) {
    CC_ASSIGN(const std::string size, ReadFile(Cat(blocks, "/block_size_bytes"), kSysfsFile));
    const std::string_view digits = Trim(size);  // hexadecimal, without a prefix
    int64_t block = 0;
    if (std::from_chars(digits.begin(), digits.end(), block, 16).ec != std::errc())
        return Fail(Cat(blocks, "/block_size_bytes: ", Quoted(digits, 64), " is no number"));
    CC_ASSIGN(const auto names, ListDirectory(blocks));
    int64_t online = 0;
    for (const auto& name : names) {
        if (!name.starts_with("memory")) continue;
        const auto state = ReadFile(Cat(blocks, "/", name, "/state"), kSysfsFile);
        if (state && Trim(*state) == "online") ++online;
    }
    return online * block / (1 << 20);
}

Result<void> AwaitMemory(int64_t mib, std::chrono::milliseconds deadline,
                         const std::string& blocks) {
    using Clock = std::chrono::steady_clock;
    const auto end = Clock::now() + deadline;
    CC_ASSIGN(const Fd devices, ListenToDevices());
    while (true) {
        const auto online = OnlineMemoryMib(blocks);
        if (!online && online.error().code == ENOENT) return {};
        if (!online) return Failure(online.error());
        if (*online >= mib) return {};
        const auto left =
            std::chrono::duration_cast<std::chrono::milliseconds>(end - Clock::now()).count();
        if (left <= 0)
            return Fail(Cat("of ", mib, " MiB of memory the guest's kernel has taken ", *online,
                            " MiB into use so far"),
                        ETIMEDOUT);
        pollfd waiting{devices.get(), POLLIN, 0};
        if (::poll(&waiting, 1, static_cast<int>(left)) > 0) Drain(devices.get());
    }
}

}  // namespace cc::agent
