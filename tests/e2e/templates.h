// SPDX-License-Identifier: Apache-2.0
// What tests look at of the templates of a host.
#pragma once

#include <sys/types.h>

#include "tests/e2e/host.h"

namespace cc::test {

constexpr const char* kNoPool = "vm_cache_number = 0";  // of [factory]

// The first template; null when there is none.
Json Template(Host& host);
// Of that template.
bool WaitPool(Host& host, int64_t ready);

// A VM that the template's keeper has started: the one that becomes the template, or one of the
// pool. Both 0: there is none.
struct TemplateVm {
    pid_t keeper = 0;
    pid_t vmm = 0;
};
TemplateVm VmOf(const Host& host, pid_t template_keeper);
// Waits until there is one, with its VMM.
TemplateVm WaitVmOf(const Host& host, pid_t template_keeper);
// Waits until the first template's keeper is there and makes it; its pid.
pid_t WaitBuilding(Host& host);
// Waits until the process has gone.
bool Ends(pid_t pid);

}  // namespace cc::test
