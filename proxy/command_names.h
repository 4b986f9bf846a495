// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <string>

#include "base/text.h"
#include "protocol/client_frame.h"

namespace cc::proxy {

// A client's command by its name in the protocol's documents.
inline std::string CommandName(size_t opcode) {
    constexpr std::array<std::string_view, 8> names{"RegisterVM", "UnregisterVM", "AttachVM",
                                                    "Hyper",      "ConnectShim",  "DisconnectShim",
                                                    "Signal",     "Hello"};
    return opcode < names.size() ? std::string(names[opcode]) : Cat("opcode ", opcode);
}

}  // namespace cc::proxy
