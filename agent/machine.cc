// SPDX-License-Identifier: Apache-2.0
// Stage 2's details: what a machine needs besides file systems.
#include <cstring>

#include <fcntl.h>
#include <linux/random.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent/boot.h"
#include "base/fd.h"

namespace cc::agent {

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
    const auto pool = OpenFile("/dev/urandom", O_RDWR);
    if (!source || !pool) return;
    struct {  // rand_pool_info, whose last member has no size
        int entropy_bits;
        int size;
        unsigned char bytes[64];
    } seed{};
    const ssize_t count = ::read(source->get(), seed.bytes, sizeof seed.bytes);
    if (count <= 0) return;
    seed.entropy_bits = static_cast<int>(count) * 8;
    seed.size = static_cast<int>(count);
    ::ioctl(pool->get(), RNDADDENTROPY, &seed);
}

}  // namespace cc::agent
