// SPDX-License-Identifier: Apache-2.0
// What `state` and `list` print: runc's formats, because tools parse them.
#pragma once

#include <string>
#include <vector>

#include "runtime/state/records.h"

namespace cc::runtime {

struct Observed {
    ContainerRecord container;
    Status status = Status::kStopped;  // now
    pid_t pid() const { return status == Status::kStopped ? 0 : container.shim.pid; }
};

std::string StateText(const Observed& observed);         // JSON, indented by 2
std::string ListJson(const std::vector<Observed>& all);  // one line; "null" for none
std::string ListTable(const std::vector<Observed>& all);

}  // namespace cc::runtime
