// SPDX-License-Identifier: Apache-2.0
#include "bench/hub/measured.h"

#include <csignal>
#include <cstdlib>
#include <thread>

#include <sys/socket.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/text.h"
#include "bench/hub/must.h"

namespace cc::bench {

namespace {

constexpr double kStartDeadline = 10;  // seconds until a proxy must be there
constexpr double kNano = 1e-9;
constexpr size_t kMaxProcFile = 64 * 1024;

std::string NewDirectory(const std::string& parent) {
    std::string path = parent + "/XXXXXX";
    if (::mkdtemp(path.data()) == nullptr) Die("no temporary directory");
    return path;
}

Process StartProxy(const std::string& program, const std::string& socket) {
    SpawnOptions options;
    options.executable = program;
    // KSM is the host's; measuring shall not tune it.
    options.arguments = {program, "-socket-path", socket, "-log", "error", "-ksm", "off"};
    options.fds = {{2, 2}};
    options.parent_death_signal = SIGKILL;
    Process process = Must(Spawn(options));
    const auto begin = Clock::now();
    while (!ConnectUnix(socket, SOCK_STREAM)) {
        if (SecondsSince(begin) > kStartDeadline) Die(Cat(program, " does not listen on ", socket));
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    return process;
}

}  // namespace

Memory MemoryOf(pid_t pid) {
    Memory memory;
    for (const auto& line :
         Split(Must(ReadFile(Cat("/proc/", pid, "/smaps_rollup"), kMaxProcFile)), '\n')) {
        const auto colon = line.find(':');
        if (colon == std::string::npos || !line.ends_with(" kB")) continue;
        const std::string_view value = Trim(std::string_view(line).substr(colon + 1));
        const long number = ParseNumber<long>(value.substr(0, value.find(' '))).value_or(0);
        const std::string_view name = std::string_view(line).substr(0, colon);
        if (name == "Rss") memory.rss = number;
        if (name == "Pss") memory.pss = number;
        if (name == "Anonymous") memory.anonymous = number;
        if (name == "Private_Clean" || name == "Private_Dirty") memory.private_ += number;
    }
    return memory;
}

uint64_t TransfersOf(pid_t pid) {
    uint64_t calls = 0;
    for (const std::string& line :
         Split(Must(ReadFile(Cat("/proc/", pid, "/io"), kMaxProcFile)), '\n')) {
        const std::string_view text = line;
        if (!text.starts_with("syscr: ") && !text.starts_with("syscw: ")) continue;
        calls += ParseNumber<uint64_t>(text.substr(text.find(' ') + 1)).value_or(0);
    }
    return calls;
}

ProcessorClock::ProcessorClock(pid_t pid) {
    if (const int error = ::clock_getcpuclockid(pid, &clock_); error != 0)
        Die(FailErrno("asking for a process's clock", error).value().message);
}

double ProcessorClock::Seconds() const {
    timespec time{};
    Must(::clock_gettime(clock_, &time), "reading a process's clock");
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * kNano;
}

Proxy::Proxy(const std::string& program, const std::string& directory)
    : socket_(Cat(NewDirectory(directory), "/proxy.sock")),
      process_(StartProxy(program, socket_)),
      clock_(process_.pid()) {}

Proxy::~Proxy() {
    (void)process_.Signal(SIGTERM);
    (void)process_.Reap();
}

}  // namespace cc::bench
