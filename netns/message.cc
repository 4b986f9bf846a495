// SPDX-License-Identifier: Apache-2.0
#include "netns/message.h"

namespace cc::netns {

Result<MessagePtr> NewMessage(int type, int flags, size_t room) {
    MessagePtr message(nlmsg_alloc_size(room));
    if (!message || nlmsg_put(message.get(), NL_AUTO_PORT, NL_AUTO_SEQ, type, 0, flags) == nullptr)
        return Fail("making a netlink message: out of memory", ENOMEM);
    return message;
}

Result<void> SendMessage(const Socket& socket, MessagePtr message, std::string_view what) {
    return Check(nl_send_sync(socket.get(), message.release()), what);
}

}  // namespace cc::netns
