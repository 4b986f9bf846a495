// SPDX-License-Identifier: Apache-2.0
#include "agent/executor/environment.h"

#include <algorithm>
#include <set>
#include <string_view>

#include "base/text.h"

namespace cc::agent {

std::vector<std::string> Environment(const std::vector<std::string>& given,
                                     const std::string& home) {
    std::vector<std::string> env;
    std::set<std::string_view> names;
    for (auto variable = given.rbegin(); variable != given.rend(); ++variable) {
        const std::string_view text = *variable;
        if (text == "HOME=") continue;
        // What getenv(3) finds is the first one, so there may be only one.
        if (names.insert(text.substr(0, text.find('='))).second) env.push_back(*variable);
    }
    std::reverse(env.begin(), env.end());
    if (!names.contains("HOME")) env.push_back(Cat("HOME=", home));
    return env;
}

}  // namespace cc::agent
