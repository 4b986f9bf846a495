// SPDX-License-Identifier: Apache-2.0
#include "runtime/sandbox/boot_failure.h"

#include <algorithm>
#include <vector>

#include "base/file.h"
#include "base/text.h"
#include "client/vm_client.h"
#include "protocol/vm_config.h"

namespace cc::runtime {

namespace {
constexpr size_t kMaxConsole = 16 << 20;  // the keeper bounds it to less
constexpr size_t kShownLines = 8, kShownLine = 160;
}  // namespace

std::string WithConsoleTail(std::string_view why, std::string_view console,
                            const std::string& log) {
    std::vector<std::string> lines;
    for (const auto& line : Split(console, '\n'))
        if (const auto text = Trim(line); !text.empty()) lines.push_back(Quoted(text, kShownLine));
    if (lines.empty()) return Cat(why, "; its console, ", log, ", stayed empty");
    // A kernel that panics says why, and then prints a trace that tells an operator nothing.
    const auto panic = std::ranges::find_if(
        lines, [](const std::string& line) { return line.find("Kernel panic") != line.npos; });
    if (panic != lines.end()) lines.erase(panic + 1, lines.end());
    if (lines.size() > kShownLines) lines.erase(lines.begin(), lines.end() - kShownLines);
    return Cat(why, "; its console, ", log, ", ended with: ", Join(lines, " "));
}

std::string ExplainBootFailure(std::string_view why, const std::string& vm_directory) {
    const std::string log = Cat(vm_directory, "/", kConsoleLogName);
    std::string console;
    if (auto vm = VmClient::Connect(vm_directory)) console = vm->Console().value_or("");
    if (console.empty()) console = ReadFile(log, kMaxConsole).value_or("");
    return WithConsoleTail(why, console, log);
}

}  // namespace cc::runtime
