// SPDX-License-Identifier: Apache-2.0
#include "protocol/process_list.h"

#include <algorithm>
#include <utility>

#include "protocol/agent_frame.h"
#include "protocol/go_json.h"

namespace cc {

namespace {

// Left for the frame, what proxies put around it, and the members behind the list.
constexpr size_t kMostListBytes = kMaxControlMessage - 16 * 1024;

Json ToJson(const ProcessEntry& entry) {
    Json json = {{"pid", entry.pid},
                 {"ppid", entry.ppid},
                 {"pgid", entry.pgid},
                 {"sid", entry.sid},
                 {"state", entry.state},
                 {"threads", entry.threads},
                 {"priority", entry.priority},
                 {"nice", entry.nice},
                 {"processor", entry.processor},
                 {"cpuMs", entry.cpu_ms},
                 {"startMs", entry.start_ms},
                 {"virtualKib", entry.virtual_kib},
                 {"residentKib", entry.resident_kib},
                 {"uids", {entry.uid, entry.real_uid}},
                 {"gids", {entry.gid, entry.real_gid}},
                 {"name", entry.name}};
    if (entry.tid != entry.pid) json["tid"] = entry.tid;
    if (entry.terminal != 0) {
        json["terminal"] = entry.terminal;
        json["foreground"] = entry.foreground;
    }
    if (!entry.timesharing) json["realtime"] = true;
    if (entry.locked) json["locked"] = true;
    if (!entry.command.empty()) json["command"] = entry.command;
    return json;
}

// Effective and real.
bool ReadIds(GoReader& reader, std::string_view key, uint32_t& effective, uint32_t& real) {
    const Json* ids = reader.Array(key);
    if (ids == nullptr) return true;
    if (ids->size() != 2) return false;
    for (const size_t i : {size_t{0}, size_t{1}}) {
        const Json& id = (*ids)[i];
        if (!id.is_number_unsigned() || id.get<uint64_t>() > UINT32_MAX) return false;
        (i == 0 ? effective : real) = id.get<uint32_t>();
    }
    return true;
}

Result<ProcessEntry> ReadEntry(const Json& json) {
    if (!json.is_object()) return Fail("the list of processes: a process must be an object");
    GoReader reader(json);
    ProcessEntry entry;
    entry.pid = reader.Int("pid");
    entry.tid = reader.Int("tid");
    if (entry.tid == 0) entry.tid = entry.pid;
    entry.ppid = reader.Int("ppid");
    entry.pgid = reader.Int("pgid");
    entry.sid = reader.Int("sid");
    entry.terminal = reader.Unsigned("terminal");
    entry.foreground = entry.terminal == 0 ? -1 : reader.Int("foreground");
    entry.state = reader.String("state");
    entry.threads = reader.Int("threads");
    entry.priority = reader.Int("priority");
    entry.nice = reader.Int("nice");
    entry.processor = reader.Int("processor");
    entry.timesharing = !reader.Bool("realtime");
    entry.locked = reader.Bool("locked");
    entry.cpu_ms = reader.Int("cpuMs");
    entry.start_ms = reader.Int("startMs");
    entry.virtual_kib = reader.Int("virtualKib");
    entry.resident_kib = reader.Int("residentKib");
    entry.name = reader.String("name");
    entry.command = reader.String("command");
    for (int64_t* number : {&entry.priority, &entry.nice})
        *number = std::clamp<int64_t>(*number, -1000, 1000);
    const bool ids = ReadIds(reader, "uids", entry.uid, entry.real_uid) &&
                     ReadIds(reader, "gids", entry.gid, entry.real_gid);
    CC_TRY(reader.Finish("the list of processes"));
    if (!ids) return Fail("the list of processes: an id is no number");
    // What is reckoned with is what such a machine can have.
    constexpr int64_t most = INT64_MAX / 4096;
    for (const int64_t number : {entry.cpu_ms, entry.start_ms, entry.virtual_kib,
                                 entry.resident_kib, entry.pid, entry.threads})
        if (number < 0 || number > most)
            return Fail("the list of processes: a number is out of its range");
    return entry;
}

}  // namespace

std::string Encode(const ProcessList& list) {
    std::string text = "{\"processes\":[";
    int64_t omitted = list.omitted;
    bool first = true;
    for (const auto& entry : list.processes) {
        std::string one = DumpGo(ToJson(entry));
        if (text.size() + one.size() + 1 > kMostListBytes) {
            ++omitted;
            continue;
        }
        if (!std::exchange(first, false)) text += ',';
        text += one;
    }
    text +=
        Cat("],\"omitted\":", omitted, ",\"bootS\":", list.boot_s, ",\"uptimeMs\":", list.uptime_ms,
            ",\"memoryKib\":", list.memory_kib, ",\"mostPid\":", list.most_pid, "}");
    return text;
}

Result<ProcessList> ParseProcessList(std::string_view payload) {
    CC_ASSIGN(const Json json, ParseGoObject(payload));
    GoReader reader(json);
    ProcessList list;
    list.omitted = reader.Int("omitted");
    list.boot_s = reader.Int("bootS");
    list.uptime_ms = reader.Int("uptimeMs");
    list.memory_kib = reader.Int("memoryKib");
    list.most_pid = reader.Int("mostPid");
    const Json* processes = reader.Array("processes");
    CC_TRY(reader.Finish("the list of processes"));
    constexpr int64_t most = INT64_MAX / 4096;
    for (const int64_t number :
         {list.omitted, list.boot_s, list.uptime_ms, list.memory_kib, list.most_pid})
        if (number < 0 || number > most)
            return Fail("the list of processes: a number is out of its range");
    if (processes == nullptr) return list;
    for (const auto& process : *processes) {
        CC_ASSIGN(ProcessEntry entry, ReadEntry(process));
        list.processes.push_back(std::move(entry));
    }
    return list;
}

}  // namespace cc
