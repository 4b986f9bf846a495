// SPDX-License-Identifier: Apache-2.0
// What the OCI configuration inside NEWCONTAINER says about containers that share a VM, beyond the
// specification: paths of the host mean nothing in the guest, so the runtime puts names there that
// the agent knows.
#pragma once

#include <string_view>

namespace cc {

// linux.namespaces[].path of the types ipc, uts and pid: this, followed by the id of a container in
// the same VM, whose namespace is joined. The agent looks at no other path.
inline constexpr std::string_view kNamespaceOf = "container:";

// mounts[].type: a tmpfs of the guest that all containers of the VM which name the same source have
// in common. The options of the first one ("size=...", "mode=...") are those that count.
inline constexpr std::string_view kPodShm = "pod-shm";

}  // namespace cc
