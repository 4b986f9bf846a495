// SPDX-License-Identifier: Apache-2.0
// The mount namespace of a container's shim: what an engine finds at "/" of the pid that it was
// given is the container's root file system with its volumes, and nothing of the host. `podman cp`
// works by that, and would otherwise write into the host's files.
#pragma once

#include "runtime/oci/spec.h"
#include "runtime/storage/share_plan.h"

namespace cc::runtime {

// In the child that becomes the shim: a mount namespace of its own, with the container's mounts at
// the place of the root file system, which becomes the working directory. The shim leaves the rest
// behind. `on_device`: the root file system is the virtual machine's alone; an empty one that
// cannot be written to is in its place. Mount points that the image does not have are made, as the
// guest would later. A tmpfs of the guest's is an empty one here that cannot be written to.
Result<void> EnterContainerRoot(const OciSpec& spec, const SharePlan& plan, bool on_device);

}  // namespace cc::runtime
