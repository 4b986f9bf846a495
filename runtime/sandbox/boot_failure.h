// SPDX-License-Identifier: Apache-2.0
// What to tell when a guest did not come up: the reason, its last words, and where they stand.
#pragma once

#include <string>
#include <string_view>

namespace cc::runtime {

// `why` and the last lines that the guest printed (up to a kernel panic, if there was one), made
// safe for a terminal; all in one line. The VM's keeper is asked, its log is read when it does not
// answer.
std::string ExplainBootFailure(std::string_view why, const std::string& vm_directory);

// The same from the text itself. `log` is the path to name.
std::string WithConsoleTail(std::string_view why, std::string_view console, const std::string& log);

}  // namespace cc::runtime
