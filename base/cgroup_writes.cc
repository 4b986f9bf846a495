// SPDX-License-Identifier: Apache-2.0
#include "base/cgroup_writes.h"

#include "base/file.h"
#include "base/log.h"
#include "base/text.h"

namespace cc {

namespace {

constexpr size_t kLargest = 1 << 16;

std::string_view FirstWord(std::string_view text) {
    return text.substr(0, text.find_first_of(" \n"));
}

// "8:0" and its like, or "default" of io.weight.
bool NamesDevice(std::string_view word) {
    return word == "default" || word.find(':') != std::string_view::npos;
}

// What a device has for which the file has no line.
std::string WithoutLimit(std::string_view path, std::string_view device) {
    if (path.ends_with("/io.max")) return Cat(device, " rbps=max wbps=max riops=max wiops=max");
    return Cat(device, path.ends_with("/io.weight") ? " default" : " 0");
}

}  // namespace

std::string TextToTakeBack(std::string_view path, std::string_view content, std::string_view text) {
    if (path.ends_with("/memory.oom_control"))  // "oom_kill_disable 0" and others
        return std::string(
            Trim(content.substr(0, content.find('\n')).substr(FirstWord(content).size())));
    const std::string_view key = FirstWord(text);
    if (text.find(' ') != std::string_view::npos && NamesDevice(key)) {
        for (const auto& line : Split(content, '\n'))
            if (FirstWord(line) == key) return line;
        return WithoutLimit(path, key);
    }
    const std::string_view whole = Trim(content);
    // An empty set of processors: a write of nothing would not be one.
    return whole.empty() ? "\n" : std::string(whole);
}

void CgroupWrites::Remember(const std::string& path, const std::string& text) {
    if (const auto content = ReadFile(path, kLargest))
        before_.push_back({path, TextToTakeBack(path, *content, text)});
}

Result<void> CgroupWrites::Write(const std::string& path, const std::string& text) {
    // To be idle takes the weight away, and not to be idle any more gives the default's.
    constexpr std::string_view kIdle = "/cpu.idle";
    if (path.ends_with(kIdle) && Trim(ReadFile(path, kLargest).value_or("")) == "0")
        for (const char* weight : {"/cpu.shares", "/cpu.weight"})
            Remember(path.substr(0, path.size() - kIdle.size()) + weight, "");
    Remember(path, text);
    auto written = WriteExisting(path, text);
    if (!written && !before_.empty() && before_.back().path == path) before_.pop_back();
    return written;
}

void CgroupWrites::TakeBack() {
    while (!before_.empty()) {
        const File file = std::move(before_.back());
        before_.pop_back();
        if (const auto written = WriteExisting(file.path, file.text); !written)
            Log(LogLevel::kWarn, "a limit could not be taken back",
                {{"why", written.error().message}});
    }
}

}  // namespace cc
