// SPDX-License-Identifier: Apache-2.0
#include "runtime/ps_options.h"

#include <doctest/doctest.h>

namespace cc::runtime {

namespace {

// The heading says it all.
std::string Heading(const std::vector<std::string>& options) {
    const auto request = ParsePsOptions(options);
    if (!request) return request.error().message;
    return FormatProcesses({}, request->columns);
}

}  // namespace

TEST_CASE("the options of ps that are about columns, in the styles of UNIX and BSD") {
    const std::string full = "UID        PID  PPID  C STIME TTY          TIME CMD\n";
    for (const auto& options : std::vector<std::vector<std::string>>{
             {}, {"-ef"}, {"-e", "-f"}, {"-fA"}, {"ef"}, {"-efww"}})
        CHECK(Heading(options) == full);
    CHECK(Heading({"-e"}) == "  PID TTY          TIME CMD\n");
    const std::string user =
        "USER       PID %CPU %MEM    VSZ   RSS TTY      STAT START   TIME COMMAND\n";
    for (const char* option : {"aux", "-aux", "auxww", "u"})
        CHECK(Heading({option}) == user);
    CHECK(Heading({"ax"}) == "  PID TTY      STAT   TIME COMMAND\n");
    CHECK(Heading({"-eL"}) == "  PID   LWP TTY          TIME CMD\n");
    CHECK(Heading({"-eT"}) == "  PID  SPID TTY          TIME CMD\n");
    CHECK(Heading({"-eLf"}) == "UID        PID  PPID   LWP  C NLWP STIME TTY          TIME CMD\n");
    CHECK(Heading({"-efT"}) == "UID        PID  SPID  PPID  C STIME TTY          TIME CMD\n");
    CHECK(ParsePsOptions({"-eL"})->threads);
    CHECK_FALSE(ParsePsOptions({"-e"})->threads);
    CHECK(ParsePsOptions({"-ef"})->usual);
    CHECK_FALSE(ParsePsOptions({"-efL"})->usual);
    CHECK_FALSE(ParsePsOptions({"aux"})->usual);
}

TEST_CASE("columns of one's own choice, with widths and headings of one's own") {
    for (const auto& options : std::vector<std::vector<std::string>>{{"-o", "pid,comm"},
                                                                     {"-opid,comm"},
                                                                     {"-eo", "pid comm"},
                                                                     {"-eopid,comm"},
                                                                     {"axo", "pid,comm"},
                                                                     {"-o", "pid,", "-o", "comm"},
                                                                     {"o", "pid,comm"}})
        CHECK(Heading(options) == "  PID COMMAND\n");
    CHECK(Heading({"-o", "pid=,comm="}).empty());
    CHECK(Heading({"-o", "pid=My process"}) == "My process\n");
    CHECK(Heading({"-o", "comm:20=NAME,pid=X"}) == "NAME                     X\n");
    CHECK(ParsePsOptions({"-Lo", "lwp"}).value().threads);
}

TEST_CASE("what is unknown is named, with what is known") {
    CHECK(Heading({"-z"}).find("ps option \"-z\": known are -e -A -f") == 0);
    CHECK(Heading({"--forest"}).find("ps option \"--forest\"") == 0);
    CHECK(Heading({"foo"}).find("ps option \"foo\"") == 0);
    CHECK(Heading({"-"}).find("ps option") == 0);
    CHECK(Heading({"-p", "1"}).find("ps option \"-p\"") == 0);
    CHECK(Heading({"-o", "pid,nosuch"}).find("specifier \"nosuch\"; known are") !=
          std::string::npos);
    CHECK(Heading({"-o"}).find("names of columns are missing") != std::string::npos);
    CHECK(Heading({"-o", "pid:0"}).find("width") != std::string::npos);
    CHECK(Heading({"-f", "-o", "pid"}).find("conflicting format options") != std::string::npos);
}

}  // namespace cc::runtime
