// SPDX-License-Identifier: Apache-2.0
#include "agent/processors.h"

#include "agent/device_events.h"
#include "base/file.h"
#include "base/log.h"
#include "base/text.h"

namespace cc::agent {

namespace {

constexpr std::string_view kPrefix = "cpu";

bool IsProcessor(std::string_view name) {
    return name.starts_with(kPrefix) && ParseNumber<int>(name.substr(kPrefix.size())).has_value();
}

// One that cannot be taken out of use (the first) has no such file.
bool Use(const std::string& processor) {
    const std::string online = Cat(processor, "/online");
    const auto state = ReadFile(online, 16);
    if (!state || Trim(*state) == "1") return true;
    const auto used = WriteExisting(online, "1");
    if (!used) Log(LogLevel::kWarn, "a processor stays unused", {{"why", used.error().message}});
    return used.has_value();
}

}  // namespace

Result<int64_t> UseProcessors(const std::string& processors) {
    CC_ASSIGN(const auto names, ListDirectory(processors));
    int64_t used = 0;
    for (const auto& name : names)
        if (IsProcessor(name) && Use(Cat(processors, "/", name))) ++used;
    return used;
}

Result<void> AwaitProcessors(int64_t count, std::chrono::milliseconds deadline,
                             const std::string& processors) {
    int64_t used = 0;
    const auto there = [&]() -> Result<bool> {
        CC_ASSIGN(used, UseProcessors(processors));
        return used >= count;
    };
    CC_ASSIGN(const bool found, AwaitDevices(there, deadline));
    if (found) return {};
    return Fail(
        Cat("of ", count, " processors the guest's kernel has taken ", used, " into use so far"),
        ETIMEDOUT);
}

}  // namespace cc::agent
