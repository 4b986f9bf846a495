// SPDX-License-Identifier: Apache-2.0
// The table of `cc-proxy --status`: a line a VM, and below it a line a session.
#include <algorithm>
#include <array>

#include "base/json_full.h"
#include "base/text.h"
#include "proxy/status.h"

namespace cc::proxy {

namespace {

constexpr JsonLimits kStatusLimits{.bytes = 64 << 20, .depth = 8};

using Row = std::vector<std::string>;

uint64_t Number(const Json& object, std::string_view key) {
    const Json* value = Member(object, key);
    return value != nullptr && value->is_number_unsigned() ? value->get<uint64_t>() : 0;
}

// What a client chose, as it may be shown: in quotes only where that is needed.
std::string Shown(const Json& object, std::string_view key) {
    const std::string text = StringMember(object, key).value_or("");
    std::string quoted = Quoted(text);
    if (text.empty()) return "-";
    const bool plain = quoted.size() == text.size() + 2 && text.find(' ') == std::string::npos;
    return plain ? text : quoted;
}

std::string Bytes(uint64_t bytes) {
    constexpr std::array<std::string_view, 5> units{"KiB", "MiB", "GiB", "TiB", "PiB"};
    if (bytes < 1024) return Cat(bytes, " B");
    size_t unit = 0;
    for (; bytes >= 1024 * 1024 && unit + 1 < units.size(); ++unit)
        bytes /= 1024;
    return Cat(bytes / 1024, ".", bytes % 1024 * 10 / 1024, " ", units[unit]);
}

std::string Age(uint64_t milliseconds) {
    const uint64_t seconds = milliseconds / 1000;
    if (seconds < 60) return Cat(seconds, " s");
    if (seconds < 3600) return Cat(seconds / 60, " min ", seconds % 60, " s");
    if (seconds < 86400) return Cat(seconds / 3600, " h ", seconds / 60 % 60, " min");
    return Cat(seconds / 86400, " d ", seconds / 3600 % 24, " h");
}

uint64_t BytesOf(const Json& object, std::string_view flow) {
    const Json* value = Member(object, flow);
    return value == nullptr ? 0 : Number(*value, "bytes");
}

size_t Columns(std::string_view text) {
    return static_cast<size_t>(
        std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xc0) != 0x80; }));
}

std::string Align(const std::vector<Row>& rows, std::string_view indent) {
    std::vector<size_t> widths;
    for (const auto& row : rows)
        for (size_t i = 0; i < row.size(); ++i) {
            if (widths.size() <= i) widths.push_back(0);
            widths[i] = std::max(widths[i], Columns(row[i]));
        }
    std::string out;
    for (const auto& row : rows) {
        std::string line(indent);
        for (size_t i = 0; i < row.size(); ++i)
            line += row[i] + std::string(widths[i] - Columns(row[i]) + 2, ' ');
        line.erase(line.find_last_not_of(' ') + 1);
        out += line + "\n";
    }
    return out;
}

Row SessionRow(const Json& session) {
    const bool exec = BoolMember(session, "exec").value_or(false);
    std::string shim = "-";
    if (BoolMember(session, "shim").value_or(false)) {
        const uint64_t pid = Number(session, "shimPid");
        shim = pid > 0 ? Cat(pid) : "connected";
    }
    return {Cat(Number(session, "session")),
            Cat(Shown(session, "container"), exec ? " (exec)" : ""),
            Shown(session, "state"),
            shim,
            Bytes(BytesOf(session, "stdin")),
            Bytes(BytesOf(session, "stdout") + BytesOf(session, "stderr")),
            Bytes(Number(session, "queued")),
            Cat(Number(session, "stalls") + Number(session, "stdinStalls")),
            Bytes(BytesOf(session, "dropped"))};
}

Row VmRow(const Json& vm) {
    uint64_t in = 0;
    uint64_t out = 0;
    uint64_t queued = 0;
    for (const std::string_view name : {"control", "io"}) {
        const Json* port = Member(vm, name);
        if (port == nullptr) continue;
        in += BytesOf(*port, "toAgent");
        out += BytesOf(*port, "fromAgent");
        queued += Number(*port, "queued");
    }
    const uint64_t extension = Number(vm, "extension");
    return {Shown(vm, "id"),
            Shown(vm, "state"),
            extension == 0 ? "3.0" : Cat("extension ", extension),
            Age(Number(vm, "ageMs")),
            Cat(Number(vm, "sessionCount")),
            Cat(Number(vm, "unanswered"), " of ", Number(vm, "commands")),
            Bytes(in),
            Bytes(out),
            Bytes(queued)};
}

}  // namespace

// All tables have the same widths for all VMs, so that columns stand below one another; a VM's
// sessions follow it.
Result<std::string> StatusTable(std::string_view text) {
    CC_ASSIGN(const Json json, Context("the proxy's status", ParseJson(text, kStatusLimits)));
    std::string out =
        Cat("cc-proxy ", Shown(json, "version"), " (", Shown(json, "mode"), " mode), pid ",
            Number(json, "pid"), ", up ", Age(Number(json, "uptimeMs")), ", on ",
            Shown(json, "socket"), "\n", Number(json, "clients"), " clients, ",
            Number(json, "vmCount"), " VMs, ", Number(json, "sessionCount"), " sessions\n");
    CC_ASSIGN(const Json* vms, ArrayMember(json, "vms"));
    if (vms == nullptr || vms->empty()) return out;
    std::vector<Row> vm_rows{
        {"VM", "STATE", "AGENT", "AGE", "SESSIONS", "UNANSWERED", "IN", "OUT", "QUEUED"}};
    std::vector<Row> session_rows{
        {"SESSION", "CONTAINER", "STATE", "SHIM", "IN", "OUT", "QUEUED", "STALLS", "LOST"}};
    std::vector<size_t> session_counts;
    for (const auto& vm : *vms) {
        vm_rows.push_back(VmRow(vm));
        CC_ASSIGN(const Json* sessions, ArrayMember(vm, "sessions"));
        session_counts.push_back(sessions == nullptr ? 0 : sessions->size());
        if (sessions == nullptr) continue;
        for (const auto& session : *sessions)
            session_rows.push_back(SessionRow(session));
    }
    const auto vm_lines = Split(Align(vm_rows, ""), '\n');
    const auto session_lines = Split(Align(session_rows, "    "), '\n');
    out += "\n" + vm_lines[0] + "\n";
    if (session_rows.size() > 1) out += session_lines[0] + "\n";
    size_t next = 1;
    for (size_t i = 0; i < session_counts.size(); ++i) {
        out += vm_lines[i + 1] + "\n";
        for (size_t count = session_counts[i]; count > 0; --count)
            out += session_lines[next++] + "\n";
    }
    if (const uint64_t all = Number(json, "sessionCount"); all > next - 1)
        out += Cat("(", all - (next - 1), " more sessions)\n");
    return out;
}

}  // namespace cc::proxy
