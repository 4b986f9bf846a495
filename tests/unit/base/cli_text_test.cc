// SPDX-License-Identifier: Apache-2.0
#include "base/cli_text.h"

#include <cstdio>

#include <doctest/doctest.h>

#include "base/file.h"
#include "tests/scratch.h"

namespace cc {

namespace {

CliProgram TextProgram() {
    CliProgram program;
    program.name = "cc-test";
    program.help = "tests things";
    program.options = {{"--root", "DIR", "where state is kept"}, {"--debug", "", "log more"}};
    const CliOption id{"container-id", "ID", "which", true};
    program.commands = {
        {.name = "run",
         .help = "makes one",
         .options = {{"-b,--bundle", "DIR", "the bundle"},
                     {"--secret", "", "", false, false, true},
                     id},
         .stop_at_positional = false,
         .run = {}},
        {.name = "completion",
         .help = "prints",
         .options = {{"shell", "bash|fish", "of which shell", true}},
         .stop_at_positional = false,
         .run = {}},
    };
    program.sections = [] {
        return std::vector<CliSection>{{"FILES", ".hidden stays a word\n  literal"},
                                       {"DESCRIPTION", "What it does."}};
    };
    return program;
}

// What bash offers for the last of these words.
std::string Complete(const std::string& words) {
    const test::Scratch scratch;
    const std::string script = scratch / "completion";
    REQUIRE(WriteFileAtomic(script, BashCompletion(TextProgram()), 0644));
    const std::string command =
        "bash -c 'source " + script + "; COMP_WORDS=(" + words +
        "); COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); _cc_test cc-test \"${COMP_WORDS[-1]}\" "
        "\"${COMP_WORDS[-2]}\"; echo \"${COMPREPLY[*]}\"'";
    std::FILE* pipe = ::popen(command.c_str(), "r");
    REQUIRE(pipe != nullptr);
    char text[512] = "";
    CHECK(std::fgets(text, sizeof text, pipe) != nullptr);
    CHECK(::pclose(pipe) == 0);
    return text;
}

}  // namespace

TEST_CASE("a man page has the program's options and commands, and no hidden ones") {
    const std::string page = ManPage(TextProgram());
    CHECK(page.starts_with(".TH CC\\-TEST 8 "));
    CHECK(page.find("cc\\-test \\- tests things") != std::string::npos);
    CHECK(page.find(".SS \\fBrun\\fR [\\fIOPTION\\fR ...] \\fIID\\fR\nmakes one\n") !=
          std::string::npos);
    CHECK(page.find("\\fB\\-b\\fR, \\fB\\-\\-bundle\\fR \\fIDIR\\fR\nthe bundle") !=
          std::string::npos);
    CHECK(page.find("secret") == std::string::npos);
    CHECK(page.find(".SH FILES\n\\&.hidden stays a word\n.nf\n  literal\n.fi\n") !=
          std::string::npos);
    CHECK(page.find(".SH DESCRIPTION\nWhat it does.\n.SH OPTIONS\n") != std::string::npos);
}

TEST_CASE("bash completes verbs, options and values") {
    CHECK(Complete("cc-test \"\"") == "run completion\n");
    CHECK(Complete("cc-test --root /tmp r") == "run\n");
    CHECK(Complete("cc-test --debug run --b") == "--bundle\n");
    CHECK(Complete("cc-test completion b") == "bash\n");
    CHECK(Complete("cc-test run --bundle /et") == "/etc\n");
    CHECK(Complete("cc-test --") == "--root --debug --help\n");
}

}  // namespace cc
