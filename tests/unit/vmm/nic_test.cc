// SPDX-License-Identifier: Apache-2.0
#include "vmm/nic.h"

#include <optional>

#include <linux/if_tun.h>
#include <net/if.h>
#include <sys/ioctl.h>

#include "base/file.h"
#include "protocol/network.h"
#include "tests/scratch.h"
#include "tests/unit/netns/namespace.h"

namespace cc {

TEST_CASE("vhost-net is used where there is such a device, and is no reason to fail elsewhere") {
    const test::Scratch scratch;
    CHECK_FALSE(OpenVhostNet(scratch.path() + "/none"));
    CHECK_FALSE(OpenVhostNet(scratch.path()));  // no device: a directory cannot be written
    REQUIRE(WriteFileAtomic(scratch.path() + "/vhost-net", "", 0600));
    CHECK(OpenVhostNet(scratch.path() + "/vhost-net"));
}

TEST_CASE("a tap has a queue for each descriptor, and works in the namespace that it is moved to") {
    const Fd place = test::NewNetworkNamespace();
    const netns::Socket socket = test::SocketIn(place);
    for (const int queues : {1, 4}) {
        CAPTURE(queues);
        test::NewNetworkNamespace([&] {
            auto nic = Nic::Make(3, queues, false);
            REQUIRE_MESSAGE(nic, nic.error().message);
            CHECK(nic->back_end().taps.size() == static_cast<size_t>(queues));
            CHECK(nic->back_end().vhosts.empty());
            CHECK(nic->Attach(place.Duplicate().value()));
            // A guest with fewer processors than queues gives queues back, and takes them again.
            for (const auto& tap : nic->back_end().taps)
                for (const int flag : {IFF_DETACH_QUEUE, IFF_ATTACH_QUEUE}) {
                    ifreq request{};
                    request.ifr_flags = static_cast<short>(flag);
                    if (queues > 1) CHECK(::ioctl(tap.get(), TUNSETQUEUE, &request) == 0);
                }
            CHECK(netns::FindLink(socket, TapName(3)));
            const NicBackEnd released = nic->Release();
            CHECK(nic->back_end().taps.empty());
        });
        // The last descriptor has gone.
        CHECK_FALSE(netns::FindLink(socket, TapName(3)));
    }
}

TEST_CASE("a tap that is moved nowhere stays in the keeper's namespace when the VMM has ended") {
    std::optional<netns::Socket> socket;
    test::NewNetworkNamespace([&] {
        auto nic = Nic::Make(0, 1, false);
        REQUIRE_MESSAGE(nic, nic.error().message);
        socket.emplace(netns::Socket::Open().value());
        (void)nic->Release();
        CHECK(netns::FindLink(*socket, TapName(0)));
    });
    CHECK(netns::FindLink(*socket, TapName(0)));  // and the keeper; it goes with the namespace
}

}  // namespace cc
