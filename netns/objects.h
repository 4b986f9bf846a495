// SPDX-License-Identifier: Apache-2.0
// libnl's objects of our values, as the kernel is asked to add or remove them.
#pragma once

#include <map>
#include <string>

#include "netns/socket.h"
#include "protocol/network.h"

namespace cc::netns {

// Indices of links by their names; each is asked for once.
class Indices {
  public:
    explicit Indices(const Socket& socket) : socket_(socket) {}
    void Know(const std::string& name, int index) { known_[name] = index; }
    Result<int> Of(const std::string& name);
    const Socket& socket() const { return socket_; }

  private:
    const Socket& socket_;
    std::map<std::string, int> known_;
};

Result<LinkAddressPtr> AddressOf(int index, const LinkAddress& value);
Result<RoutePtr> RouteOf(Indices& indices, const NetworkRoute& value);
Result<NeighbourPtr> NeighbourOf(Indices& indices, const NetworkNeighbour& value);

}  // namespace cc::netns
