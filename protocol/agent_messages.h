// SPDX-License-Identifier: Apache-2.0
// Payloads of the agent's control channel (reference B3) and what our extension adds to them.
//
// The extension is offered in READY's payload, which a 3.0 proxy ignores, and taken up by the proxy
// with a VERSION command, which a 3.0 proxy never sends. Once it is agreed
//   - control messages may be as long as kMaxControlMessage,
//   - NEWCONTAINER carries the OCI runtime configuration whole under the key "oci", EXECCMD an OCI
//   process object;
//     the 3.0 fields stay filled in beside it for an agent that does not know the extension,
//   - KILLCONTAINER may name one process of the container by "process".
// Extension 2 adds the framing of protocol/link_frame.h on both ports and what it makes possible:
// a host side that goes away and comes back without a byte or an exit status lost.
// Extension 3 parts the making of a container from the start of its program: NEWCONTAINER with
// "hold", then STARTCONTAINER.
// Extension 4 is for saved machines: REHEARSE, after which the agent says kRehearsedLine on the
// console once it has seen the host hang up; and STARTPOD with entropy and time, without which a
// machine that rehearsed starts no pod.
// Extension 5: STARTPOD says in "network" what the pod's network is, also that it is none.
// Extension 6: UPDATENETWORK says what it is from now on (protocol/update_network.h).
// Extension 7: EXECCMD names a cgroup below the container's in "cgroup"; PSCONTAINER has the format
// "list" (protocol/process_list.h).
// Extension 8: NEWCONTAINER says in "disks" which disks of the machine's block devices of the
// configuration are, and may name one as its root file system.
// Extension 9: NEWCONTAINER has the system call filter in "seccomp" (protocol/seccomp_filter.h),
// made from the rules of the configuration, which is without them then; and what no network of an
// UPDATENETWORK uses is put out of sight of a pod that was told nothing of networks before.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "protocol/network.h"
#include "protocol/seccomp_filter.h"

