// SPDX-License-Identifier: Apache-2.0
#include "runtime/ps_options.h"

#include <algorithm>

#include "base/text.h"

namespace cc::runtime {

namespace {

// Columns of the formats that have letters, headings as procps has them there.
using Columns = std::vector<ProcessColumn>;

class PsOptions {
  public:
    Result<PsRequest> Parse(const std::vector<std::string>& options);

  private:
    Result<void> ReadGroup(const std::string& option);
    Result<void> ReadColumns(const std::string& list);
    Result<void> ReadColumn(const std::string& text);
    Columns FormatOf() const;
    void AddThreadColumns(Columns& columns) const;

    std::vector<std::string> options_;
    size_t next_ = 0;
    Columns listed_;  // by -o
    bool full_ = false, user_ = false, bsd_ = false, lwp_ = false, spid_ = false;
};

Failure UnknownOption(const std::string& option) {
    return Fail(
        Cat("ps option ", Quoted(option, 64),
            ": known are -e -A -f -L -T -w, a u x w, and -o LIST with the names of columns; "
            "for others run the container's own ps with `exec`, if it has one"));
}

// "-aux" means BSD's letters to everybody, and to procps where no user is called x.
bool IsBsdInDisguise(const std::string& option) {
    return option.size() > 2 && option.find('u') != std::string::npos &&
           option.find_first_not_of("aux", 1) == std::string::npos;
}

Result<void> PsOptions::ReadColumn(const std::string& text) {
    const size_t equals = text.find('=');
    std::string name = text.substr(0, equals);
    size_t width = 0;
    if (const size_t colon = name.find(':'); colon != std::string::npos) {
        const auto number = ParseNumber<size_t>(name.substr(colon + 1));
        constexpr size_t kMostWidth = 4096;
        if (!number || *number == 0 || *number > kMostWidth)
            return Fail(
                Cat("ps -o ", Quoted(text, 64), ": a width is a number from 1 to ", kMostWidth));
        width = *number;
        name.resize(colon);
    }
    CC_ASSIGN(ProcessColumn column, Context("ps -o", FindProcessColumn(name)));
    column.width = width;
    if (equals != std::string::npos) column.heading = text.substr(equals + 1);
    listed_.push_back(std::move(column));
    return {};
}

// Names are parted by commas or blanks; a heading of one's own may have blanks in it.
Result<void> PsOptions::ReadColumns(const std::string& list) {
    const size_t before = listed_.size();
    for (const auto& part : Split(list, ',')) {
        const bool headed = part.find('=') != std::string::npos;
        for (const auto& name : headed ? std::vector<std::string>{part} : Split(part, ' '))
            if (!name.empty()) CC_TRY(ReadColumn(name));
    }
    if (listed_.size() == before) return Fail("ps -o: names of columns are missing");
    return {};
}

Result<void> PsOptions::ReadGroup(const std::string& option) {
    const bool dash = option.starts_with('-') && !IsBsdInDisguise(option);
    const size_t start = option.starts_with('-') ? 1 : 0;
    if (option.size() == start) return UnknownOption(option);
    for (size_t i = start; i < option.size(); ++i) {
        const char letter = option[i];
        if (letter == 'o') {
            std::string list = option.substr(i + 1);
            if (list.empty() && next_ < options_.size()) list = options_[next_++];
            return ReadColumns(list);
        }
        if (letter == 'w') continue;
        if (dash && (letter == 'e' || letter == 'A')) continue;
        if (dash && letter == 'f')
            full_ = true;
        else if (dash && letter == 'L')
            lwp_ = true;
        else if (dash && letter == 'T')
            spid_ = true;
        else if (!dash && letter == 'u')
            user_ = bsd_ = true;
        else if (!dash && (letter == 'a' || letter == 'x'))
            bsd_ = true;
        else
            return UnknownOption(option);
    }
    return {};
}

Columns PsOptions::FormatOf() const {
    if (user_)
        return {{"user", "USER"},        {"pid", "PID"},      {"%cpu", "%CPU"},   {"%mem", "%MEM"},
                {"vsz", "VSZ"},          {"rss", "RSS"},      {"tname", "TTY"},   {"stat", "STAT"},
                {"start_time", "START"}, {"bsdtime", "TIME"}, {"args", "COMMAND"}};
    if (bsd_)
        return {{"pid", "PID"},
                {"tname", "TTY"},
                {"stat", "STAT"},
                {"bsdtime", "TIME"},
                {"args", "COMMAND"}};
    if (!full_) return {{"pid", "PID"}, {"tname", "TTY"}, {"time", "TIME"}, {"ucmd", "CMD"}};
    return FullProcessColumns();
}

// As procps has them: -T behind the process's number, -L behind its parent's, too.
void PsOptions::AddThreadColumns(Columns& columns) const {
    const auto behind = [&](std::string_view name, ProcessColumn column) {
        const auto found = std::find_if(columns.begin(), columns.end(),
                                        [&](const auto& other) { return other.name == name; });
        if (found != columns.end()) columns.insert(found + 1, std::move(column));
    };
    if (lwp_) behind(full_ ? "ppid" : "pid", {"lwp", "LWP"});
    if (lwp_ && full_) behind("c", {"nlwp", "NLWP"});
    if (spid_) behind("pid", {"spid", "SPID"});
}

Result<PsRequest> PsOptions::Parse(const std::vector<std::string>& options) {
    options_ = options;
    while (next_ < options_.size()) {
        const std::string option = options_[next_++];
        // Our own words for -ef, from when it was all there was.
        CC_TRY(ReadGroup(option == "ef" ? "-ef" : option));
    }
    PsRequest request;
    request.threads = lwp_ || spid_;
    if (!listed_.empty() && (full_ || user_)) return Fail("ps: conflicting format options");
    if (options_.empty()) full_ = true;
    request.columns = listed_.empty() ? FormatOf() : listed_;
    if (listed_.empty() && !bsd_) AddThreadColumns(request.columns);
    request.usual = listed_.empty() && full_ && !request.threads && !bsd_;
    return request;
}

}  // namespace

Result<PsRequest> ParsePsOptions(const std::vector<std::string>& options) {
    return PsOptions().Parse(options);
}

}  // namespace cc::runtime
