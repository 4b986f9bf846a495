// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>

namespace cc::proxy {

// A peer's word as it may stand in an error text: cut, so that an answer never grows with it.
inline std::string_view Shown(std::string_view text) {
    return text.substr(0, 256);
}

}  // namespace cc::proxy