namespace cc {

constexpr int kAgentExtension = 9;
constexpr int kLinkExtension = 2;     // from which on the ports are framed by protocol/link_frame.h
constexpr int kHoldExtension = 3;     // from which on a container can be made without being started
constexpr int kCloneExtension = 4;    // from which on a machine can be saved and made another's
constexpr int kNetworkExtension = 5;  // from which on STARTPOD has a whole network
constexpr int kNetworkUpdateExtension = 6;  // from which on a pod's network can change
constexpr int kSubCgroupExtension = 7;      // from which on EXECCMD may name a cgroup
constexpr int kDiskExtension = 8;           // from which on NEWCONTAINER may name disks
constexpr int kLateNetworkExtension = 9;  // from which on a pod may be told later that it has none
constexpr int kSeccompExtension = 9;      // from which on NEWCONTAINER may have a filter
constexpr int kProcessListExtension = 7;  // from which on PSCONTAINER tells all of processes

// A hang-up that is still on its way when the machine is saved, or that the next connection hides,
// would be missed; the other ways to learn that the agent has seen it take a second (QEMU sends no
// more than one event a second about a port).
constexpr std::string_view kRehearsedLine = "cc-agent: rehearsed, and the host has hung up";

// Where the agent mounts the sandbox's shared directory. The runtime rewrites the sources of bind
// mounts in the OCI configuration it sends to paths below this one.
constexpr std::string_view kGuestShareDirectory = "/run/clear-containers/share";

struct ReadyOffer {
    int extension = 0;       // 0: a 3.0 agent
    int64_t started_ms = 0;  // guest clock when the agent's main began
    int64_t ready_ms = 0;
};
std::string Encode(const ReadyOffer& offer);
ReadyOffer ParseReadyOffer(std::string_view payload);  // anything unknown: no extension

struct VersionAccept {  // payload of VERSION from proxy to agent; answered with ACK
    int extension = 0;
    // Extension 2: kMarkerSize bytes. Both ports are framed from the ACK on, and the proxy says
    // kHello on both.
    std::string marker = {};
};
std::string Encode(const VersionAccept& accept);
Result<VersionAccept> ParseVersionAccept(std::string_view payload);

// Extension 2: the answer to ControlCode::kListSessions. A new proxy learns from it which processes
// live on: the agent answers after all commands that came before. Acknowledged offsets; what an
// agent does not name is gone.
struct AgentSession {
    uint64_t base = 0;
    uint64_t stdin_received = 0;
    uint64_t stdin_taken = 0;  // bytes that the process has taken, or that are lost with it
    uint64_t stdin_limit = 0;
    uint64_t stdout_acknowledged = 0;
    uint64_t stderr_acknowledged = 0;
    bool operator==(const AgentSession&) const = default;
};
std::string Encode(const std::vector<AgentSession>& sessions);
Result<std::vector<AgentSession>> ParseAgentSessions(std::string_view payload);

struct StartPod {
    std::string hostname;   // the pod's id; also the default hostname of its containers
    std::string share_dir;  // 9p mount tag; empty: no share
    // Ours, which 3.0's agent does not look at. Random bytes for the machine's pool, and the time
    // of the host: neither a clone's nor an emulated machine's own is of any use.
    std::string entropy = {};
    int64_t unix_time_ns = 0;  // 0: not told
    // Ours: of the machine by now. The pod starts when the kernel has taken all of it into use,
    // also what was plugged in. 0: not told.
    int64_t memory_mib = 0;
    int64_t cpus = 0;  // likewise
    std::optional<Network> network = {};
    Network pod_network =
        {};  // 3.0's "interfaces" and "routes" (protocol/pod_network.h); read only
};
std::string Encode(const StartPod& message);
Result<StartPod> ParseStartPod(std::string_view payload);

struct AgentCapabilities {  // empty: the key is null on the wire
    std::vector<std::string> bounding, effective, inheritable, permitted, ambient;
};

struct AgentProcess {
    std::string user;   // "0" or a name
    std::string group;  // likewise; may be empty
    std::vector<std::string> additional_groups;
    bool terminal = false;
    uint64_t stdio = 0;            // sequence number of stdin and stdout; filled in by the proxy
    uint64_t stderr_sequence = 0;  // 0: none (a terminal)
    std::vector<std::string> args;
    std::vector<std::pair<std::string, std::string>> envs;
    std::string workdir;
    bool no_new_privileges = false;
    AgentCapabilities capabilities;
};

struct AgentMount {      // of "fsmap"
    std::string source;  // below the share unless absolute_path
    std::string path;
    bool read_only = false;
    bool absolute_path = false;
    std::string scsi_address = {};  // "id:lun": of a disk, in place of the source
};

// Extension 8: a block device of the configuration, by the host's numbers, as a disk of the
// machine's (protocol/disk.h).
struct AgentDisk {
    std::string serial;
    uint32_t major = 0;
    uint32_t minor = 0;
    bool operator==(const AgentDisk&) const = default;
};

struct NewContainer {
    std::string id;
    std::string rootfs;  // path below the image, "rootfs"
    std::string image;   // directory below the share, or the name of a block device
    // 3.0's. Not empty: the root file system is `rootfs` below one of this type, on a block device:
    // that at a SCSI address ("id:lun"), if there is one, else /dev/`image`.
    std::string fs_type = {};
    std::string scsi_address = {};
    // Extension 8: that device by its serial number, which counts then, and options as mount(8) has
    // them.
    std::string root_disk = {};
    std::vector<std::string> root_options = {};
    std::vector<AgentDisk> disks = {};
    std::vector<AgentMount> mounts;
    AgentProcess process;
    std::string oci;  // raw JSON of the OCI configuration; empty: only the fields above count
    // Extension 3: answered when all is made and the program is found; it waits for STARTCONTAINER.
    bool hold = false;
    std::optional<SeccompFilter> seccomp = {};  // extension 9
    // Ours, as of StartPod: the container is made when the machine has all of it in use.
    int64_t memory_mib = 0;
    int64_t cpus = 0;
};
std::string Encode(const NewContainer& message);
Result<NewContainer> ParseNewContainer(std::string_view payload);

struct ExecCommand {
    std::string container;
    AgentProcess process;
    std::string oci;  // raw JSON of an OCI process object, or empty
    // Ours: no program, but a TCP connection to this port of the guest's loopback, whose other end
    // standard input and output are. 0: a program.
    uint16_t connect = 0;
    // Extension 7: the cgroup for the process, an existing one: its path from the container's own,
    // "/sub". Empty: the container's or, where that takes no processes, its first process's.
    std::string cgroup = {};
};
std::string Encode(const ExecCommand& message);
Result<ExecCommand> ParseExecCommand(std::string_view payload);

struct KillContainer {
    std::string container;
    int64_t signal = 0;
    bool all_processes = false;
    // Extension: the process whose stdio sequence number this is, instead of the container's first
    // one.
    uint64_t process = 0;
};
std::string Encode(const KillContainer& message);
Result<KillContainer> ParseKillContainer(std::string_view payload);

struct StartContainer {  // extension 3, of a container that was made with `hold`
    std::string container;
};
std::string Encode(const StartContainer& message);
Result<StartContainer> ParseStartContainer(std::string_view payload);

struct RemoveContainer {
    std::string container;
};
std::string Encode(const RemoveContainer& message);
Result<RemoveContainer> ParseRemoveContainer(std::string_view payload);

struct WinSize {
    uint64_t sequence = 0;
    int64_t row = 0;
    int64_t column = 0;
};
std::string Encode(const WinSize& message);
Result<WinSize> ParseWinSize(std::string_view payload);

struct PsContainer {
    std::string container;
    std::string format;  // "table" or "json"; extension 7: kProcessListFormat
    std::vector<std::string> ps_args;
};
std::string Encode(const PsContainer& message);
Result<PsContainer> ParsePsContainer(std::string_view payload);

// What the proxy does to NEWCONTAINER and EXECCMD on their way (reference A8): fills in the
// session's sequence numbers, keeps every field it does not know, and takes "oci" out for an agent
// without the extension.
struct Relocation {
    uint64_t stdio = 0;
    bool keep_oci = false;
};
struct Relocated {
    std::string data;       // the payload for the agent
    std::string container;  // the container's id
};
// Errors are 3.0's texts where it has one ("expected process.Stdio to be 0, got 9").
Result<Relocated> RelocateProcess(bool exec, std::string_view data, const Relocation& relocation);

}  // namespace cc
