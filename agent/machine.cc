// SPDX-License-Identifier: Apache-2.0
// Stage 2's details: what a machine needs besides file systems.
#include <algorithm>
#include <array>
#include <cstring>
#include <ctime>

#include <fcntl.h>
#include <linux/random.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent/boot.h"
#include "base/fd.h"

namespace cc::agent {

namespace {
constexpr size_t kMostEntropy = 64;  // bytes; the kernel's generator holds half of it
}  // namespace

Result<void> RaiseLoopback() {
    const Fd socket = Fd::Adopt(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    if (!socket) return FailErrno("making a socket");
    ifreq request{};
    std::memcpy(request.ifr_name, "lo", 3);
    if (::ioctl(socket.get(), SIOCGIFFLAGS, &request) < 0)
        return FailErrno("looking at the loopback interface");
    request.ifr_flags = static_cast<short>(request.ifr_flags | IFF_UP);
    if (::ioctl(socket.get(), SIOCSIFFLAGS, &request) < 0)
        return FailErrno("raising the loopback interface");
    return {};
}

void SeedEntropy() {
    const auto source = OpenFile("/dev/hwrng", O_RDONLY | O_NONBLOCK);
    if (!source) return;
    std::array<char, kMostEntropy> bytes{};
    const ssize_t count = ::read(source->get(), bytes.data(), bytes.size());
    if (count > 0) (void)AddEntropy({bytes.data(), static_cast<size_t>(count)});
}

Result<void> AddEntropy(std::string_view bytes) {
    struct {  // rand_pool_info, whose last member has no size
        int entropy_bits;
        int size;
        char bytes[kMostEntropy];
    } seed{};
    const size_t size = std::min(bytes.size(), kMostEntropy);
    seed.entropy_bits = static_cast<int>(size) * 8;
    seed.size = static_cast<int>(size);
    bytes.copy(seed.bytes, size);
    CC_ASSIGN(const Fd pool, OpenFile("/dev/urandom", O_RDWR));
    if (::ioctl(pool.get(), RNDADDENTROPY, &seed) < 0) return FailErrno("adding entropy");
    // The kernel would go on with its key of before for up to a minute.
    if (::ioctl(pool.get(), RNDRESEEDCRNG) < 0) return FailErrno("reseeding the random generator");
    return {};
}

Result<void> SetClock(int64_t unix_time_ns) {
    const timespec now{unix_time_ns / 1000000000, unix_time_ns % 1000000000};
    if (::clock_settime(CLOCK_REALTIME, &now) < 0) return FailErrno("setting the clock");
    return {};
}

}  // namespace cc::agent
