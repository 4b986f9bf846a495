// SPDX-License-Identifier: Apache-2.0
#include "base/cli_text.h"
#include "base/text.h"

namespace cc {

namespace {

// All names of options, separated by spaces; of those that take a value only when `with_value`.
std::string Names(const std::vector<CliOption>& options, bool with_value,
                  std::string_view separator) {
    std::vector<std::string> names;
    for (const auto& option : options) {
        if (IsPositional(option) || option.hidden || (with_value && option.value.empty())) continue;
        for (auto& name : Split(option.names, ','))
            names.push_back(std::move(name));
    }
    return Join(names, separator);
}

std::string CompletionOf(std::string_view value) {
    if (value == "DIR") return "compgen -d -- \"$word\"";
    if (value == "FILE" || value == "PATH") return "compgen -f -- \"$word\"";
    if (value == "SIGNAL") return "compgen -A signal -- \"$word\"";
    if (value == "ID")
        return "compgen -W \"$(\"${COMP_WORDS[0]}\" list -q 2>/dev/null)\" -- \"$word\"";
    if (value.find('|') != std::string_view::npos)
        return Cat("compgen -W '", Join(Split(value, '|'), " "), "' -- \"$word\"");
    return {};
}

// Lines of a `case` that look at the option before the word.
std::string ValueCases(const std::vector<CliOption>& options) {
    std::string out;
    for (const auto& option : options) {
        if (IsPositional(option) || option.value.empty()) continue;
        const std::string completion = CompletionOf(option.value);
        out += Cat("        ", Join(Split(option.names, ','), "|"), ") ",
                   completion.empty() ? ":" : completion, "; return ;;\n");
    }
    return out;
}

// What completes words that are no options: the value of the first positional.
std::string Positional(const std::vector<CliOption>& options) {
    for (const auto& option : options)
        if (IsPositional(option)) return CompletionOf(option.value);
    return {};
}

std::string Function(const std::string& name, const std::vector<CliOption>& options,
                     const std::string& words) {
    const std::string cases = ValueCases(options);
    return Cat(
        name, "() {\n", cases.empty() ? "" : Cat("    case $previous in\n", cases, "    esac\n"),
        "    case $word in\n        -*) compgen -W '", Names(options, false, " "),
        " --help' -- \"$word\" ;;\n        *) ", words.empty() ? ":" : words, " ;;\n    esac\n}\n");
}

}  // namespace

std::string BashCompletion(const CliProgram& program) {
    std::string prefix = "_" + program.name;
    for (char& c : prefix)
        if (c == '-') c = '_';
    std::vector<std::string> verbs;
    for (const auto& command : program.commands)
        if (!command.hidden) verbs.push_back(command.name);
    std::string out =
        Cat("# bash completion of ", program.name, "; made by the program itself\n\n");
    out += Function(prefix + "_global", program.options,
                    Cat("compgen -W '", Join(verbs, " "), "' -- \"$word\""));
    std::string cases;
    for (const auto& command : program.commands) {
        if (command.hidden) continue;
        std::string function = Cat(prefix, "_verb_", command.name);
        for (char& c : function)
            if (c == '-') c = '_';
        out += Function(function, command.options, Positional(command.options));
        cases += Cat("        ", command.name, ") ", function, " ;;\n");
    }
    // The verb is the first word that is neither an option nor a value of one.
    const std::string takers = Names(program.options, true, "|");
    out += Cat(prefix, "() {\n    local word=$2 previous=$3 verb= i\n",
               "    for ((i = 1; i < COMP_CWORD; i++)); do\n        case ${COMP_WORDS[i]} in\n",
               takers.empty() ? "" : Cat("            ", takers, ") ((++i)) ;;\n"),
               "            -*) ;;\n            *) verb=${COMP_WORDS[i]}; break ;;\n",
               "        esac\n    done\n    mapfile -t COMPREPLY < <(case $verb in\n        '') ",
               prefix, "_global ;;\n", cases, "    esac)\n}\ncomplete -o filenames -F ", prefix,
               " ", program.name, "\n");
    return out;
}

}  // namespace cc
