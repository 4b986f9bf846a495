// SPDX-License-Identifier: Apache-2.0
// What comes beside the bytes of a UNIX socket (unix(7)): descriptors, and who has sent them. Peers
// send what they like; whatever is not wanted is closed here.
#pragma once

#include <span>

#include <sys/types.h>

#include "base/fd.h"

namespace cc::proxy {

struct Ancillary {
    Fd descriptor;  // if exactly one was sent; of more none is kept
    pid_t sender =
        0;  // as the kernel says; 0: unknown, or the socket is not set to ask (SO_PASSCRED)
};

// As recv(2): neither blocks nor takes bytes of two messages with descriptors at once, so that the
// bytes end with those that the descriptor came with.
ssize_t ReceiveAncillary(int socket, std::span<char> buffer, Ancillary& beside);

}  // namespace cc::proxy
