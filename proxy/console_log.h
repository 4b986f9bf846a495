// SPDX-License-Identifier: Apache-2.0
// A VM's console as lines of the log, at level debug (reference A10). The guest writes what it
// likes as fast as it can: lines are cut, at most so many are logged in a second, and a flood is
// read slowly, so that it costs the others nothing.
#pragma once

#include <string>
#include <string_view>

#include "proxy/deadlines.h"
#include "proxy/endpoint.h"

namespace cc::proxy {

class ConsoleLog final : public Endpoint {
  public:
    static constexpr size_t kMaxLine = 1024;  // longer ones become several
    static constexpr int kMaxLinesPerSecond = 200;
    // Then it is not read for the rest of the second. Not less: a guest's kernel spins while its
    // console takes nothing.
    static constexpr size_t kMaxBytesPerSecond = 1024 * 1024;

    ConsoleLog(Router& router, std::string vm);
    // Whether the console of this path shall be connected to: if there is one, and it would show.
    static bool Wanted(std::string_view path);

  private:
    void Data(std::string_view bytes) override;
    void Ended(const Result<void>& how) override;
    void HungUp() override {}  // what it has said is still read
    void Written() override {}
    void NewSecond();
    void EndLine();

    const std::string vm_;
    std::string line_;
    std::chrono::milliseconds second_{};
    size_t bytes_ = 0;  // in this second
    int lines_ = 0;
    Deadline resume_;
};

}  // namespace cc::proxy
