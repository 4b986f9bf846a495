// SPDX-License-Identifier: Apache-2.0
// The values that page sharing had before the proxy changed them, in a file beside its socket: the
// next proxy finds them when this one is killed.
#pragma once

#include <optional>
#include <string>

#include "base/result.h"
#include "proxy/ksm.h"

namespace cc::proxy {

// `boot`: this boot's id. A restart of the machine has undone all changes.
Result<void> WriteKsmRecord(const std::string& path, const KsmValues& values,
                            const std::string& boot);
// Nothing: there is none of this boot. An error: there is a file that cannot be ours.
Result<std::optional<KsmValues>> ReadKsmRecord(const std::string& path, const std::string& boot);

}  // namespace cc::proxy
