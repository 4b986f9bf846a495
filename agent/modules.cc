// SPDX-License-Identifier: Apache-2.0
#include "agent/modules.h"

#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/text.h"

namespace cc::agent {

namespace {

Result<void> LoadModule(const std::string& path) {
    CC_ASSIGN(const Fd fd, OpenFile(path, O_RDONLY));
    // Already there, or built into this kernel: as good as loaded.
    if (::syscall(SYS_finit_module, fd.get(), "", 0) < 0 && errno != EEXIST)
        return FailErrno(Cat("loading module ", path));
    return {};
}

}  // namespace

std::vector<std::string> ParseModuleOrder(const std::string& text, const std::string& directory) {
    std::vector<std::string> paths;
    for (const auto& line : Split(text, '\n')) {
        const std::string_view name = Trim(line);
        if (name.empty() || name.starts_with('#')) continue;
        paths.push_back(name.starts_with('/') ? std::string(name) : Cat(directory, "/", name));
    }
    return paths;
}

void LoadModules(const std::string& directory, const std::string& list) {
    const auto order = ReadFile(Cat(directory, "/", list), 1 << 20);
    if (!order) return Log(LogLevel::kWarn, order.error().message);
    for (const auto& path : ParseModuleOrder(*order, directory))
        if (const auto loaded = LoadModule(path); !loaded)
            Log(LogLevel::kWarn, loaded.error().message);
}

}  // namespace cc::agent
