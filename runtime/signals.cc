// SPDX-License-Identifier: Apache-2.0
#include "runtime/signals.h"

#include <csignal>
#include <string>

#include "base/text.h"

namespace cc::runtime {

namespace {

// The kernel's numbers, as the guest counts; libraries on either side keep the lowest two or three
// for themselves.
constexpr int kRealTimeMin = 34, kRealTimeMax = 64;

struct NamedSignal {
    std::string_view name;
    int number;
};
constexpr NamedSignal kSignals[] = {
    {"HUP", SIGHUP},       {"INT", SIGINT},     {"QUIT", SIGQUIT},       {"ILL", SIGILL},
    {"TRAP", SIGTRAP},     {"ABRT", SIGABRT},   {"IOT", SIGABRT},        {"BUS", SIGBUS},
    {"FPE", SIGFPE},       {"KILL", SIGKILL},   {"USR1", SIGUSR1},       {"SEGV", SIGSEGV},
    {"USR2", SIGUSR2},     {"PIPE", SIGPIPE},   {"ALRM", SIGALRM},       {"TERM", SIGTERM},
    {"STKFLT", SIGSTKFLT}, {"CHLD", SIGCHLD},   {"CLD", SIGCHLD},        {"CONT", SIGCONT},
    {"STOP", SIGSTOP},     {"TSTP", SIGTSTP},   {"TTIN", SIGTTIN},       {"TTOU", SIGTTOU},
    {"URG", SIGURG},       {"XCPU", SIGXCPU},   {"XFSZ", SIGXFSZ},       {"VTALRM", SIGVTALRM},
    {"PROF", SIGPROF},     {"WINCH", SIGWINCH}, {"IO", SIGIO},           {"POLL", SIGIO},
    {"PWR", SIGPWR},       {"SYS", SIGSYS},     {"RTMIN", kRealTimeMin}, {"RTMAX", kRealTimeMax},
};

std::string UpperCase(std::string_view text) {
    std::string upper(text);
    for (char& c : upper)
        if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
    return upper;
}

}  // namespace

Result<int> ParseSignal(std::string_view text) {
    const auto unknown = [&] { return Fail(Cat("unknown signal ", Quoted(text, 64))); };
    if (const auto number = ParseNumber<int>(text)) {
        if (*number < 0 || *number > kRealTimeMax) return unknown();
        return *number;
    }
    std::string name = UpperCase(text);
    if (name.starts_with("SIG")) name.erase(0, 3);
    for (const auto& [known, number] : kSignals)
        if (name == known) return number;
    const bool from_min = name.starts_with("RTMIN+");
    if (!from_min && !name.starts_with("RTMAX-")) return unknown();
    const auto offset = ParseNumber<int>(std::string_view(name).substr(6));
    if (!offset || *offset < 0 || *offset > kRealTimeMax - kRealTimeMin) return unknown();
    return from_min ? kRealTimeMin + *offset : kRealTimeMax - *offset;
}

}  // namespace cc::runtime
