// SPDX-License-Identifier: Apache-2.0
#include "agent/executor/sysctl.h"

#include <algorithm>

#include "base/file.h"
#include "base/text.h"

namespace cc::agent {

Result<std::string> SysctlPath(const std::string& name) {
    std::string path = name;
    const size_t separator = path.find_first_of("./");
    if (separator != std::string::npos && path[separator] == '.')
        for (char& c : path)
            c = c == '.' ? '/' : c == '/' ? '.' : c;
    const auto parts = Split(path, '/');
    const bool good = path.find('\0') == std::string::npos &&
                      std::all_of(parts.begin(), parts.end(), [](const std::string& part) {
                          return !part.empty() && part != "." && part != "..";
                      });
    if (!good) return Fail(Cat("invalid sysctl name ", Quoted(name, 64)));
    return Cat("/proc/sys/", path);
}

Result<void> SetSysctls(const std::vector<std::pair<std::string, std::string>>& settings) {
    for (const auto& [name, value] : settings) {
        CC_ASSIGN(const std::string path, SysctlPath(name));
        CC_TRY(Context(Cat("setting sysctl ", name, " to ", Quoted(value, 64)),
                       WriteExisting(path, value)));
    }
    return {};
}

}  // namespace cc::agent
