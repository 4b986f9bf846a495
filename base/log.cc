// SPDX-License-Identifier: Apache-2.0
#include "base/log.h"

#define SPDLOG_HEADER_ONLY
#define SPDLOG_PREVENT_CHILD_FD  // close-on-exec
#define SPDLOG_FMT_EXTERNAL
#define FMT_HEADER_ONLY
#include <algorithm>
#include <chrono>
#include <ctime>
#include <memory>

#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/dist_sink.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include "base/syslog.h"
#include "base/text.h"

namespace cc {

namespace {

using CurrentSink = spdlog::sinks::dist_sink_mt;

struct State {
    LogOptions options;
    std::shared_ptr<CurrentSink> sink;
    std::shared_ptr<spdlog::logger> logger;
    std::unique_ptr<Syslog> syslog;
};

// Never destroyed: other objects' destructors may still log at exit.
State& TheState() {
    static auto* state = new State;
    return *state;
}

std::string Now() {
    const auto now = std::chrono::system_clock::now().time_since_epoch();
    const auto micros = std::chrono::duration_cast<std::chrono::microseconds>(now).count();
    const std::time_t seconds = micros / 1000000;
    std::tm utc{};
    gmtime_r(&seconds, &utc);
    char text[40];
    const size_t length = std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &utc);
    std::string fraction = std::to_string(1000000 + micros % 1000000);
    return Cat(std::string_view(text, length), ".", fraction.substr(1), "Z");
}

constexpr std::string_view kSource = "source";

constexpr std::string_view LevelName(LogLevel level) {
    switch (level) {
        case LogLevel::kDebug:
            return "debug";
        case LogLevel::kInfo:
            return "info";
        case LogLevel::kWarn:
            return "warn";
        case LogLevel::kError:
            return "error";
    }
    return "error";
}

constexpr SyslogSeverity SeverityOf(LogLevel level) {
    switch (level) {
        case LogLevel::kDebug:
            return SyslogSeverity::kDebug;
        case LogLevel::kInfo:
            return SyslogSeverity::kInfo;
        case LogLevel::kWarn:
            return SyslogSeverity::kWarning;
        case LogLevel::kError:
            return SyslogSeverity::kError;
    }
    return SyslogSeverity::kError;
}

// Quoted() escapes with \xNN, which JSON does not have.
std::string JsonQuoted(std::string_view text) {
    std::string quoted = Quoted(text, 4096);
    std::string out;
    for (size_t i = 0; i < quoted.size(); ++i) {
        if (quoted[i] == '\\' && i + 1 < quoted.size()) {
            if (quoted[i + 1] == 'x')
                out += "\\u00";
            else
                out.append(quoted, i, 2);
            ++i;
        } else {
            out += quoted[i];
        }
    }
    return out;
}

// Without quotes where it needs none, as 3.0's logs have it.
std::string Word(std::string_view text) {
    const bool plain = !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
    });
    return plain ? std::string(text) : Quoted(text, 256);
}

// Who says it: the personality, unless a field names another.
std::string_view SourceOf(const LogOptions& options, std::initializer_list<LogField> fields) {
    for (const auto& field : fields)
        if (field.key == kSource) return field.value;
    std::string_view name = options.name;
    if (name.starts_with("cc-")) name.remove_prefix(3);
    return name;
}

std::string Format(const LogOptions& options, LogLevel level, std::string_view message,
                   std::initializer_list<LogField> fields) {
    std::string line;
    const std::string_view source = SourceOf(options, fields);
    if (options.format == LogFormat::kJson) {
        line = Cat("{\"time\":\"", Now(), "\",\"level\":\"", LevelName(level),
                   "\",\"name\":", JsonQuoted(options.name), ",\"pid\":", ::getpid(),
                   ",\"source\":", JsonQuoted(source), ",\"msg\":", JsonQuoted(message));
        for (const auto& field : fields)
            if (field.key != kSource) line += Cat(",\"", field.key, "\":", JsonQuoted(field.value));
        return line + "}";
    }
    line = Cat("time=\"", Now(), "\" level=", LevelName(level), " name=", options.name,
               " pid=", ::getpid(), " source=", Word(source), " msg=", Quoted(message, 4096));
    for (const auto& field : fields)
        if (field.key != kSource) line += Cat(" ", field.key, "=", Quoted(field.value, 4096));
    return line;
}

// Of a file, or standard error.
Result<spdlog::sink_ptr> OpenSink(const std::string& path) {
    try {
        spdlog::sink_ptr sink;
        if (path.empty())
            sink = std::make_shared<spdlog::sinks::stderr_sink_mt>();
        else
            sink = std::make_shared<spdlog::sinks::basic_file_sink_mt>(path);
        sink->set_pattern("%v");
        return sink;
    } catch (const spdlog::spdlog_ex& e) {
        return Fail(Cat("opening the log ", path, ": ", e.what()));
    }
}

}  // namespace

Result<void> StartLog(const LogOptions& options) {
    CC_ASSIGN(spdlog::sink_ptr sink, OpenSink(options.path));
    // Around the one that may be replaced while other threads write.
    auto current = std::make_shared<CurrentSink>(std::vector{std::move(sink)});
    current->set_pattern("%v");
    auto logger = std::make_shared<spdlog::logger>(options.name, current);
    logger->set_level(spdlog::level::trace);  // Log() filters
    logger->flush_on(spdlog::level::trace);
    std::unique_ptr<Syslog> syslog;
    if (!options.syslog.empty()) syslog = std::make_unique<Syslog>(options.name, options.syslog);
    TheState() = State{options, std::move(current), std::move(logger), std::move(syslog)};
    return {};
}

Result<void> ReopenLog() {
    State& state = TheState();
    if (!state.sink || state.options.path.empty()) return {};
    CC_ASSIGN(spdlog::sink_ptr sink, OpenSink(state.options.path));
    state.sink->set_sinks({std::move(sink)});
    return {};
}

bool LogEnabled(LogLevel level) {
    return level >= TheState().options.level;
}

void Log(LogLevel level, std::string_view message, std::initializer_list<LogField> fields) {
    if (!LogEnabled(level)) return;
    State& state = TheState();
    const std::string line = Format(state.options, level, message, fields);
    if (state.logger)
        state.logger->info(line);
    else
        (void)!::write(2, (line + "\n").data(), line.size() + 1);
    if (state.syslog) state.syslog->Send(SeverityOf(level), line);
}

std::optional<LogLevel> ParseLogLevel(std::string_view text) {
    if (text == "debug") return LogLevel::kDebug;
    if (text == "info") return LogLevel::kInfo;
    if (text == "warn" || text == "warning") return LogLevel::kWarn;
    if (text == "error" || text == "fatal" || text == "panic") return LogLevel::kError;
    return std::nullopt;
}

std::optional<LogFormat> ParseLogFormat(std::string_view text) {
    if (text == "text") return LogFormat::kText;
    if (text == "json") return LogFormat::kJson;
    return std::nullopt;
}

}  // namespace cc
