// SPDX-License-Identifier: Apache-2.0
// Vm verbs: how the runtime talks to a VM's keeper, on the SOCK_SEQPACKET UNIX socket `vm.sock` of
// the VM's directory. One packet is one message: a JSON object, with descriptors (SCM_RIGHTS) where
// the verb takes one. One reply a request, in order. Any number of connections; each is served
// independently.
//
//   request   {"verb":"share_add","path":"web/rootfs"}   + one descriptor
//   reply     {"ok":true, ...}   or   {"error":"what, where, why"}, with "killed":true see VmReply
//
// The keeper is started as `cc-vmm --config-fd N --ready-fd M`: it reads a VmConfig from N up to
// end of file, starts the VM, and writes one such reply to M once the VMM answers and all sockets
// listen (status fields as of `status`), or the error; then it closes M. A pooled VM's M is a
// SOCK_SEQPACKET socket that stays: `adopt` comes on it.
//
// VMs of the origins template, clone and pooled get two more descriptors, `--memory-fd` and
// `--state-fd`: files with the guest's memory, and with the state of everything else. A template's
// keeper writes both and answers on M when they are complete.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "protocol/card.h"
#include "protocol/proxy_address.h"

namespace cc {

enum class VmVerb {
    kStatus,    // {} -> VmStatus
    kShareAdd,  // path below the share + a detached mount (open_tree(2)) -> {}; the keeper mounts
                // it there
    kShareRemove,    // path -> {}
    kConsole,        // {} -> "console": the last lines the guest's console printed
    kPause,          // {} -> {}
    kResume,         // {} -> {}
    kAttachNetwork,  // nic + a network namespace -> {}; the tap of this network device of the
                     // machine's (TapName) is there, down; a device that the machine has not yet is
                     // plugged in. Repeated with the same namespace: nothing. Of a
                     // macvtap, with its source: likewise, up. Of other kinds: source -> {}; the
                     // device is plugged in, if it is not there yet
    kWatchNetwork,   // path, sandbox + a network namespace -> {}; whenever links, addresses or
                     // routes change in it, `cc-runtime --root PATH follow-network
                     // --sandbox=SANDBOX` is run, the namespace its descriptor
                     // kFollowedNetworkFd. Once
    kAddDisk,        // owner, read_only + a block device of the host's, opened so -> "disk": its
                     // number (protocol/disk.h), once it is plugged in; the guest sees it a little
                     // later. One that the machine has already, for the same owner or another, is
                     // shared; one that is read-only there is not for who wants to write
    kRemoveDisks,    // owner -> {} once the disks that nobody else owns are out of the machine and
                     // closed. An error: the guest does not let go of one, which stays closed to
                     // everybody until it does, or until the VM ends. None: nothing
    kGrow,        // growth -> {} once it is plugged into the machine; the guest takes it into use a
                  // little later
    kAdopt,       // absolute path of an empty directory -> VmStatus; of a pooled VM: its directory
                  // becomes this one, and the guest goes on
    kStartProxy,  // socket, executable, log_level, ksm -> {} once cc-proxy listens, or somebody
                  // else is starting it; an error says why it does not, and "killed" that it was
    kStop,        // {} -> {} once the VMM is gone; the keeper then ends
};
// In pieces of this size Linux takes memory into use (x86-64), aligned to it.
constexpr int64_t kMemoryBlockMib = 128;
// What the guest's kernel keeps about each page, a 64th of it all, has to fit into the memory that
// it has before.
constexpr int64_t kMostGrowthMib = 2048;
constexpr int64_t kMostGrowthCpus = 1023;  // the machine's own limit is lower, and told by the VMM
constexpr int kFollowedNetworkFd = 3;
constexpr size_t kMaxVmMessage = 192 * 1024;  // below the default buffer of a UNIX socket
constexpr size_t kConsoleTail = 16 * 1024;    // bytes that kConsole answers with at most

// What a machine gets beyond what it has.
struct VmGrowth {
    int64_t mib = 0;  // a multiple of kMemoryBlockMib, at most kMostGrowthMib
    int64_t cpus = 0;
    bool none() const { return mib == 0 && cpus == 0; }
    bool operator==(const VmGrowth&) const = default;
};

struct VmRequest {
    VmVerb verb = VmVerb::kStatus;
    std::string path = {};     // share verbs: relative, no "." or ".." or empty components
    VmGrowth growth = {};      // of kGrow: not none
    Card card = {};            // of kAttachNetwork
    std::string sandbox = {};  // of kWatchNetwork; `path` is the runtime's --root
    ProxyAddress proxy = {};   // of kStartProxy: absolute paths
    std::string owner = {};    // of the disk verbs: a container
    bool read_only = false;    // of kAddDisk
};
std::string Encode(const VmRequest& request);
Result<VmRequest> ParseVmRequest(std::string_view text);

struct VmStatus {
    int64_t keeper_pid = 0;
    int64_t vmm_pid = 0;
    std::vector<int64_t> file_server_pids = {};  // of a share that the VMM does not serve itself
    bool paused = false;
    int64_t memory_mib = 0;  // with what was plugged in
    int64_t cpus = 0;
    std::string acceleration;         // "kvm" or "tcg"
    std::string acceleration_reason;  // why, when it was chosen automatically
    int64_t vmm_start_ms = 0;         // from exec of the VMM until its control socket answered
};
struct VmReply {
    std::string error = {};  // empty: success
    VmStatus status = {};    // of kStatus and of the ready message
    std::string console = {};
    int disk = 0;  // of kAddDisk
    // With an error before the VM was up: somebody killed its VMM; of kStartProxy: cc-proxy.
    // Another try may go well.
    bool killed = false;
};
std::string Encode(const VmReply& reply, VmVerb to);
Result<VmReply> ParseVmReply(std::string_view text);

}  // namespace cc
