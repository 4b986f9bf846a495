// SPDX-License-Identifier: Apache-2.0
// Changing the linux.resources of a configuration (`update`).
#pragma once

#include <string>
#include <string_view>

#include "base/cli.h"
#include "base/json.h"

namespace cc::runtime {

// Bytes as people write them: "1073741824", "512m", "1.5G", "64KiB"; in powers of 1024. "-1" is
// unlimited.
Result<int64_t> ParseBytes(std::string_view text);

// The options of `update` that name resources, for its table.
std::vector<CliOption> ResourceOptions();
// What they ask for, as an OCI linux.resources object. As with runc zeros (but that of cpu.idle)
// mean "as it is" and are left out.
Result<Json> ResourcesOfOptions(const CliValues& options);
// The same from a document. As with runc zeros (but those of cpu.idle and cpu.burst) and empty
// texts mean "as it is" and are left out.
Result<Json> ResourcesOfDocument(std::string_view text);

// The configuration (config.json) with these changes.
Result<std::string> WithResources(std::string_view config, const Json& changes);

}  // namespace cc::runtime
