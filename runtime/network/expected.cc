// SPDX-License-Identifier: Apache-2.0
#include "runtime/network/expected.h"

#include <algorithm>
#include <sstream>

#include "base/file.h"
#include "base/json_full.h"

namespace cc::runtime {

bool HasAddress(std::string_view hosts, std::string_view name) {
    for (const auto& line : Split(hosts, '\n')) {
        std::istringstream words(line);
        std::string address, word;
        words >> address;
        if (address.starts_with("127.") || address == "::1" || address.starts_with('#')) continue;
        while (words >> word)
            if (word == name) return true;
    }
    return false;
}

bool ExpectsNetwork(const OciSpec& spec) {
    const auto hosts = std::find_if(spec.mounts.begin(), spec.mounts.end(), [](const auto& mount) {
        return mount.destination == "/etc/hosts";
    });
    const std::string name = StringMember(*spec.document, "hostname").value_or("");
    if (hosts == spec.mounts.end() || name.empty()) return false;
    constexpr size_t kMost = 64 << 10;
    return HasAddress(ReadFile(hosts->source, kMost).value_or(""), name);
}

}  // namespace cc::runtime
