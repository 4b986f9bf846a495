// SPDX-License-Identifier: Apache-2.0
// MessagePack, which payloads of the client protocol's version 3 are in, as the same documents that
// version 2 has in JSON. For the .cc files of protocol/ only.
//
// Strings and byte strings (bin) are both strings of the document, which may hold any bytes.
#pragma once

#include <string>
#include <string_view>

#include "base/json_full.h"

namespace cc {

// One object and nothing after it. Refused: extension types, keys that are no strings or stand
// twice, more than 64 levels or keys in a map, lengths that the payload cannot hold.
Result<Json> ParseMsgpack(std::string_view payload);
std::string DumpMsgpack(const Json& json);

}  // namespace cc
