// SPDX-License-Identifier: Apache-2.0
#include "netns/bus_info.h"

#include <cstring>

#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "base/text.h"
#include "netns/in_namespace.h"

namespace cc::netns {

Result<std::string> BusInfoOf(const Fd& network_namespace, const std::string& link) {
    CC_ASSIGN(const Fd socket, InNamespace(network_namespace, []() -> Result<Fd> {
                  Fd made = Fd::Adopt(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
                  if (!made) return FailErrno("making a socket");
                  return made;
              }));
    ethtool_drvinfo info{};
    info.cmd = ETHTOOL_GDRVINFO;
    ifreq request{};
    link.copy(request.ifr_name, IFNAMSIZ - 1);
    request.ifr_data = reinterpret_cast<char*>(&info);
    if (::ioctl(socket.get(), SIOCETHTOOL, &request) < 0) {
        if (errno == EOPNOTSUPP) return std::string();
        return FailErrno(Cat("asking the driver of the link ", Quoted(link, 32), " what it is"));
    }
    return std::string(info.bus_info, ::strnlen(info.bus_info, sizeof info.bus_info));
}

}  // namespace cc::netns
