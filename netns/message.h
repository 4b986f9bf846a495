// SPDX-License-Identifier: Apache-2.0
// Requests to the kernel's routing tables that libnl knows no functions for.
#pragma once

#include <string_view>

#include <netlink/msg.h>

#include "netns/socket.h"

namespace cc::netns {

using MessagePtr = Owned<nl_msg, nlmsg_free>;

// `room`: bytes of all that will be put into it.
Result<MessagePtr> NewMessage(int type, int flags, size_t room = 1024);
// Waits for the kernel's answer.
Result<void> SendMessage(const Socket& socket, MessagePtr message, std::string_view what);

}  // namespace cc::netns
