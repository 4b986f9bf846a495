// SPDX-License-Identifier: Apache-2.0
#include "base/cli.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/fd.h"

namespace cc {
namespace {

// What the program's verb was given, as the tests look at it.
struct Seen {
    std::string verb;
    CliValues global;
    CliValues own;
    std::string error;
};

CliProgram Program(Seen& seen) {
    CliProgram program;
    program.name = "cc-test";
    program.version = "cc-test  : 4.0.0\n   commit   : abc";
    program.options = {{"--root", "DIR", "state"}, {"--debug", "", "log more"}};
    auto verb = [&](std::string name, std::vector<CliOption> options) {
        return CliCommand{.name = name,
                          .help = "does " + name,
                          .options = std::move(options),
                          .stop_at_positional = name == "exec",
                          .stop_after_first = name == "ps",
                          .run = [&seen, name](const CliValues& global, const CliValues& own) {
                              seen.verb = name;
                              seen.global = global;
                              seen.own = own;
                              return 42;
                          }};
    };
    const CliOption id{"container-id", "ID", "which", true};
    const CliOption ids{"container-id", "ID", "which", true, true};
    program.commands = {
        verb("run", {{"-b,--bundle", "PATH", "the bundle"}, {"-d,--detach", "", "go away"}, id}),
        verb("delete", {{"-f,--force", "", "also a running one"}, ids}), verb("list", {}),
        verb("exec", {{"-e,--env", "NAME=VALUE", "environment", false, true},
                      {"-t,--tty", "", "a terminal"},
                      {"--cwd", "DIR", "where"},
                      id,
                      {"command", "CMD", "what", false, true}}),
        verb("ps", {{"-f,--format", "FORMAT", "table or json"},
                    id,
                    {"ps-options", "OPTION", "of ps", false, true}})};
    program.on_error = [&seen](const std::string& error) { seen.error = error; };
    return program;
}

using Words = std::vector<std::string>;

Seen Parse(const Words& words, int expected_status = 42) {
    Seen seen;
    CHECK_MESSAGE(RunCli(Program(seen), words) == expected_status, seen.error);
    return seen;
}

// What a function prints to standard output.
template <class Function>
std::string StandardOutputOf(Function function) {
    FdPair pipe = MakePipe().value();
    std::fflush(stdout);
    const Fd saved = Fd::Adopt(::fcntl(1, F_DUPFD_CLOEXEC, 3));
    ::dup2(pipe.second.get(), 1);
    pipe.second.Reset();
    function();
    std::fflush(stdout);
    ::dup2(saved.get(), 1);
    return ReadAll(pipe.first.get(), 1 << 20).value();
}

}  // namespace

TEST_CASE("a verb may leave all words after its first one to another program") {
    const Seen seen = Parse({"ps", "--format", "json", "web", "-o", "pid", "--format", "x"});
    CHECK(seen.own.Get("container-id") == "web");
    CHECK(seen.own.Get("format") == "json");
    CHECK(seen.own.All("ps-options") == Words{"-o", "pid", "--format", "x"});
    CHECK(Parse({"ps", "web"}).own.All("ps-options").empty());
    Parse({"ps"}, 1);
}

TEST_CASE("options take one value each, in every way of writing them") {
    for (const Words& words : {Words{"--root", "/r", "run", "--bundle", "/b", "-d", "c"},
                               Words{"--root=/r", "run", "--bundle=/b", "--detach", "c"},
                               Words{"--root=/r", "run", "-d", "-b/b", "c"},
                               Words{"--root", "/r", "run", "c", "-db", "/b"}}) {
        const Seen seen = Parse(words);
        CHECK(seen.verb == "run");
        CHECK(seen.global.Get("root") == "/r");
        CHECK_FALSE(seen.global.Has("debug"));
        CHECK(seen.own.Get("bundle") == "/b");
        CHECK(seen.own.Has("detach"));
        CHECK(seen.own.All("container-id") == Words{"c"});
    }
}

TEST_CASE("of an option given twice the last one counts, and an absent one has its fallback") {
    const Seen seen = Parse({"run", "-b", "/1", "-b", "/2", "c"});
    CHECK(seen.own.All("bundle") == Words{"/2"});
    CHECK(seen.global.Get("root", "/default") == "/default");
    CHECK(seen.own.All("nothing").empty());
}

TEST_CASE(
    "many positionals are all taken, also when they are called like verbs or look like lists") {
    CHECK(Parse({"delete", "a", "list", "-f", "exec", "[x,y]", "++"}).own.All("container-id") ==
          Words{"a", "list", "exec", "[x,y]", "++"});
    CHECK(Parse({"delete", "exec", "a", "b", "-f"}).own.Has("force"));
}

TEST_CASE("exec's command is taken as it stands, whatever it looks like") {
    const Words command{"cmd", "-x", "--y", "-e", "Z=1", "--", "[a,b]", "{}", "%%", "", "\x01"};
    for (const Words& before :
         {Words{"exec", "-e", "A=b", "ID"}, Words{"exec", "--env=A=b", "ID"},
          Words{"exec", "-te", "A=b", "ID"}, Words{"exec", "ID", "-e", "A=b"},
          Words{"exec", "-e", "A=b", "--", "ID"}, Words{"exec", "-e", "A=b", "ID", "--"},
          Words{"--root", "exec", "exec", "-eA=b", "ID"}}) {
        Words words = before;
        words.insert(words.end(), command.begin(), command.end());
        const Seen seen = Parse(words);
        CHECK(seen.own.Get("container-id") == "ID");
        CHECK(seen.own.All("env") == Words{"A=b"});
        CHECK(seen.own.All("command") == command);
    }
}

TEST_CASE("an option that may be repeated keeps all its values in order") {
    const Seen seen = Parse({"exec", "-e", "A=[1,2]", "--env", "[B]=", "-e{}", "--cwd", "/", "c"});
    CHECK(seen.own.All("env") == Words{"A=[1,2]", "[B]=", "{}"});
    CHECK(seen.own.Get("cwd") == "/");
    CHECK(seen.own.All("command").empty());
}

TEST_CASE("bad usage is one line and status 1") {
    for (const Words& words : {Words{}, Words{"nothing"}, Words{"run"}, Words{"run", "a", "b"},
                               Words{"run", "--what", "c"}, Words{"run", "c", "--bundle"},
                               Words{"delete"}, Words{"--root"}, Words{"list", "-x"}}) {
        const Seen seen = Parse(words, 1);
        CHECK(seen.verb.empty());
        CHECK_FALSE(seen.error.empty());
        CHECK(seen.error.find('\n') == std::string::npos);
    }
}

TEST_CASE("--version and --help print to standard output and succeed") {
    CHECK(StandardOutputOf([] { Parse({"--version"}, 0); }) ==
          "cc-test  : 4.0.0\n   commit   : abc\n");
    CHECK(StandardOutputOf([] { Parse({"-v"}, 0); }).starts_with("cc-test"));
    const std::string help = StandardOutputOf([] { Parse({"--help"}, 0); });
    for (const char* part : {"--root", "exec", "does delete", "--version"})
        CHECK(help.find(part) != std::string::npos);
    const std::string verb = StandardOutputOf([] { Parse({"run", "--help"}, 0); });
    CHECK(verb.find("--bundle") != std::string::npos);
    CHECK(verb.find("the bundle") != std::string::npos);
    for (const std::vector<std::string>& asked : {std::vector<std::string>{"help", "run"},
                                                  {"--root", "help", "help", "run"},
                                                  {"--debug", "--root=x", "help", "run"}})
        CHECK(StandardOutputOf([&] { Parse(asked, 0); }) == verb);
    CHECK(StandardOutputOf([] { Parse({"--root", "x", "help"}, 0); }) == help);
}

TEST_CASE("a program without verbs takes Go's single dashes where it says so") {
    CliProgram program;
    program.name = "cc-proxy";
    program.version = "Version: 4";
    program.single_dash_long = true;
    program.options = {{"--socket-path", "PATH", "where"},
                       {"--log", "LEVEL", "what"},
                       {"--on-demand", "", "hidden", false, false, true}};
    CliValues values;
    program.run = [&](const CliValues& own) {
        values = own;
        return 0;
    };
    CHECK(RunCli(program, {"-socket-path", "/s", "--log=debug", "-on-demand"}) == 0);
    CHECK(values.Get("socket-path") == "/s");
    CHECK(values.Get("log") == "debug");
    CHECK(values.Has("on-demand"));
    CHECK(RunCli(program, {"-socket-path=/t", "-x"}) == 1);
    CHECK(StandardOutputOf([&] { RunCli(program, {"-version"}); }) == "Version: 4\n");
    const std::string help = StandardOutputOf([&] { RunCli(program, {"-help"}); });
    CHECK(help.find("--socket-path") != std::string::npos);
    CHECK(help.find("on-demand") == std::string::npos);
}

}  // namespace cc
