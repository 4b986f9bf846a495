// SPDX-License-Identifier: Apache-2.0
#include "runtime/setup/toml_edit.h"

#include <algorithm>
#include <optional>

#include "base/text.h"
#include "runtime/toml.h"

namespace cc::runtime {

namespace {

constexpr std::string_view kMark = "  # cc-runtime setup";
constexpr std::string_view kReplaced = "# cc-runtime setup, was: ";

using Keys = std::vector<std::string>;

bool IsMarked(std::string_view line) {
    return line.ends_with(kMark);
}

bool IsHeader(std::string_view line) {
    return Trim(line).starts_with('[');
}

std::string Indent(std::string_view line) {
    return std::string(line.substr(0, std::min(line.find_first_not_of(" \t"), line.size())));
}

Result<toml::table> ParseToml(std::string_view text, const std::string& path) {
    toml::parse_result parsed = toml::parse(text, path);
    if (parsed) return std::move(parsed).table();
    const auto& error = parsed.error();
    return Fail(Cat(path, ":", error.source().begin.line, ": ", error.description(),
                    "; correct the file first, nothing was changed"));
}

const toml::node* Find(const toml::table& root, const Keys& keys) {
    const toml::node* node = &root;
    for (const auto& key : keys) {
        const toml::table* table = node->as_table();
        node = table == nullptr ? nullptr : table->get(key);
        if (node == nullptr) return nullptr;
    }
    return node;
}

bool SameValue(const toml::node& node, const std::string& value) {
    const toml::parse_result wanted = toml::parse(Cat("x = ", value));
    toml::table found;
    found.insert("x", node);
    return wanted && wanted.table() == found;
}

std::string KeyText(const std::string& key) {
    const bool bare = !key.empty() && std::all_of(key.begin(), key.end(), [](unsigned char c) {
        return std::isalnum(c) != 0 || c == '_' || c == '-';
    });
    return bare ? key : TomlString(key);
}

std::string HeaderText(const Keys& table) {
    Keys texts;
    for (const auto& key : table)
        texts.push_back(KeyText(key));
    return Cat("[", Join(texts, "."), "]");
}

// The table that a header line begins; none for any other line.
std::optional<Keys> TableOf(const std::string& line) {
    if (!IsHeader(line)) return std::nullopt;
    const toml::parse_result parsed = toml::parse(line);
    if (!parsed) return std::nullopt;
    Keys keys;
    const toml::table* table = &parsed.table();
    while (table->size() == 1) {
        keys.emplace_back(table->begin()->first.str());
        table = table->begin()->second.as_table();
        if (table == nullptr) return std::nullopt;  // [[an array's]]
    }
    return keys;
}

// Instead of the lines of the key's old value.
Result<void> Replace(std::vector<std::string>& lines, const toml::node& old,
                     const std::string& path, const TomlSetting& setting) {
    const size_t first = old.source().begin.line - 1, last = old.source().end.line - 1;
    Keys before;
    for (size_t i = first; i <= last && i < lines.size(); ++i)
        before.push_back(lines[i]);
    const toml::parse_result alone = toml::parse(Join(before, "\n"));
    if (!alone || alone.table().size() != 1 || alone.table().get(setting.key) == nullptr)
        return Fail(Cat(path, ":", first + 1, ": ", setting.key,
                        " stands together with other things, so it is not changed; by hand it is ",
                        setting.key, " = ", setting.value));
    const auto at = lines.begin() + static_cast<ptrdiff_t>(first);
    const std::string line = Cat(Indent(*at), KeyText(setting.key), " = ", setting.value, kMark);
    for (auto& text : before)
        text.insert(0, kReplaced);
    const auto rest = lines.erase(at, at + static_cast<ptrdiff_t>(before.size()));
    lines.insert(lines.insert(rest, line), before.begin(), before.end());
    return {};
}

// Below the table's header, which is appended when there is none.
void Add(std::vector<std::string>& lines, const TomlSetting& setting) {
    auto header = std::find_if(lines.begin(), lines.end(), [&](const std::string& line) {
        return TableOf(line) == setting.table;
    });
    std::string indent;
    if (setting.table.empty()) {
        lines.insert(lines.begin(), Cat(KeyText(setting.key), " = ", setting.value, kMark));
        return;
    }
    if (header == lines.end()) {
        if (!lines.empty() && lines.back().empty()) lines.pop_back();
        lines.push_back(Cat(HeaderText(setting.table), kMark));
        lines.emplace_back();
        header = lines.end() - 2;
    }
    indent = Indent(*header) + "  ";
    auto at = header + 1;
    while (at != lines.end() && IsMarked(*at) && !IsHeader(*at))
        ++at;
    lines.insert(at, Cat(indent, KeyText(setting.key), " = ", setting.value, kMark));
}

Result<std::string> Set(const std::string& text, const std::string& path,
                        const TomlSetting& setting) {
    CC_ASSIGN(const toml::table root, ParseToml(text, path));
    Keys keys = setting.table;
    keys.push_back(setting.key);
    const toml::node* old = Find(root, keys);
    if (old != nullptr && SameValue(*old, setting.value)) return text;
    std::vector<std::string> lines = Split(text, '\n');
    if (old != nullptr)
        CC_TRY(Replace(lines, *old, path, setting));
    else
        Add(lines, setting);
    std::string edited = Join(lines, "\n");
    if (!edited.ends_with('\n')) edited += '\n';
    // A table that was begun in another way (inline, by dotted keys) cannot be gone on with.
    const toml::parse_result parsed = toml::parse(edited);
    const toml::node* made = parsed ? Find(parsed.table(), keys) : nullptr;
    if (made == nullptr || !SameValue(*made, setting.value))
        return Fail(Cat(path, ": the file's way to write ", HeaderText(setting.table),
                        " leaves no place for a line of its own; add by hand: ", setting.key, " = ",
                        setting.value));
    return edited;
}

}  // namespace

std::string TomlString(std::string_view text) {
    std::string quoted = "\"";
    for (const char c : text) {
        if (c == '"' || c == '\\') quoted += '\\';
        quoted += c;
    }
    return quoted + '"';
}

Result<std::string> SetInToml(std::string text, const std::string& path,
                              const std::vector<TomlSetting>& settings) {
    for (const auto& setting : settings) {
        CC_ASSIGN(text, Set(text, path, setting));
    }
    return text;
}

std::string UnsetInToml(std::string_view text) {
    const std::vector<std::string> lines = Split(text, '\n');
    std::vector<std::string> kept;
    for (size_t i = 0; i < lines.size(); ++i) {
        std::string line = lines[i];
        if (line.starts_with(kReplaced)) {
            kept.push_back(line.substr(kReplaced.size()));
            continue;
        }
        if (IsMarked(line)) {
            // The header stays for what somebody else wrote below it.
            bool needed = false;
            for (size_t j = i + 1; IsHeader(line) && j < lines.size() && !IsHeader(lines[j]); ++j)
                needed = needed || (!IsMarked(lines[j]) && !Trim(lines[j]).empty() &&
                                    !Trim(lines[j]).starts_with('#'));
            if (!needed) continue;
            line.resize(line.size() - kMark.size());
        }
        kept.push_back(std::move(line));
    }
    return Join(kept, "\n");
}

}  // namespace cc::runtime
