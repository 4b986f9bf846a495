// SPDX-License-Identifier: Apache-2.0
// cc-proxy's command line (reference A10, and what is ours).
#pragma once

#include <string>
#include <vector>

#include "base/cli.h"
#include "base/log.h"
#include "base/result.h"
#include "proxy/ksm.h"

namespace cc::proxy {

constexpr std::string_view kDefaultSocket = "/run/clear-containers/proxy.sock";

struct Options {
    std::string socket_path{kDefaultSocket};
    LogLevel log_level = LogLevel::kWarn;
    LogFormat log_format = LogFormat::kText;
    std::string log_file;             // empty: standard error, or proxy.log of one on demand
    std::vector<std::string> syslog;  // sockets to try; empty: no syslog
    bool status = false;              // only tell what the running one holds
    bool json = false;
    bool pod = false;        // -uri: one proxy a VM, as 3.0's runtime starts it
    bool on_demand = false;  // started by a client that found nobody
    KsmMode ksm = KsmMode::kAuto;
    std::string ksm_root;  // empty: the kernel's
    int ready_fd = -1;
    int listen_fd = -1;                // from socket activation
    std::vector<std::string> ignored;  // options of 3.0's that mean nothing here, as given
};

CliProgram MakeProgram();
Result<Options> ParseOptions(const CliValues& values);

}  // namespace cc::proxy
