// SPDX-License-Identifier: Apache-2.0
// cc-runtime follow-network: what a VM's keeper runs when the container's network namespace has
// changed (vmm/network_watch.h).
#include "base/text.h"
#include "protocol/vm_verbs.h"
#include "runtime/app.h"
#include "runtime/network/follow.h"
#include "runtime/verbs.h"

namespace cc::runtime {

namespace {

Result<int> Follow(const Store& store, const std::string& sandbox_id) {
    CC_TRY(CheckId(sandbox_id));
    const auto lock = store.LockSandbox(sandbox_id);
    // Deleted meanwhile.
    if (!lock && lock.error().code == ENOENT) return 0;
    if (!lock) return Failure(lock.error());
    CC_ASSIGN(SandboxRecord sandbox, store.LoadSandbox(sandbox_id));
    const Fd network = Fd::Adopt(kFollowedNetworkFd);
    CC_TRY(SetCloseOnExec(network.get(), true));
    CC_TRY(FollowNetwork(store, sandbox, network));
    return 0;
}

}  // namespace

CliCommand FollowNetworkVerb() {
    return {.name = "follow-network",
            .help =
                "bring the network of a virtual machine up to date; its keeper calls this, with "
                "the network namespace as descriptor 3",
            .options = {{.names = "--sandbox",
                         .value = "ID",
                         .help = "which virtual machine",
                         .required = true}},
            .run = Run([](App& app, const CliValues& own) -> Result<int> {
                CC_ASSIGN(const Store store, app.OpenStore());
                return Context("following the network", Follow(store, own.Get("sandbox")));
            }),
            .hidden = true};
}

}  // namespace cc::runtime
