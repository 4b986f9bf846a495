// SPDX-License-Identifier: Apache-2.0
// A directory of a test's own, removed with all that is in it.
#pragma once

#include <cstdlib>
#include <string>

#include <doctest/doctest.h>

#include "base/file.h"

namespace cc::test {

class Scratch {
  public:
    Scratch() {
        char name[] = "/tmp/cc-test.XXXXXX";
        REQUIRE(::mkdtemp(name) != nullptr);
        path_ = name;
    }
    Scratch(const Scratch&) = delete;
    Scratch& operator=(const Scratch&) = delete;
    ~Scratch() {
        const auto removed = RemoveTree(path_);
        CHECK_MESSAGE(removed, removed.error().message);
    }

    const std::string& path() const { return path_; }
    std::string operator/(std::string_view name) const { return path_ + "/" + std::string(name); }

  private:
    std::string path_;
};

}  // namespace cc::test
