// SPDX-License-Identifier: Apache-2.0
#include "proxy/console_log.h"

#include <algorithm>

#include "base/log.h"
#include "base/text.h"
#include "proxy/router.h"

namespace cc::proxy {

namespace {
constexpr std::string_view kSource = "qemu";  // 3.0's word, whatever the VMM is
}

ConsoleLog::ConsoleLog(Router& router, std::string vm)
    : Endpoint(router), vm_(std::move(vm)), resume_(router.deadlines()) {}

bool ConsoleLog::Wanted(std::string_view path) {
    return !path.empty() && LogEnabled(LogLevel::kDebug);
}

void ConsoleLog::Data(std::string_view bytes) {
    NewSecond();
    bytes_ += bytes.size();
    while (!bytes.empty()) {
        const size_t taken = std::min({bytes.find('\n'), kMaxLine - line_.size(), bytes.size()});
        line_ += bytes.substr(0, taken);
        bytes.remove_prefix(taken);
        const bool ends = bytes.starts_with('\n');
        if (ends) bytes.remove_prefix(1);
        if (ends || line_.size() == kMaxLine) EndLine();
    }
    if (bytes_ <= kMaxBytesPerSecond) return;
    SetReading(false);
    resume_.Set(second_ + std::chrono::seconds(1), [this] { SetReading(true); });
}

void ConsoleLog::NewSecond() {
    const auto second = std::chrono::floor<std::chrono::seconds>(router_.world().Now());
    if (second == second_) return;
    if (lines_ > kMaxLinesPerSecond)
        Log(LogLevel::kDebug, "lines of the console were dropped",
            {{"vm", vm_}, {"lines", Cat(lines_ - kMaxLinesPerSecond)}});
    second_ = second;
    bytes_ = 0;
    lines_ = 0;
}

void ConsoleLog::EndLine() {
    while (line_.ends_with('\r'))
        line_.pop_back();
    if (!line_.empty() && ++lines_ <= kMaxLinesPerSecond)
        Log(LogLevel::kDebug, line_, {{"source", std::string(kSource)}, {"vm", vm_}});
    line_.clear();
}

void ConsoleLog::Ended(const Result<void>&) {
    NewSecond();
    EndLine();
    resume_.Cancel();
    Shut();
}

}  // namespace cc::proxy
