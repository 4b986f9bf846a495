// SPDX-License-Identifier: Apache-2.0
// A user-space switch with one port, in place of VPP or OVS: serves a virtio-net device on a socket
// by vhost-user, and carries frames between its rings and a tap.
//
//   vhost-user-switch SOCKET TAP
//
// (QEMU, docs/interop/vhost-user.rst; virtio 1.0, split rings.) Serves one machine, then ends.
#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string_view>
#include <vector>

// Without what is no C++.
#define VIRTIO_RING_NO_LEGACY
#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/vhost_types.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>
#include <net/if.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

namespace {

enum Request : uint32_t {
    kGetFeatures = 1,
    kSetFeatures = 2,
    kSetOwner = 3,
    kSetMemTable = 5,
    kSetVringNum = 8,
    kSetVringAddr = 9,
    kSetVringBase = 10,
    kGetVringBase = 11,
    kSetVringKick = 12,
    kSetVringCall = 13,
    kGetProtocolFeatures = 15,
};
// That there are further features, of which we have none: without it QEMU 7.2 takes it that we can
// map no memory that is plugged in, and a root image is.
constexpr int kProtocolFeatures = 30;
constexpr uint32_t kVersion = 1, kReply = 1 << 2;
constexpr uint32_t kRingIndex = 0xff, kNoDescriptor = 1 << 8;
constexpr size_t kFrameHeader = 12;  // of virtio-net 1.0
constexpr size_t kMostFrame = 65536;

struct MessageHeader {
    uint32_t request, flags, size;
};
struct Region {
    uint64_t guest, size, user, offset;
};
struct RingState {
    uint32_t index, number;
};

struct Mapped {
    Region region;
    char* memory;
};

struct Ring {
    uint32_t size = 0;
    uint16_t next = 0;
    vhost_vring_addr where{};
    int kick = -1, call = -1;
    vring_desc* descriptors = nullptr;
    vring_avail* available = nullptr;
    vring_used* used = nullptr;
    bool ready() const { return kick >= 0 && descriptors != nullptr; }
};

std::vector<Mapped> memory;
std::array<Ring, 2> rings;  // the guest receives by the first and sends by the second
int tap = -1;

[[noreturn]] void Die(const char* what) {
    std::perror(what);
    std::exit(1);
}

char* AtUser(uint64_t address) {
    for (const auto& [region, at] : memory)
        if (address >= region.user && address < region.user + region.size)
            return at + region.offset + (address - region.user);
    return nullptr;
}

char* AtGuest(uint64_t address, uint64_t size) {
    for (const auto& [region, at] : memory)
        if (address >= region.guest && address + size <= region.guest + region.size)
            return at + region.offset + (address - region.guest);
    std::fprintf(stderr, "no memory of the guest's\n");
    std::exit(1);
}

void Locate(Ring& ring) {
    ring.descriptors = reinterpret_cast<vring_desc*>(AtUser(ring.where.desc_user_addr));
    ring.available = reinterpret_cast<vring_avail*>(AtUser(ring.where.avail_user_addr));
    ring.used = reinterpret_cast<vring_used*>(AtUser(ring.where.used_user_addr));
}

void MapMemory(const char* payload, const std::vector<int>& fds) {
    uint32_t count = 0;
    std::memcpy(&count, payload, sizeof count);
    memory.clear();
    for (uint32_t i = 0; i < count && i < fds.size(); ++i) {
        Region region{};
        std::memcpy(&region, payload + 8 + i * sizeof region, sizeof region);
        void* at = ::mmap(nullptr, region.size + region.offset, PROT_READ | PROT_WRITE, MAP_SHARED,
                          fds[i], 0);
        if (at == MAP_FAILED) Die("mapping the guest's memory");
        memory.push_back({region, static_cast<char*>(at)});
        ::close(fds[i]);
    }
    for (auto& ring : rings)
        if (ring.descriptors != nullptr) Locate(ring);
}

// The head of the next chain; false: there is none.
bool Next(Ring& ring, uint16_t& head) {
    if (!ring.ready() || __atomic_load_n(&ring.available->idx, __ATOMIC_ACQUIRE) == ring.next)
        return false;
    head = ring.available->ring[ring.next++ % ring.size];
    return true;
}

void Return(Ring& ring, uint16_t head, size_t written) {
    const uint16_t index = ring.used->idx;
    ring.used->ring[index % ring.size] = {head, static_cast<uint32_t>(written)};
    __atomic_store_n(&ring.used->idx, static_cast<uint16_t>(index + 1), __ATOMIC_RELEASE);
    if (ring.call >= 0 && ::eventfd_write(ring.call, 1) < 0) Die("interrupting the guest");
}

std::vector<vring_desc> ChainOf(const Ring& ring, uint16_t head) {
    std::vector<vring_desc> chain = {ring.descriptors[head]};
    while ((chain.back().flags & VRING_DESC_F_NEXT) != 0 && chain.size() <= ring.size)
        chain.push_back(ring.descriptors[chain.back().next % ring.size]);
    return chain;
}

void FromGuest() {
    for (uint16_t head = 0; Next(rings[1], head); Return(rings[1], head, 0)) {
        std::vector<char> frame;
        for (const auto& part : ChainOf(rings[1], head)) {
            const char* bytes = AtGuest(part.addr, part.len);
            frame.insert(frame.end(), bytes, bytes + part.len);
        }
        if (frame.size() > kFrameHeader &&
            ::write(tap, frame.data() + kFrameHeader, frame.size() - kFrameHeader) < 0)
            std::perror("a frame to the tap");
    }
}

void ToGuest() {
    std::vector<char> frame(kFrameHeader + kMostFrame);
    const ssize_t count = ::read(tap, frame.data() + kFrameHeader, kMostFrame);
    uint16_t head = 0;
    if (count <= 0 || !Next(rings[0], head)) return;
    frame.resize(kFrameHeader + static_cast<size_t>(count));
    size_t written = 0;
    for (const auto& part : ChainOf(rings[0], head)) {
        const size_t size = std::min<size_t>(part.len, frame.size() - written);
        std::memcpy(AtGuest(part.addr, part.len), frame.data() + written, size);
        written += size;
    }
    Return(rings[0], head, written);
}

void Reply(int peer, uint32_t request, const void* payload, uint32_t size) {
    const MessageHeader header{request, kVersion | kReply, size};
    std::vector<char> bytes(sizeof header + size);
    std::memcpy(bytes.data(), &header, sizeof header);
    std::memcpy(bytes.data() + sizeof header, payload, size);
    if (::write(peer, bytes.data(), bytes.size()) < 0) Die("answering");
}

void SetDescriptor(const char* payload, const std::vector<int>& fds, int Ring::*member) {
    uint64_t which = 0;
    std::memcpy(&which, payload, sizeof which);
    Ring& ring = rings[which & kRingIndex & 1];
    ring.*member = (which & kNoDescriptor) != 0 || fds.empty() ? -1 : fds[0];
}

void Obey(int peer, uint32_t request, const char* payload, const std::vector<int>& fds) {
    RingState state{};
    std::memcpy(&state, payload, sizeof state);
    Ring& ring = rings[state.index & 1];
    switch (request) {
        case kGetFeatures: {
            const uint64_t features = uint64_t{1} << VIRTIO_F_VERSION_1 | uint64_t{1}
                                                                              << kProtocolFeatures;
            return Reply(peer, request, &features, sizeof features);
        }
        case kGetProtocolFeatures: {
            const uint64_t none = 0;
            return Reply(peer, request, &none, sizeof none);
        }
        case kSetMemTable:
            return MapMemory(payload, fds);
        case kSetVringNum:
            ring.size = state.number;
            return;
        case kSetVringBase:
            ring.next = static_cast<uint16_t>(state.number);
            return;
        case kSetVringAddr:
            std::memcpy(&ring.where, payload, sizeof ring.where);
            return Locate(ring);
        case kGetVringBase: {
            const RingState base{state.index, ring.next};
            ring.kick = -1;
            return Reply(peer, request, &base, sizeof base);
        }
        case kSetVringKick:
            return SetDescriptor(payload, fds, &Ring::kick);
        case kSetVringCall:
            return SetDescriptor(payload, fds, &Ring::call);
        default:
            return;
    }
}

// False: the machine has ended.
bool Serve(int peer) {
    MessageHeader header{};
    iovec data{&header, sizeof header};
    alignas(cmsghdr) char control[CMSG_SPACE(8 * sizeof(int))] = {};
    msghdr message{};
    message.msg_iov = &data;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    if (::recvmsg(peer, &message, MSG_WAITALL) != sizeof header) return false;
    std::vector<int> fds;
    if (const cmsghdr* sent = CMSG_FIRSTHDR(&message); sent != nullptr) {
        fds.resize((sent->cmsg_len - CMSG_LEN(0)) / sizeof(int));
        std::memcpy(fds.data(), CMSG_DATA(sent), fds.size() * sizeof(int));
    }
    std::array<char, 4096> payload{};
    if (header.size > payload.size()) return false;
    if (header.size > 0 &&
        ::recv(peer, payload.data(), header.size, MSG_WAITALL) != static_cast<ssize_t>(header.size))
        return false;
    Obey(peer, header.request, payload.data(), fds);
    return true;
}

void OpenTap(const char* name) {
    tap = ::open("/dev/net/tun", O_RDWR | O_CLOEXEC);
    ifreq request{};
    request.ifr_flags = IFF_TAP | IFF_NO_PI;
    std::strncpy(request.ifr_name, name, IFNAMSIZ - 1);
    if (tap < 0 || ::ioctl(tap, TUNSETIFF, &request) < 0) Die("making a tap");
}

int Accept(const char* path) {
    const int listener = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, path, sizeof address.sun_path - 1);
    if (::bind(listener, reinterpret_cast<sockaddr*>(&address), sizeof address) < 0 ||
        ::listen(listener, 1) < 0)
        Die("listening");
    return ::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
}

}  // namespace

int main(int count, char** arguments) {
    if (count != 3) return 2;
    OpenTap(arguments[2]);
    const int peer = Accept(arguments[1]);
    while (true) {
        std::array<pollfd, 3> all{
            {{peer, POLLIN, 0}, {rings[1].kick, POLLIN, 0}, {tap, POLLIN, 0}}};
        if (::poll(all.data(), all.size(), -1) < 0) Die("waiting");
        if (all[0].revents != 0 && !Serve(peer)) return 0;
        eventfd_t kicks = 0;
        if ((all[1].revents & POLLIN) != 0 && ::eventfd_read(rings[1].kick, &kicks) == 0)
            FromGuest();
        if ((all[2].revents & POLLIN) != 0) ToGuest();
    }
}
