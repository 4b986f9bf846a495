// SPDX-License-Identifier: Apache-2.0
// configuration.toml: any text is a configuration within its limits, or an error that names the
// file.
#include "fuzz/target.h"
#include "runtime/config.h"

namespace cc::fuzz {

int FuzzConfigToml(std::string_view input) {
    const auto config = runtime::ParseConfig(input, "/etc/fuzzed.toml");
    if (!config) {
        CC_FUZZ_CHECK(config.error().message.find("/etc/fuzzed.toml") != std::string::npos);
        return 0;
    }
    CC_FUZZ_CHECK(config->vcpus >= 1);
    CC_FUZZ_CHECK(config->memory_mib >= 1);
    CC_FUZZ_CHECK(config->boot_timeout.count() > 0);
    return 0;
}

}  // namespace cc::fuzz

CC_FUZZ_TARGET(FuzzConfigToml)
