// SPDX-License-Identifier: Apache-2.0
// A person at a terminal: cc-runtime on a pseudo terminal that the test types into and reads from.
#pragma once

#include <string>
#include <vector>

#include "base/process.h"
#include "tests/e2e/host.h"

namespace cc::test {

class Terminal {
  public:
    Terminal(Host& host, const std::vector<std::string>& runtime_arguments, unsigned short rows,
             unsigned short columns);
    ~Terminal();

    void Type(const std::string& text);
    void Resize(unsigned short rows, unsigned short columns);
    // Waits until the text has appeared since the last call that found something.
    bool WaitFor(const std::string& text);
    int WaitExit();  // the program's exit status
    // The terminal is back in its ordinary mode (canonical, echo).
    bool IsCooked() const;

  private:
    Fd master_;
    Fd slave_;  // kept open, so that the master does not see a hang-up in between
    Process process_;
    std::string seen_;
};

}  // namespace cc::test
