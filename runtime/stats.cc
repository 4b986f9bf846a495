// SPDX-License-Identifier: Apache-2.0
#include "runtime/stats.h"

#include <map>

#include "base/cpu_list.h"
#include "base/json_full.h"

namespace cc::runtime {

namespace {

constexpr uint64_t kUnlimited = UINT64_MAX;

std::string_view File(const CgroupFiles& cgroup, const std::string& name) {
    const auto found = cgroup.files.find(name);
    return found == cgroup.files.end() ? std::string_view() : Trim(found->second);
}

// A file that holds one number, or "max".
uint64_t Single(const CgroupFiles& cgroup, const std::string& name, uint64_t max = kUnlimited) {
    const std::string_view text = File(cgroup, name);
    return text == "max" ? max : ParseNumber<uint64_t>(text).value_or(0);
}

// A file of lines "name number".
using Table = std::map<std::string, uint64_t>;
Table Lines(const CgroupFiles& cgroup, const std::string& name) {
    Table table;
    for (const auto& line : Split(File(cgroup, name), '\n')) {
        const auto words = Split(line, ' ');
        if (words.size() != 2) continue;
        if (const auto number = ParseNumber<uint64_t>(words[1])) table[words[0]] = *number;
    }
    return table;
}

uint64_t Value(const Table& table, const std::string& name) {
    const auto found = table.find(name);
    return found == table.end() ? 0 : found->second;
}

// As Go's "omitempty".
void PutUnlessZero(Json& object, const char* key, uint64_t value) {
    if (value != 0) object[key] = value;
}

// "0-2,7" -> [0,1,2,7].
Json NumbersOfList(std::string_view list) {
    if (list.empty()) return Json::array();
    return ParseCpuList(list).value_or(std::vector<int>());
}

Json CpuStats(const CgroupFiles& cgroup) {
    constexpr uint64_t kNanoseconds = 1000;  // in the kernel's microseconds
    const Table stat = Lines(cgroup, "cpu.stat");
    Json usage = Json::object(), throttling = Json::object();
    PutUnlessZero(usage, "total", Value(stat, "usage_usec") * kNanoseconds);
    usage["kernel"] = Value(stat, "system_usec") * kNanoseconds;
    usage["user"] = Value(stat, "user_usec") * kNanoseconds;
    PutUnlessZero(throttling, "periods", Value(stat, "nr_periods"));
    PutUnlessZero(throttling, "throttledPeriods", Value(stat, "nr_throttled"));
    PutUnlessZero(throttling, "throttledTime", Value(stat, "throttled_usec") * kNanoseconds);
    return {{"usage", std::move(usage)}, {"throttling", std::move(throttling)}};
}

// Version 2 has the lists only; the rest are runc's zeros.
Json Cpuset(const CgroupFiles& cgroup) {
    Json cpuset = Json::object();
    const Json cpus = NumbersOfList(File(cgroup, "cpuset.cpus.effective"));
    const Json mems = NumbersOfList(File(cgroup, "cpuset.mems.effective"));
    if (!cpus.empty()) cpuset["cpus"] = cpus;
    cpuset["cpu_exclusive"] = 0;
    if (!mems.empty()) cpuset["mems"] = mems;
    for (const char* key : {"mem_hardwall", "mem_exclusive", "memory_migrate", "memory_spread_page",
                            "memory_spread_slab", "memory_pressure", "sched_load_balance",
                            "sched_relax_domain_level"})
        cpuset[key] = 0;
    return cpuset;
}

Json MemoryEntry(uint64_t limit, uint64_t usage, uint64_t max, uint64_t failures) {
    Json entry = {{"limit", limit}};
    PutUnlessZero(entry, "usage", usage);
    PutUnlessZero(entry, "max", max);
    entry["failcnt"] = failures;
    return entry;
}

Json MemoryStats(const CgroupFiles& cgroup) {
    const Table stat = Lines(cgroup, "memory.stat");
    const uint64_t limit = Single(cgroup, "memory.max");
    const uint64_t usage = Single(cgroup, "memory.current");
    // Memory and swap together, as in version 1.
    const uint64_t swap_limit = Single(cgroup, "memory.swap.max");
    const bool unlimited = limit == kUnlimited || swap_limit == kUnlimited;
    Json memory = Json::object();
    PutUnlessZero(memory, "cache", Value(stat, "file"));
    memory["usage"] = MemoryEntry(limit, usage, Single(cgroup, "memory.peak"),
                                  Value(Lines(cgroup, "memory.events"), "max"));
    memory["swap"] = MemoryEntry(unlimited ? kUnlimited : limit + swap_limit,
                                 usage + Single(cgroup, "memory.swap.current"), 0, 0);
    memory["kernel"] = MemoryEntry(0, 0, 0, 0);
    memory["kernelTCP"] = MemoryEntry(0, 0, 0, 0);
    if (!stat.empty()) memory["raw"] = stat;
    return memory;
}

Json PidsStats(const CgroupFiles& cgroup) {
    Json pids = Json::object();
    PutUnlessZero(pids, "current", Single(cgroup, "pids.current"));
    PutUnlessZero(pids, "limit", Single(cgroup, "pids.max", 0));
    return pids;
}

// The lines of io.stat are "8:0 rbytes=1 wbytes=2 rios=3 wios=4 ...".
Json Blkio(const CgroupFiles& cgroup) {
    struct Kind {
        std::string_view key;
        const char* list;
        const char* op;
    };
    static constexpr Kind kKinds[] = {{"rbytes", "ioServiceBytesRecursive", "Read"},
                                      {"wbytes", "ioServiceBytesRecursive", "Write"},
                                      {"rios", "ioServicedRecursive", "Read"},
                                      {"wios", "ioServicedRecursive", "Write"}};
    Json blkio = Json::object();
    for (const auto& line : Split(File(cgroup, "io.stat"), '\n')) {
        const auto words = Split(line, ' ');
        const auto device = Split(words[0], ':');
        for (const auto& word : words)
            for (const auto& kind : kKinds) {
                if (word.size() <= kind.key.size() || !word.starts_with(kind.key) ||
                    word[kind.key.size()] != '=' || device.size() != 2)
                    continue;
                Json entry = Json::object();
                PutUnlessZero(entry, "major", ParseNumber<uint64_t>(device[0]).value_or(0));
                PutUnlessZero(entry, "minor", ParseNumber<uint64_t>(device[1]).value_or(0));
                entry["op"] = kind.op;
                const auto number = std::string_view(word).substr(kind.key.size() + 1);
                PutUnlessZero(entry, "value", ParseNumber<uint64_t>(number).value_or(0));
                blkio[kind.list].push_back(std::move(entry));
            }
    }
    return blkio;
}

}  // namespace

std::string StatsEvent(const std::string& id, const CgroupFiles& cgroup) {
    const Json data = {{"cpu", CpuStats(cgroup)},       {"cpuset", Cpuset(cgroup)},
                       {"memory", MemoryStats(cgroup)}, {"pids", PidsStats(cgroup)},
                       {"blkio", Blkio(cgroup)},        {"hugetlb", Json::object()},
                       {"intel_rdt", Json::object()},   {"network_interfaces", nullptr}};
    return DumpJson({{"type", "stats"}, {"id", id}, {"data", data}});
}

std::string OomEvent(const std::string& id) {
    return DumpJson({{"type", "oom"}, {"id", id}});
}

uint64_t OomKills(const CgroupFiles& cgroup) {
    return Value(Lines(cgroup, "memory.events"), "oom_kill");
}

}  // namespace cc::runtime
