// SPDX-License-Identifier: Apache-2.0
// Runs a program and prints one line: milliseconds until the first byte of its standard output,
// milliseconds until its end, and its exit code. Its output is thrown away, its standard error is
// ours.
//
//   first-byte PROGRAM [argument ...]
//
// No output: the first number is "-".
#include <chrono>
#include <cstdio>
#include <optional>

#include <unistd.h>

#include "base/process.h"
#include "base/text.h"

namespace {

using Clock = std::chrono::steady_clock;

double MillisecondsSince(Clock::time_point begin) {
    return std::chrono::duration<double, std::milli>(Clock::now() - begin).count();
}

cc::Result<int> Measure(const std::vector<std::string>& command) {
    CC_ASSIGN(cc::FdPair out, cc::MakePipe());
    cc::SpawnOptions options;
    options.executable = command.front();
    options.arguments = command;
    options.fds = {{out.second.get(), 1}, {2, 2}};
    const auto begin = Clock::now();
    CC_ASSIGN(const cc::Process process, cc::Spawn(options));
    out.second.Reset();
    std::optional<double> first;
    char buffer[65536];
    while (::read(out.first.get(), buffer, sizeof buffer) > 0)
        if (!first) first = MillisecondsSince(begin);
    CC_ASSIGN(const int status, process.Reap());
    const double end = MillisecondsSince(begin);
    if (first)
        std::printf("%.3f %.3f %d\n", *first, end, cc::ExitCodeOf(status));
    else
        std::printf("- %.3f %d\n", end, cc::ExitCodeOf(status));
    return 0;
}

}  // namespace

int main(int argc, char** argv) {
    if (argc < 2) {
        std::fputs("usage: first-byte PROGRAM [argument ...]   (PROGRAM is a path)\n", stderr);
        return 2;
    }
    const auto measured = Measure({argv + 1, argv + argc});
    if (measured) return *measured;
    std::fprintf(stderr, "first-byte: %s\n", measured.error().message.c_str());
    return 1;
}
