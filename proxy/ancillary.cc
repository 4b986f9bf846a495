// SPDX-License-Identifier: Apache-2.0
#include "proxy/ancillary.h"

#include <cstring>
#include <vector>

#include <sys/socket.h>

namespace cc::proxy {

namespace {

// The kernel's names are newer than the C library's: a pidfd of the sender.
constexpr int kScmPidfd = 4;

void TakeDescriptors(const cmsghdr& header, std::vector<Fd>& into) {
    const size_t count = (header.cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < count; ++i) {
        int fd = -1;
        std::memcpy(&fd, CMSG_DATA(&header) + i * sizeof fd, sizeof fd);
        into.push_back(Fd::Adopt(fd));
    }
}

}  // namespace

ssize_t ReceiveAncillary(int socket, std::span<char> buffer, Ancillary& beside) {
    // Room for what is wanted and little more: the kernel itself closes what does not fit.
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(ucred)) + CMSG_SPACE(sizeof(int))];
    iovec bytes{buffer.data(), buffer.size()};
    msghdr message{};
    message.msg_iov = &bytes;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    beside = {};
    const ssize_t count = ::recvmsg(socket, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (count < 0) return count;
    std::vector<Fd> sent, unwanted;
    for (cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr;
         header = CMSG_NXTHDR(&message, header)) {
        if (header->cmsg_level != SOL_SOCKET) continue;
        if (header->cmsg_type == SCM_RIGHTS) TakeDescriptors(*header, sent);
        if (header->cmsg_type == kScmPidfd) TakeDescriptors(*header, unwanted);
        if (header->cmsg_type != SCM_CREDENTIALS) continue;
        ucred sender{};
        std::memcpy(&sender, CMSG_DATA(header), sizeof sender);
        beside.sender = sender.pid;
    }
    const bool all = (message.msg_flags & MSG_CTRUNC) == 0;
    if (all && sent.size() == 1) beside.descriptor = std::move(sent.front());
    return count;
}

}  // namespace cc::proxy
