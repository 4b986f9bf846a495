// SPDX-License-Identifier: Apache-2.0
#include "base/cli_text.h"
#include "base/text.h"
#include "base/version.h"

namespace cc {

namespace {

// Dashes that can be copied, nothing that roff takes for a request, no sequences of its own.
std::string Escape(std::string_view text) {
    std::string out;
    bool line_start = true;
    for (const char c : text) {
        if (line_start && (c == '.' || c == '\'')) out += "\\&";
        line_start = c == '\n';
        if (c == '-')
            out += "\\-";
        else if (c == '\\')
            out += "\\e";
        else
            out += c;
    }
    return out;
}

std::string Bold(std::string_view text) {
    return Cat("\\fB", Escape(text), "\\fR");
}
std::string Italic(std::string_view text) {
    return Cat("\\fI", Escape(text), "\\fR");
}

// "ID" or, of an option, "-b, --bundle DIR".
std::string Heading(const CliOption& option) {
    if (IsPositional(option)) return Italic(option.value);
    std::vector<std::string> names;
    for (const auto& name : Split(option.names, ','))
        names.push_back(Bold(name));
    return Cat(Join(names, ", "), option.value.empty() ? "" : " ", Italic(option.value));
}

std::string Entries(const std::vector<CliOption>& options) {
    std::string out;
    for (const auto& option : options)
        if (!option.hidden) out += Cat(".TP\n", Heading(option), "\n", Escape(option.help), "\n");
    return out;
}

// "[OPTION ...] ID [COMMAND ...]"
std::string Usage(const std::vector<CliOption>& options) {
    bool has_options = false;
    std::string positionals;
    for (const auto& option : options) {
        has_options = has_options || (!IsPositional(option) && !option.hidden);
        if (!IsPositional(option)) continue;
        const std::string word = Cat(Italic(option.value), option.many ? " ..." : "");
        positionals += option.required ? Cat(" ", word) : Cat(" [", word, "]");
    }
    return Cat(has_options ? Cat(" [", Italic("OPTION"), " ...]") : "", positionals);
}

std::string Section(const CliSection& section) {
    std::string out = Cat(".SH ", section.title, "\n");
    bool literal = false;
    for (const auto& line : Split(section.text, '\n')) {
        const bool indented = line.starts_with(' ');
        if (indented != literal) out += indented ? ".nf\n" : ".fi\n";
        literal = indented;
        out += line.empty() ? ".PP\n" : Cat(Escape(line), "\n");
    }
    return out + (literal ? ".fi\n" : "");
}

}  // namespace

std::string ManPage(const CliProgram& program) {
    std::string title = program.name;
    for (char& c : title)
        c = static_cast<char>(c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c);
    std::string out = Cat(".TH ", Escape(title), " 8 \"\" \"Clear Containers ", kRelease, "\"\n");
    out += Cat(".SH NAME\n", Escape(program.name), " \\- ", Escape(program.help), "\n");
    out += Cat(".SH SYNOPSIS\n", Bold(program.name), Usage(program.options));
    if (!program.commands.empty())
        out += Cat(" ", Italic("COMMAND"), " [", Italic("ARGUMENT"), " ...]");
    out += "\n";
    const auto sections = program.sections ? program.sections() : std::vector<CliSection>();
    const auto add_sections = [&](bool descriptions) {
        for (const auto& section : sections)
            if ((section.title == "DESCRIPTION") == descriptions) out += Section(section);
    };
    add_sections(true);
    out += Cat(".SH OPTIONS\n", Entries(program.options));
    out += Cat(".TP\n", Bold("-h"), ", ", Bold("--help"),
               "\nshow help and exit, also after a command\n", ".TP\n", Bold("-v"), ", ",
               Bold("--version"), "\nshow the version and exit\n");
    if (!program.commands.empty()) out += ".SH COMMANDS\n";
    for (const auto& command : program.commands) {
        if (command.hidden) continue;
        out += Cat(".SS ", Bold(command.name), Usage(command.options), "\n", Escape(command.help),
                   "\n", Entries(command.options));
    }
    add_sections(false);
    return out;
}

}  // namespace cc
