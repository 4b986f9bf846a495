// SPDX-License-Identifier: Apache-2.0
// Being told when something changes in a network namespace.
#pragma once

#include "netns/socket.h"

namespace cc::netns {

class Monitor {
  public:
    // Of the socket's namespace: links, addresses, routes and neighbours. Nothing else is asked on
    // the socket.
    static Result<Monitor> Watch(Socket socket);

    // Readable when something has changed.
    int fd() const;
    // Takes what has been told so far and says nothing about it: who wants to know reads the
    // namespace. An error: nothing will be told any more.
    Result<void> Drain() const;

  private:
    explicit Monitor(Socket socket) : socket_(std::move(socket)) {}
    Socket socket_;
};

}  // namespace cc::netns
