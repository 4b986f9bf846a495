// SPDX-License-Identifier: Apache-2.0
#include "runtime/host/redact.h"

#include "base/json_full.h"
#include "protocol/client_messages.h"

namespace cc::runtime {

namespace {

constexpr const char* kRemoved = "<removed>";
constexpr size_t kTokenLength = 44;  // docs/protocol.md

void Clean(Json& json) {
    if (json.is_array())
        for (auto& entry : json)
            Clean(entry);
    if (!json.is_object()) return;
    for (auto& [key, value] : json.items()) {
        if (key == "token") {
            value = kRemoved;
        } else if (key == "env" && value.is_array()) {
            for (auto& entry : value)
                if (entry.is_string()) {
                    const auto text = entry.get<std::string>();
                    entry = text.substr(0, text.find('=')) + "=" + kRemoved;
                }
        } else {
            Clean(value);
        }
    }
}

}  // namespace

std::string WithoutTokens(std::string_view text) {
    std::string out;
    out.reserve(text.size());
    for (size_t at = 0; at < text.size();) {
        // They end with '=', so a longer word of the same letters hides none.
        if (at + kTokenLength <= text.size() && text[at + kTokenLength - 1] == '=' &&
            IsWellFormedToken(text.substr(at, kTokenLength))) {
            out += "<token>";
            at += kTokenLength;
        } else {
            out += text[at++];
        }
    }
    return out;
}

std::string WithoutSecrets(std::string_view text) {
    auto json = ParseJson(text, {.bytes = 16 << 20, .depth = 64});
    if (!json) return Cat("not shown: ", json.error().message, "\n");
    Clean(*json);
    return WithoutTokens(DumpJsonPretty(*json, 2)) + "\n";
}

}  // namespace cc::runtime
