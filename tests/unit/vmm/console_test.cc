// SPDX-License-Identifier: Apache-2.0
#include "vmm/console.h"

#include <unistd.h>

#include "tests/unit/vmm/fixtures.h"
#include "vmm/lines.h"

namespace cc {

TEST_CASE("a console keeps what was printed, in memory and in its file") {
    const test::TemporaryDirectory directory;
    auto console = Console::Open(directory / "console.log");
    REQUIRE(console);
    console->Append("one\n\x1b[31m");
    console->Append("two\n");
    CHECK(console->Tail(1000) == "one\n\x1b[31mtwo\n");
    CHECK(ReadFile(directory / "console.log", 1000).value() == "one\n\x1b[31mtwo\n");
    CHECK(console->Tail(11) == "\x1b[31mtwo\n");
    CHECK(console->Tail(3) == "wo\n");
}

TEST_CASE("a guest that prints for ever fills neither memory nor disk, and its last line is kept") {
    const test::TemporaryDirectory directory;
    auto console = Console::Open(directory / "console.log");
    REQUIRE(console);
    const std::string line = std::string(1000, 'x') + "\n";
    for (int i = 0; i < 5000; ++i)
        console->Append(line);
    console->Append("the end\n");
    const auto file = ReadFile(directory / "console.log", Console::kMaxFile);
    REQUIRE(file);
    CHECK(file->ends_with("the end\n"));
    CHECK(file->size() >= Console::kRing);
    CHECK(console->Tail(SIZE_MAX).size() <= 2 * Console::kRing);
    CHECK(console->Tail(16384).ends_with("the end\n"));
    CHECK(console->Tail(16384).starts_with("x"));
    CHECK(console->Tail(16384).find('\n') == 1000);
}

TEST_CASE("a console does not follow a link that waits in the place of its file") {
    const test::TemporaryDirectory directory;
    REQUIRE(::symlink(directory.Write("victim", "precious").c_str(),
                      (directory / "console.log").c_str()) == 0);
    CHECK_FALSE(Console::Open(directory / "console.log"));
    CHECK(ReadFile(directory / "victim", 100).value() == "precious");
}

TEST_CASE("a stream is cut into lines, the last of which are remembered") {
    std::vector<std::string> seen;
    Lines lines([&](std::string_view line) { seen.emplace_back(line); });
    lines.Append("a");
    lines.Append("b\r\n\nc\n");
    lines.Append(std::string(Lines::kMaxLine + 1, 'd'));
    lines.End();
    CHECK(seen == std::vector<std::string>{"ab", "c", std::string(Lines::kMaxLine, 'd'), "d"});
    for (int i = 0; i < 20; ++i)
        lines.Append(Cat(i, "\n"));
    CHECK(lines.Last().size() == Lines::kRemembered);
    CHECK(lines.Last().back() == "19");
}

}  // namespace cc
