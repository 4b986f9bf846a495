// SPDX-License-Identifier: Apache-2.0
// Structured logs, one schema for all personalities. A line has time, level, name (personality),
// pid, source, msg and fields:
//
//   text  time="2026-11-21T23:32:54.123456Z" level=info name=cc-proxy pid=7 source=proxy
//         msg="VM registered" vm="web"
//   json  {"time":"...","level":"info","name":"cc-proxy","pid":7,"source":"proxy",
//          "msg":"VM registered","vm":"web"}
//
// The source is who says it, when that is another than who writes it: the proxy writes lines of
// shims and runtimes, too, and those of a VM's console ("qemu"). Fields that name things are the
// same everywhere: vm, container, session, client, user; why and error are texts.
// Values are escaped, so that text from a guest can neither break a line nor command a terminal.
#pragma once

#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace cc {

enum class LogLevel { kDebug, kInfo, kWarn, kError };
enum class LogFormat { kText, kJson };

struct LogOptions {
    std::string name;  // the personality
    LogLevel level = LogLevel::kWarn;
    LogFormat format = LogFormat::kText;
    std::string path;  // appended to; empty: standard error
    // Sockets of the syslog daemon, the first that answers gets every line too; empty: none does.
    std::vector<std::string> syslog = {};
};

struct LogField {
    std::string_view key;
    std::string value;
};

// Before this call, and where it was never called, lines of level warn and up go to standard error.
Result<void> StartLog(const LogOptions& options);
// Another file of the same name, if the log goes to one: what has been rotated away is let go of.
// After an error the lines go on into the old one.
Result<void> ReopenLog();
// From any thread, once StartLog() has returned.
void Log(LogLevel level, std::string_view message, std::initializer_list<LogField> fields = {});
bool LogEnabled(LogLevel level);

// "debug", "info", "warn", "warning", "error", "fatal", "panic" (3.0's names; the last two count as
// error).
std::optional<LogLevel> ParseLogLevel(std::string_view text);
std::optional<LogFormat> ParseLogFormat(std::string_view text);  // "text" or "json"

}  // namespace cc
