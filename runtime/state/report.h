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
    VmAssets assets = {};              // of its VM, where they are to be shown
    pid_t pid() const { return status == Status::kStopped ? 0 : container.shim.pid; }
};

std::string StateText(const Observed& observed);  // JSON, indented by 2
// With `latest`, what a VM would be made of now, they show as 3.0 did what each one is made of.
std::string ListJson(const std::vector<Observed>& all,
                     const VmAssets* latest = nullptr);  // one line; "null" for none
std::string ListTable(const std::vector<Observed>& all, const VmAssets* latest = nullptr);

}  // namespace cc::runtime
