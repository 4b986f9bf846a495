// SPDX-License-Identifier: Apache-2.0
// Where cc-proxy is found, and how one is started there.
#pragma once

#include <string>

namespace cc {

struct ProxyAddress {
    std::string socket;  // path of the UNIX socket
    // The program to start when nobody listens there; empty: that is an error. It is started under
    // the lock `<socket>.lock` as `cc-proxy -socket-path <socket> --on-demand --ready-fd N`, and
    // writes one byte to N when it listens, or an error text.
    std::string executable;
    std::string log_level = "warn";
    std::string ksm = {};  // what a started proxy does about page sharing; empty: its default
    bool operator==(const ProxyAddress&) const = default;
};

}  // namespace cc
