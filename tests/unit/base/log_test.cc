// SPDX-License-Identifier: Apache-2.0
#include "base/log.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/json_full.h"
#include "tests/datagrams.h"
#include "tests/scratch.h"

namespace cc {
namespace {

// Logging to a file for the length of a test. There is one log a process: it goes back to standard
// error.
class LogFile {
  public:
    LogFile(LogFormat format, LogLevel level) {
        REQUIRE(StartLog({.name = "cc-test", .level = level, .format = format, .path = path()}));
    }
    ~LogFile() { CHECK(StartLog({.name = "unit-base", .path = ""})); }
    LogFile(const LogFile&) = delete;
    LogFile& operator=(const LogFile&) = delete;
    std::string path() const { return scratch_ / "log"; }
    std::vector<std::string> Lines() const {
        auto lines = Split(ReadFile(path(), 1 << 20).value(), '\n');
        CHECK(lines.back().empty());  // every line is whole
        lines.pop_back();
        return lines;
    }

  private:
    test::Scratch scratch_;
};

constexpr char kHostileBytes[] = "\x1b[2J{}%s\n\"quoted\\\" \xff\xc2\x9b\0.";
const std::string kHostile(kHostileBytes, sizeof kHostileBytes - 1);

}  // namespace

TEST_CASE("a text line has the time, level, name and pid, and its values are escaped") {
    const LogFile log(LogFormat::kText, LogLevel::kInfo);
    Log(LogLevel::kInfo, "VM registered", {{"vm", "web"}, {"text", kHostile}});
    REQUIRE(log.Lines().size() == 1);
    const std::string line = log.Lines().front();
    CHECK(line.starts_with("time=\"20"));
    CHECK(line.find(Cat("Z\" level=info name=cc-test pid=", ::getpid(),
                        " source=test msg=\"VM registered\" vm=\"web\"")) != std::string::npos);
    CHECK(line.ends_with(R"(text="\x1b[2J{}%s\n\"quoted\\\" \xff\xc2\x9b\x00.")"));
}

TEST_CASE("a log that has been moved away is begun anew, or goes on where it is") {
    const LogFile log(LogFormat::kText, LogLevel::kInfo);
    Log(LogLevel::kInfo, "first");
    REQUIRE(std::rename(log.path().c_str(), (log.path() + ".1").c_str()) == 0);
    Log(LogLevel::kInfo, "second");
    REQUIRE(ReopenLog());
    Log(LogLevel::kInfo, "third");
    REQUIRE(log.Lines().size() == 1);
    CHECK(log.Lines().front().ends_with("msg=\"third\""));
    REQUIRE(std::remove(log.path().c_str()) == 0);
    REQUIRE(MakeDirectories(log.path(), 0700));
    const auto reopened = ReopenLog();
    REQUIRE_FALSE(reopened);
    CHECK(reopened.error().message.find(log.path()) != std::string::npos);
    Log(LogLevel::kInfo, "lost with the file");
    REQUIRE(std::remove(log.path().c_str()) == 0);
    REQUIRE(std::rename((log.path() + ".1").c_str(), log.path().c_str()) == 0);
    REQUIRE(log.Lines().size() == 2);
    CHECK(log.Lines().back().ends_with("msg=\"second\""));
}

TEST_CASE("a JSON line parses, whatever the values hold") {
    const LogFile log(LogFormat::kJson, LogLevel::kDebug);
    Log(LogLevel::kWarn, kHostile, {{"vm", kHostile}, {"path", "C:\\x41\\n"}});
    const auto json = ParseJson(log.Lines().at(0));
    REQUIRE_MESSAGE(json, json.error().message);
    CHECK(StringMember(*json, "level") == "warn");
    CHECK(StringMember(*json, "name") == "cc-test");
    CHECK(StringMember(*json, "source") == "test");
    CHECK(IntMember(*json, "pid", 0, 1, INT64_MAX) == ::getpid());
    CHECK(StringMember(*json, "path") == "C:\\x41\\n");
    const std::string message = StringMember(*json, "msg").value();
    CHECK(message.starts_with("\x1b[2J{}%s\n\"quoted\\\" "));
    CHECK(message.ends_with(std::string("\0.", 2)));
    CHECK(StringMember(*json, "vm") == message);
}

TEST_CASE("a line that is somebody else's has its source, once") {
    for (const auto format : {LogFormat::kText, LogFormat::kJson}) {
        const LogFile log(format, LogLevel::kInfo);
        Log(LogLevel::kInfo, "hello", {{"source", "shim"}, {"container", "web"}});
        Log(LogLevel::kInfo, "hello", {{"source", "sh im\n"}});
        const std::string first = log.Lines().at(0);
        const std::string second = log.Lines().at(1);
        if (format == LogFormat::kText) {
            CHECK(first.ends_with(" source=shim msg=\"hello\" container=\"web\""));
            CHECK(second.ends_with(R"( source="sh im\n" msg="hello")"));
        } else {  // a key that came twice would be an error
            CHECK(StringMember(ParseJson(first).value(), "source") == "shim");
            CHECK(StringMember(ParseJson(second).value(), "source") == "sh im\n");
        }
    }
}

TEST_CASE("lines below the level are not written, and very long values are cut") {
    const LogFile log(LogFormat::kText, LogLevel::kWarn);
    Log(LogLevel::kDebug, "debug");
    Log(LogLevel::kInfo, "info");
    Log(LogLevel::kWarn, "warn");
    Log(LogLevel::kError, std::string(100000, 'x'));
    CHECK_FALSE(LogEnabled(LogLevel::kInfo));
    CHECK(LogEnabled(LogLevel::kWarn));
    REQUIRE(log.Lines().size() == 2);
    CHECK(log.Lines().at(1).size() < 5000);
    CHECK(log.Lines().at(1).ends_with("xxx...\""));
}

TEST_CASE("the log is appended to and its descriptor is close-on-exec") {
    test::Scratch scratch;
    const std::string path = scratch / "log";
    REQUIRE(WriteFileAtomic(path, "before\n", 0600));
    REQUIRE(StartLog({.name = "cc-test", .path = path}));
    Log(LogLevel::kError, "after");
    const auto names = ListDirectory("/proc/self/fd").value();
    for (const auto& name : names)
        if (const auto target = ReadLink("/proc/self/fd/" + name); target && *target == path)
            CHECK((::fcntl(ParseNumber<int>(name).value(), F_GETFD) & FD_CLOEXEC) != 0);
    CHECK(StartLog({.name = "unit-base", .path = ""}));
    CHECK(Split(ReadFile(path, 1 << 20).value(), '\n').size() == 3);
    CHECK_FALSE(StartLog({.name = "cc-test", .path = "/proc/self/no/log"}));
}

TEST_CASE("syslog gets every line too") {
    test::Scratch scratch;
    const Fd daemon = test::ListenDatagrams(scratch / "log.sock");
    REQUIRE(StartLog({.name = "cc-test",
                      .path = scratch / "log",
                      .syslog = {scratch / "none", scratch / "log.sock"}}));
    Log(LogLevel::kInfo, "not this one");
    Log(LogLevel::kWarn, "both");
    CHECK(StartLog({.name = "unit-base", .path = ""}));
    const std::string line = Split(ReadFile(scratch / "log", 1 << 20).value(), '\n').at(0);
    CHECK(line.ends_with("msg=\"both\""));
    const std::string message = test::ReceiveDatagram(daemon);
    CHECK(message.starts_with("<28>"));
    CHECK(message.ends_with(line));
}

TEST_CASE("3.0's names of levels are understood") {
    CHECK(ParseLogLevel("debug") == LogLevel::kDebug);
    CHECK(ParseLogLevel("warning") == LogLevel::kWarn);
    CHECK(ParseLogLevel("panic") == LogLevel::kError);
    CHECK_FALSE(ParseLogLevel("INFO"));
    CHECK_FALSE(ParseLogLevel(""));
    CHECK(ParseLogFormat("json") == LogFormat::kJson);
    CHECK_FALSE(ParseLogFormat("xml"));
}

}  // namespace cc
