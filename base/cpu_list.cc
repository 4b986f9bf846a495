// SPDX-License-Identifier: Apache-2.0
#include "base/cpu_list.h"

#include <sched.h>

#include "base/text.h"

namespace cc {

Result<std::vector<int>> ParseCpuList(std::string_view text) {
    std::vector<int> cpus;
    for (const auto& part : Split(text, ',')) {
        const std::string_view range = Trim(part);
        const size_t dash = range.find('-');
        const auto first = ParseNumber<int>(range.substr(0, dash));
        const auto last =
            dash == std::string_view::npos ? first : ParseNumber<int>(range.substr(dash + 1));
        if (!first || !last || *first < 0 || *last < *first || *last >= CPU_SETSIZE)
            return Fail(Cat(Quoted(text, 64), " is not a list of processors like \"0-3,7\""));
        for (int cpu = *first; cpu <= *last; ++cpu)
            cpus.push_back(cpu);
    }
    return cpus;
}

}  // namespace cc
