// SPDX-License-Identifier: Apache-2.0
#include "agent/online_memory.h"

#include <cerrno>
#include <charconv>

#include "agent/device_events.h"
#include "base/file.h"
#include "base/text.h"

namespace cc::agent {

namespace {

constexpr size_t kSysfsFile = 4096;

}  // namespace

Result<int64_t> OnlineMemoryMib(const std::string& blocks) {
    CC_ASSIGN(const std::string size, ReadFile(Cat(blocks, "/block_size_bytes"), kSysfsFile));
    const std::string_view digits = Trim(size);  // hexadecimal, without a prefix
    int64_t block = 0;
    if (std::from_chars(digits.begin(), digits.end(), block, 16).ec != std::errc())
        return Fail(Cat(blocks, "/block_size_bytes: ", Quoted(digits, 64), " is no number"));
    CC_ASSIGN(const auto names, ListDirectory(blocks));
    int64_t online = 0;
    for (const auto& name : names) {
        if (!name.starts_with("memory")) continue;
        const auto state = ReadFile(Cat(blocks, "/", name, "/state"), kSysfsFile);
        if (state && Trim(*state) == "online") ++online;
    }
    return online * block / (1 << 20);
}

Result<void> AwaitMemory(int64_t mib, std::chrono::milliseconds deadline,
                         const std::string& blocks) {
    int64_t online = 0;
    const auto there = [&]() -> Result<bool> {
        const auto now = OnlineMemoryMib(blocks);
        if (!now && now.error().code == ENOENT) return true;
        if (!now) return Failure(now.error());
        online = *now;
        return online >= mib;
    };
    CC_ASSIGN(const bool found, AwaitDevices(there, deadline));
    if (found) return {};
    return Fail(Cat("of ", mib, " MiB of memory the guest's kernel has taken ", online,
                    " MiB into use so far"),
                ETIMEDOUT);
}

}  // namespace cc::agent
