// SPDX-License-Identifier: Apache-2.0
// What processes hold at a moment, to be compared with what they hold many rounds later.
#pragma once

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include <sys/types.h>

#include "base/file.h"
#include "base/text.h"

namespace cc::test {

// How often tests of many rounds go round: CC_ROUNDS of the environment, or `usual`.
inline int Rounds(int usual) {
    const char* wanted = std::getenv("CC_ROUNDS");
    return wanted == nullptr ? usual : ParseNumber<int>(wanted).value_or(usual);
}

// A sanitizer keeps what was freed for a while: memory that grows says nothing then. (clang does
// not say that one is there.)
#if defined(__SANITIZE_ADDRESS__) || defined(__clang__)
constexpr bool kFreedMemoryIsKept = true;
#else
constexpr bool kFreedMemoryIsKept = false;
#endif

struct Footprint {
    size_t processes = 0;
    size_t descriptors = 0;
    size_t mounts = 0;       // in the namespaces of these processes
    long anonymous_kib = 0;  // memory that is of no file
};

inline std::string ProcFile(pid_t pid, std::string_view name) {
    return ReadFile(Cat("/proc/", pid, "/", name), 4 << 20).value_or("");
}

inline std::optional<pid_t> ParentOf(pid_t pid) {
    // "pid (name) state parent"; a name may hold anything.
    const std::string stat = ProcFile(pid, "stat");
    const size_t end = stat.rfind(") ");
    if (end == std::string::npos) return std::nullopt;
    const std::string_view rest = std::string_view(stat).substr(end + 4);
    const auto parent = ParseNumber<pid_t>(rest.substr(0, rest.find(' ')));
    if (!parent) return std::nullopt;
    return *parent;
}

// A process and all that come from it, each after its parent.
inline std::vector<pid_t> FamilyOf(pid_t pid) {
    std::vector<pid_t> family{pid};
    const auto knows = [&](pid_t of) {
        return std::find(family.begin(), family.end(), of) != family.end();
    };
    for (size_t before = 0; before != family.size();) {
        before = family.size();
        const auto names = ListDirectory("/proc").value();
        for (const auto& name : names) {
            const auto candidate = ParseNumber<pid_t>(name);
            if (!candidate || knows(*candidate)) continue;
            const auto parent = ParentOf(*candidate);
            if (parent && knows(*parent)) family.push_back(*candidate);
        }
    }
    return family;
}

inline Footprint FootprintOf(const std::vector<pid_t>& pids) {
    Footprint footprint;
    std::set<std::string> namespaces;
    for (const pid_t pid : pids) {
        std::error_code gone;
        ++footprint.processes;
        if (const auto names = ListDirectory(Cat("/proc/", pid, "/fd")))
            footprint.descriptors += names->size();
        const auto space = std::filesystem::read_symlink(Cat("/proc/", pid, "/ns/mnt"), gone);
        if (namespaces.insert(space.string()).second)
            footprint.mounts += Split(ProcFile(pid, "mountinfo"), '\n').size();
        for (const auto& line : Split(ProcFile(pid, "status"), '\n'))
            if (line.starts_with("RssAnon:") && line.ends_with(" kB"))
                footprint.anonymous_kib +=
                    ParseNumber<long>(Trim(line.substr(8, line.size() - 11))).value_or(0);
    }
    return footprint;
}

// This directory and all below it; cgroups, for one.
inline size_t CountDirectories(const std::string& path) {
    size_t count = 1;
    std::error_code ignored;
    for (std::filesystem::recursive_directory_iterator entry(path, ignored), end; entry != end;
         entry.increment(ignored))
        count += entry->is_directory(ignored) && !entry->is_symlink(ignored) ? 1 : 0;
    return count;
}

}  // namespace cc::test
