// SPDX-License-Identifier: Apache-2.0
// What the tests of the keeper share.
#pragma once

#include <cstdlib>
#include <string>

#include <doctest/doctest.h>

#include "base/file.h"
#include "base/text.h"
#include "protocol/vm_config.h"

namespace cc::test {

class TemporaryDirectory {
  public:
    TemporaryDirectory() {
        char name[] = "/tmp/cc-vmm-XXXXXX";
        path_ = ::mkdtemp(name);
    }
    ~TemporaryDirectory() { CHECK(RemoveTree(path_)); }
    const std::string& path() const { return path_; }
    std::string operator/(std::string_view name) const { return Cat(path_, "/", name); }
    std::string Write(std::string_view name, std::string_view content) const {
        REQUIRE(WriteFileAtomic(*this / name, content, 0600));
        return *this / name;
    }

  private:
    std::string path_;
};

// The message of a failed result; fails the test when it succeeded.
template <class T>
std::string ErrorOf(const Result<T>& result) {
    REQUIRE_FALSE(result);
    return result.error().message;
}

inline bool Contains(std::string_view text, std::string_view part) {
    return text.find(part) != std::string_view::npos;
}

}  // namespace cc::test
