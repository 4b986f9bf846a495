// SPDX-License-Identifier: Apache-2.0
// Command lines as tables: what a program accepts is data, from which come the parser, --help, the
// man page and the shell's completion (base/cli_text.h). CLI11 does the parsing, behind this header
// because it is heavy to compile.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace cc {

struct CliOption {
    std::string names;  // "-b,--bundle"; a positional has no dash: "container-id"
    std::string value;  // what stands for the value in help texts, "PATH"; empty: a flag
    std::string help;
    bool required = false;
    bool many = false;  // may be repeated; of positionals: takes all that remain
    bool hidden = false;
};
inline bool IsPositional(const CliOption& option) {
    return !option.names.starts_with('-');
}

// A paragraph or more for the man page; lines that begin with white space stay as they are.
struct CliSection {
    std::string title;  // "FILES"
    std::string text;
};

// What was given on the command line, by the option's first long name without dashes (or the
// positional's name).
class CliValues {
  public:
    bool Has(std::string_view name) const { return values_.contains(std::string(name)); }
    std::string Get(std::string_view name, std::string_view fallback = "") const;
    const std::vector<std::string>& All(std::string_view name) const;
    void Add(const std::string& name, std::string value) {
        values_[name].push_back(std::move(value));
    }
    void Touch(const std::string& name) { values_[name]; }

  private:
    std::map<std::string, std::vector<std::string>> values_;
};

struct CliCommand {
    std::string name;
    std::string help;
    std::vector<CliOption> options;
    // The first positional that is not an option ends option parsing (as `exec ID cmd -x` needs).
    bool stop_at_positional = false;
    // The same already after the first one (as `ps ID -ef` needs).
    bool stop_after_first = false;
    std::function<int(const CliValues& global, const CliValues& own)>
        run;  // returns the exit status
    bool hidden = false;
};

struct CliProgram {
    std::string name;
    std::string help;
    std::string version;  // the whole text of --version
    std::vector<CliOption> options;
    // Of the man page; DESCRIPTION comes before the options, the others last. Asked for only then:
    // a program that runs for long need not hold them.
    std::function<std::vector<CliSection>()> sections;
    std::vector<CliCommand> commands;  // empty: a program without verbs, then `run` is used
    bool single_dash_long =
        false;  // "-socket-path" means "--socket-path", as with Go's flag package
    std::function<int(const CliValues& own)> run;
    // Called with one line on bad usage, before the exit status 1; default: standard error.
    std::function<void(const std::string& error)> on_error;
};

// Parses and runs; --help, --version and, alone, --man-page are built in. Returns the exit status.
int RunCli(const CliProgram& program, const std::vector<std::string>& arguments);

}  // namespace cc
