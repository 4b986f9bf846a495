// SPDX-License-Identifier: Apache-2.0
#include "protocol/seccomp_filter.h"

#include <cstring>

#include "base/json_full.h"
#include "base/text.h"

namespace cc {

Json ToJson(const SeccompFilter& filter) {
    const std::string_view bytes{reinterpret_cast<const char*>(filter.program.data()),
                                 filter.program.size() * sizeof(sock_filter)};
    return {{"program", HexEncode(bytes)}, {"flags", filter.flags}};
}

Result<SeccompFilter> ParseSeccompFilter(const Json& json) {
    SeccompFilter filter;
    CC_ASSIGN(const std::string text, StringMember(json, "program"));
    CC_ASSIGN(filter.flags, UnsignedMember(json, "flags", 0, UINT32_MAX));
    const auto bytes = HexDecode(text);
    if (!bytes) return Fail("\"program\" is not written in hexadecimal digits");
    constexpr size_t kOne = sizeof(sock_filter);
    if (bytes->empty() || bytes->size() % kOne != 0 || bytes->size() / kOne > BPF_MAXINSNS)
        return Fail(Cat("\"program\" has ", bytes->size(), " bytes, not 1 to ", BPF_MAXINSNS,
                        " times ", kOne));
    filter.program.resize(bytes->size() / kOne);
    std::memcpy(filter.program.data(), bytes->data(), bytes->size());
    return filter;
}

}  // namespace cc
