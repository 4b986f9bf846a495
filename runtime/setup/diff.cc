// SPDX-License-Identifier: Apache-2.0
#include "runtime/setup/diff.h"

#include <algorithm>
#include <vector>

#include "base/text.h"

namespace cc::runtime {

namespace {

constexpr size_t kContext = 3;
// Beyond this the middle is shown as removed and added as a whole.
constexpr size_t kMostCells = 4 << 20;

// ' ' is in both, '-' in the old text only, '+' in the new one only.
struct Line {
    char kind;
    std::string_view text;
};
using Texts = std::vector<std::string_view>;

Texts LinesOf(std::string_view text) {
    Texts lines;
    while (!text.empty()) {
        const size_t end = std::min(text.find('\n'), text.size());
        lines.push_back(text.substr(0, end));
        text.remove_prefix(std::min(end + 1, text.size()));
    }
    return lines;
}

// By the longest common subsequence.
void Compare(const Texts& before, const Texts& after, std::vector<Line>& into) {
    const size_t rows = before.size(), columns = after.size();
    std::vector<uint32_t> common;  // of what follows line i and line j
    const auto at = [&](size_t i, size_t j) -> uint32_t& { return common[i * (columns + 1) + j]; };
    if (rows * columns <= kMostCells) {
        common.resize((rows + 1) * (columns + 1));
        for (size_t i = rows; i-- > 0;)
            for (size_t j = columns; j-- > 0;)
                at(i, j) = before[i] == after[j] ? at(i + 1, j + 1) + 1
                                                 : std::max(at(i + 1, j), at(i, j + 1));
    }
    size_t i = 0, j = 0;
    while (i < rows || j < columns) {
        if (!common.empty() && i < rows && j < columns && before[i] == after[j]) {
            into.push_back({' ', before[i++]});
            ++j;
        } else if (i < rows && (j == columns || common.empty() || at(i + 1, j) >= at(i, j + 1))) {
            into.push_back({'-', before[i++]});
        } else {
            into.push_back({'+', after[j++]});
        }
    }
}

std::vector<Line> Script(std::string_view before, std::string_view after) {
    Texts old_lines = LinesOf(before), new_lines = LinesOf(after);
    std::vector<Line> script;
    const auto [old_at, new_at] =
        std::mismatch(old_lines.begin(), old_lines.end(), new_lines.begin(), new_lines.end());
    for (auto line = old_lines.begin(); line != old_at; ++line)
        script.push_back({' ', *line});
    old_lines.erase(old_lines.begin(), old_at);
    new_lines.erase(new_lines.begin(), new_at);
    Texts tail;
    while (!old_lines.empty() && !new_lines.empty() && old_lines.back() == new_lines.back()) {
        tail.push_back(old_lines.back());
        old_lines.pop_back();
        new_lines.pop_back();
    }
    Compare(old_lines, new_lines, script);
    for (auto line = tail.rbegin(); line != tail.rend(); ++line)
        script.push_back({' ', *line});
    return script;
}

// "3,4": the first line and their number; of none, the line before.
std::string Range(size_t lines_before, size_t count) {
    return Cat(lines_before + (count > 0 ? 1 : 0), ",", count);
}

}  // namespace

std::string UnifiedDiff(std::string_view before, std::string_view after) {
    const std::vector<Line> script = Script(before, after);
    const auto changed = [&](size_t i) { return script[i].kind != ' '; };
    std::string text;
    size_t old_line = 0, new_line = 0, next = 0;
    const auto advance = [&](size_t end) {
        for (; next < end; ++next) {
            old_line += script[next].kind != '+';
            new_line += script[next].kind != '-';
        }
    };
    while (true) {
        size_t first = next;
        while (first < script.size() && !changed(first))
            ++first;
        if (first == script.size()) return text;
        // A hunk goes on while the next change is near enough for the contexts to touch.
        size_t last = first;
        for (size_t i = first; i < script.size() && i <= last + 2 * kContext; ++i)
            if (changed(i)) last = i;
        advance(std::max(next, first - std::min(first, kContext)));
        const size_t begin = next, old_begin = old_line, new_begin = new_line;
        advance(std::min(script.size(), last + 1 + kContext));
        text += Cat("@@ -", Range(old_begin, old_line - old_begin), " +",
                    Range(new_begin, new_line - new_begin), " @@\n");
        for (size_t i = begin; i < next; ++i)
            text += Cat(script[i].kind, script[i].text, "\n");
    }
}

}  // namespace cc::runtime
