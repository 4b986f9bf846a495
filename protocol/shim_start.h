// SPDX-License-Identifier: Apache-2.0
// How the runtime tells a shim, which it forked before there was a VM, where to connect: one JSON
// object written to the descriptor given as `cc-shim --start-fd N`, then end of file. End of file
// without it means that the container will not be; the shim ends with status 1 and says nothing.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace cc {

struct ShimStart {
    std::string token;
    std::string uri;  // "unix://" + path of the proxy's socket
    // Who starts a proxy when nobody listens there: the keeper of the VM, asked on this socket
    // (protocol/vm_verbs.h). Empty: whoever else misses it.
    std::string keeper = {};
    // What it is to start, and with which log level and way with page sharing; may be empty.
    std::string proxy_executable = {};
    std::string proxy_log_level = {};
    std::string proxy_ksm = {};
    // The proxy has the far end of the connection that the shim has inherited (--connection-fd).
    bool connected = false;
    // Of a container's first process: the directory of the memory cgroup that engines watch, where
    // an OOM in the guest is to show. Empty: nowhere.
    std::string memory_cgroup = {};
};
std::string Encode(const ShimStart& start);
Result<ShimStart> ParseShimStart(std::string_view text);

}  // namespace cc
