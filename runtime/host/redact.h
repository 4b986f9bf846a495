// SPDX-License-Identifier: Apache-2.0
// Taking secrets out of what leaves the machine (`collect`).
#pragma once

#include <string>
#include <string_view>

namespace cc::runtime {

// Every token of cc-proxy's becomes "<token>".
std::string WithoutTokens(std::string_view text);

// A container's config.json or record: values of environment variables become "<removed>", and so
// do "token" members. A text that is not JSON is replaced as a whole.
std::string WithoutSecrets(std::string_view json);

}  // namespace cc::runtime
