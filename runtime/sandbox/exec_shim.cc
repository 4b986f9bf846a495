// SPDX-License-Identifier: Apache-2.0
#include "runtime/sandbox/exec_shim.h"

#include "base/file.h"
#include "base/text.h"
#include "runtime/sandbox/agent_call.h"
#include "runtime/sandbox/cgroup.h"

namespace cc::runtime {

Result<Shim> ForkExecShim(const ContainerRecord& container, const SandboxRecord& sandbox,
                          const ExecShimOptions& how) {
    CC_ASSIGN(const Fd network, NetworkNamespaceOf(container.shim.pid));
    CC_ASSIGN(const std::string self, SelfPath());
    ShimOptions options;
    options.executable = how.executable.empty() ? self : how.executable;
    options.container_id = container.id;
    options.title = how.title;
    options.terminal = how.terminal;
    options.debug = how.debug;
    options.console = how.console;
    options.network_namespace = network.get();
    options.enter_cgroup = [&sandbox] { return JoinCgroups(sandbox.cgroups, 0); };
    return Shim::Fork(options);
}

Result<void> StartInGuest(const SandboxRecord& sandbox, const std::string& message, Shim& shim,
                          int extension) {
    CC_ASSIGN(Attached attached, Attach(sandbox, 1, shim.connection()));
    if (attached.extension < extension)
        return Fail(Cat("the agent in the virtual machine is too old for this (extension ",
                        attached.extension, ", needed is ", extension,
                        "); a newer guest image has a newer one"));
    CC_TRY(shim.Tell(attached.shim));
    CC_TRY(CallAgent(attached.client, ControlCode::kExecCmd, message, attached.shim.token));
    return {};
}

}  // namespace cc::runtime
