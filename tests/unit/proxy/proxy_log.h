// SPDX-License-Identifier: Apache-2.0
// The log of this process in a file, for the length of a test.
#pragma once

#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "base/file.h"
#include "base/log.h"
#include "base/text.h"
#include "tests/scratch.h"

namespace cc::proxy {

class ProxyLog {
  public:
    explicit ProxyLog(LogLevel level) {
        REQUIRE(StartLog({.name = "cc-proxy", .level = level, .path = scratch_ / "log"}));
    }
    ~ProxyLog() { CHECK(StartLog({.name = "unit-proxy", .path = ""})); }
    ProxyLog(const ProxyLog&) = delete;
    ProxyLog& operator=(const ProxyLog&) = delete;

    // Those that contain `word`, from their source on.
    std::vector<std::string> Lines(std::string_view word) const {
        std::vector<std::string> found;
        for (const auto& line : Split(ReadFile(scratch_ / "log", 16 << 20).value(), '\n'))
            if (line.find(word) != std::string::npos)
                found.push_back(line.substr(line.find("source=")));
        return found;
    }

  private:
    test::Scratch scratch_;
};

}  // namespace cc::proxy
