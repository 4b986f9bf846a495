// SPDX-License-Identifier: Apache-2.0
// What options of ps ask for, as far as they are about columns: which processes are shown is said
// by the container.
#pragma once

#include <string>
#include <vector>

#include "base/process_table.h"

namespace cc::runtime {

struct PsRequest {
    std::vector<ProcessColumn> columns;
    bool threads = false;
    bool usual = false;  // what no options ask for: `ps -ef`
};

// None: -ef. Options of procps in its UNIX and BSD styles: -e -A -f -L -T -o LIST, a u x o LIST,
// and -w, alone or grouped. Others, and columns that are unknown, are an error that names what is
// known.
Result<PsRequest> ParsePsOptions(const std::vector<std::string>& options);

}  // namespace cc::runtime
