// SPDX-License-Identifier: Apache-2.0
#include "base/cli.h"

#include <algorithm>
#include <cstdio>
#include <memory>
#include <set>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>

#include "base/cli_text.h"
#include "base/text.h"

namespace cc {

namespace {

// "-b,--bundle" -> "bundle"; "container-id" -> "container-id"; "-v" -> "v".
std::string KeyOf(const CliOption& option) {
    for (const auto& name : Split(option.names, ','))
        if (name.starts_with("--")) return name.substr(2);
    const std::string first = Split(option.names, ',').front();
    return first.substr(first.find_first_not_of('-'));
}

// Storage that CLI11 writes into; it must stay where it is until parsing is done.
struct Bound {
    const CliOption* option;
    CLI::Option* handle;
    std::vector<std::string> unused;  // tells CLI11 the type; values are read raw, see Protect()
};
using BoundOptions = std::vector<std::unique_ptr<Bound>>;

// `has_tail`: what the positional that takes many shall hold is there already.
void Bind(CLI::App& app, const std::vector<CliOption>& options, BoundOptions& bound,
          bool has_tail = false) {
    for (const auto& option : options) {
        auto entry = std::make_unique<Bound>();
        entry->option = &option;
        if (option.value.empty() && !IsPositional(option)) {
            entry->handle = app.add_flag(option.names, option.help);
        } else {
            entry->handle = app.add_option(option.names, entry->unused, option.help);
            entry->handle->type_name(option.value);
            // Without this an option would take all the words that follow it.
            entry->handle->allow_extra_args(option.many && IsPositional(option));
            if (option.many && IsPositional(option))
                entry->handle->expected(option.required ? 1 : 0,
                                        CLI::detail::expected_max_vector_size);
            else if (option.many)
                entry->handle->expected(1)->take_all();
            else
                entry->handle->expected(1)->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
        }
        entry->handle->required(option.required &&
                                !(has_tail && option.many && IsPositional(option)));
        if (option.hidden) entry->handle->group("");
        bound.push_back(std::move(entry));
    }
}

// CLI11 takes words such as "[a,b]", "{}", "%%" and "++" for notations of its own. A mark in front
// keeps it from that; Collect() takes the mark off again.
constexpr char kMark = '\x01';

std::string Protect(std::string word) {
    if (!word.empty() && std::string_view("[{%+\x01").find(word.front()) != std::string_view::npos)
        word.insert(0, 1, kMark);
    return word;
}

CliValues Collect(const BoundOptions& bound, const std::vector<std::string>& tail = {}) {
    CliValues values;
    for (const auto& entry : bound) {
        if (!tail.empty() && IsPositional(*entry->option) && entry->option->many)
            for (const auto& word : tail)
                values.Add(entry->option->names, word);
        if (entry->handle->count() == 0) continue;
        const std::string key = KeyOf(*entry->option);
        values.Touch(key);
        if (entry->option->value.empty() && !IsPositional(*entry->option)) continue;  // a flag
        const auto& given = entry->handle->results();
        // Of an option that may not be repeated the last one counts.
        for (size_t i = entry->option->many ? 0 : given.size() - 1; i < given.size(); ++i)
            values.Add(key, given[i].substr(given[i].starts_with(kMark) ? 1 : 0));
    }
    return values;
}

bool TakesValue(std::string_view name, const std::vector<CliOption>& options) {
    for (const auto& option : options)
        if (!option.value.empty() && !IsPositional(option))
            for (const auto& known : Split(option.names, ','))
                if (known == name) return true;
    return false;
}

// How many words the option `word` takes: itself and, when that is not attached, its value.
size_t OptionLength(const std::string& word, const std::vector<CliOption>& options) {
    if (word.starts_with("--")) return TakesValue(word, options) ? 2 : 1;
    // Short ones may be bundled, "-te A=b": the first that takes a value ends the bundle.
    for (size_t i = 1; i < word.size(); ++i)
        if (TakesValue(Cat('-', word[i]), options)) return i + 1 == word.size() ? 2 : 1;
    return 1;
}

// The first word from `at` on that is neither an option nor an option's value; "--" counts as one.
size_t FindPositional(const std::vector<std::string>& words, size_t at,
                      const std::vector<CliOption>& options) {
    while (at < words.size() && words[at] != "--" && words[at].size() > 1 && words[at][0] == '-')
        at += OptionLength(words[at], options);
    return std::min(at, words.size());
}

// The command line that a verb takes (`stop_at_positional`): all words from its second positional
// on. CLI11 never sees them, because it would look for options among them.
struct Tail {
    const CliCommand* command = nullptr;
    std::vector<std::string> words;
};

Tail CutTail(const CliProgram& program, std::vector<std::string>& words) {
    const size_t verb = FindPositional(words, 0, program.options);
    for (const auto& command : program.commands) {
        if ((!command.stop_at_positional && !command.stop_after_first) || verb == words.size() ||
            command.name != words[verb])
            continue;
        size_t at = FindPositional(words, verb + 1, command.options);
        const auto next = [&] {
            const size_t after = std::min(at + 1, words.size());
            return command.stop_after_first ? after : FindPositional(words, after, command.options);
        };
        const bool marked = at < words.size() && words[at] == "--";  // as in "exec -- ID cmd"
        at = marked ? std::min(at + 2, words.size()) : next();
        Tail tail{&command, {words.begin() + static_cast<long>(at), words.end()}};
        words.resize(at);
        if (!marked && !tail.words.empty() && tail.words.front() == "--")
            tail.words.erase(tail.words.begin());
        return tail;
    }
    return {};
}

std::vector<std::string> WithDoubleDashes(const CliProgram& program,
                                          std::vector<std::string> arguments) {
    std::set<std::string> long_names{"help", "version"};
    for (const auto& option : program.options)
        long_names.insert(KeyOf(option));
    for (auto& argument : arguments) {
        if (argument == "--") break;
        if (argument.size() > 2 && argument[0] == '-' && argument[1] != '-' &&
            long_names.contains(argument.substr(1, argument.find('=') - 1)))
            argument.insert(0, "-");
    }
    return arguments;
}

}  // namespace

std::string CliValues::Get(std::string_view name, std::string_view fallback) const {
    const auto found = values_.find(std::string(name));
    return found == values_.end() || found->second.empty() ? std::string(fallback)
                                                           : found->second.back();
}

const std::vector<std::string>& CliValues::All(std::string_view name) const {
    static const std::vector<std::string> none;
    const auto found = values_.find(std::string(name));
    return found == values_.end() ? none : found->second;
}

int RunCli(const CliProgram& program, const std::vector<std::string>& arguments) {
    auto words = program.single_dash_long ? WithDoubleDashes(program, arguments) : arguments;
    if (words == std::vector<std::string>{"--man-page"}) {
        std::fputs(ManPage(program).c_str(), stdout);
        return 0;
    }
    // "help run" is "run --help", also behind global options.
    if (const size_t verb = FindPositional(words, 0, program.options);
        !program.commands.empty() && verb < words.size() && words[verb] == "help") {
        words.erase(words.begin() + static_cast<long>(verb));
        words.emplace_back("--help");
    }
    const Tail tail = CutTail(program, words);
    CLI::App app(program.help, program.name);
    app.set_help_flag("-h,--help", "Show this help and exit");
    bool show_version = false;
    app.add_flag_callback(
        "-v,--version",
        [&] {
            show_version = true;
            throw CLI::Success();
        },
        "Show the version and exit");
    BoundOptions global;
    Bind(app, program.options, global);

    struct BoundCommand {
        const CliCommand* command;
        CLI::App* app;
        BoundOptions options;
    };
    std::vector<BoundCommand> commands;
    for (const auto& command : program.commands) {
        CLI::App* sub = app.add_subcommand(command.name, command.help);
        if (command.hidden) sub->group("");
        commands.push_back({&command, sub, {}});
        Bind(*sub, command.options, commands.back().options,
             tail.command == &command && !tail.words.empty());
    }
    if (!program.commands.empty()) app.require_subcommand(1);

    for (auto& word : words)
        word = Protect(std::move(word));
    try {
        app.parse(std::vector<std::string>(words.rbegin(), words.rend()));
    } catch (const CLI::Success& e) {
        if (show_version)
            std::printf("%s\n", program.version.c_str());
        else
            app.exit(e);
        return 0;
    } catch (const CLI::ParseError& e) {
        const std::string line = Cat(e.what(), " (see '", program.name, " --help')");
        if (program.on_error)
            program.on_error(line);
        else
            std::fprintf(stderr, "%s: %s\n", program.name.c_str(), line.c_str());
        return 1;
    }
    const CliValues global_values = Collect(global);
    for (const auto& entry : commands)
        if (entry.app->parsed())
            return entry.command->run(
                global_values,
                Collect(entry.options,
                        entry.command == tail.command ? tail.words : std::vector<std::string>{}));
    return program.run(global_values);
}

}  // namespace cc
