// SPDX-License-Identifier: Apache-2.0
#include "agent/cgroup_stats.h"

#include "base/file.h"
#include "base/text.h"

namespace cc::agent {

namespace {

// The longest is io.stat, with a line a disk; an answer of all stays far below a message's limit.
constexpr size_t kLongestFile = 64 * 1024;

constexpr const char* kFiles[] = {
    "cpu.stat",
    "cpuset.cpus.effective",
    "cpuset.mems.effective",
    "memory.current",
    "memory.max",
    "memory.peak",
    "memory.stat",
    "memory.events",
    "memory.swap.current",
    "memory.swap.max",
    "pids.current",
    "pids.max",
    "io.stat",
};

}  // namespace

CgroupFiles ReadCgroupFiles(const std::string& path) {
    CgroupFiles read;
    for (const char* name : kFiles)
        if (auto text = ReadFile(Cat(path, "/", name), kLongestFile))
            read.files[name] = std::move(*text);
    return read;
}

}  // namespace cc::agent
