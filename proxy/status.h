// SPDX-License-Identifier: Apache-2.0
// What the proxy holds, for a person: the proxy gives it out as JSON, `cc-proxy --status` asks for
// it and prints a table. Neither says a token.
#pragma once

#include <chrono>
#include <string>
#include <string_view>

#include "base/result.h"
#include "proxy/snapshot.h"

namespace cc::proxy {

struct StatusHead {
    std::string socket;  // the proxy's
    std::string mode;    // system, pod
    std::chrono::milliseconds uptime{};
};

// ASCII only: it may be shown to a terminal as it is.
std::string StatusJson(const StatusHead& head, const Snapshot& snapshot);
// The table for StatusJson()'s text.
Result<std::string> StatusTable(std::string_view json);
// The JSON of the proxy that serves this socket; the error says so when there is none.
Result<std::string> AskStatus(const std::string& socket_path);

}  // namespace cc::proxy
