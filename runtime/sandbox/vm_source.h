// SPDX-License-Identifier: Apache-2.0
// Where a sandbox's VM comes from: the template's pool, the template, or a cold boot, whichever is
// fastest of what is there. Nothing of a template that does not work keeps a container from
// starting: the next slower way is taken, and the log says why.
#pragma once

#include <functional>
#include <string>

#include "client/template_client.h"
#include "client/vm_client.h"
#include "runtime/config.h"
#include "runtime/state/records.h"

namespace cc::runtime {

struct StartedVm {
    VmOrigin origin = VmOrigin::kBoot;  // kBoot, kClone or kPooled
    ProcessId keeper;
    VmStatus status;
};

// What a template of this VM is, and where. `executable`: this program.
Result<TemplateConfig> PlanTemplate(const RuntimeConfig& config, const VmConfig& vm,
                                    const std::string& executable);

// The VM of `sandbox`. `enter`: run in a keeper that is started, before
// it starts the VM; one of the pool is what and where it is, the caller moves it to its cgroups.
Result<StartedVm> ObtainVm(const RuntimeConfig& config, const VmConfig& vm,
                           const SandboxRecord& sandbox, const std::string& executable,
                           const std::function<Result<void>()>& enter);

}  // namespace cc::runtime
