// SPDX-License-Identifier: Apache-2.0
// How much of anything a peer may make the proxy hold, and how long anything may wait
// (threats.md, S1, S3, S4). Frame sizes are the wire's business: see protocol/.
#pragma once

#include <chrono>
#include <cstddef>

#include <sys/resource.h>

namespace cc::proxy {

// --- flow control
// --------------------------------------------------------------------------------- Bytes queued
// for a slow reader: above the mark nothing more is taken from those who write to it; once the
// queue has drained they go on. The socket's own buffer (about 200 KiB) keeps the reader busy
// meanwhile.
constexpr size_t kHighWater = 256 * 1024;
constexpr size_t kLowWater = 64 * 1024;
// A shim that lets its frames pile up beyond this is not served any more until it reads them.
// Above what its queue can reach through its container's output: the mark and one large read. Any
// other client has only answers to wait for, and stops at the low mark.
constexpr size_t kMaxClientQueue = 1024 * 1024;
// What a client is served in one turn, before everybody else has one: frames of streams, counted
// as bytes pass (a read brings up to 256 KiB of them), and commands and lines for the log, which
// cost as much as so many of those.
constexpr int kFramesPerTurn = 256;
constexpr int kFramesPerCommand = 8;
// Output of a process whose shim has dropped its connection, kept for the shim's return.
constexpr size_t kMaxKeptOutput = 256 * 1024;

// --- counts
// ---------------------------------------------------------------------------------------
constexpr size_t kMaxClients = 16384;
// Of one user other than root, whose containers are everybody's.
constexpr size_t kMaxClientsPerUser = 1024;
// Descriptors that no new client takes: a record needs one to be written, a VM two, --status two.
constexpr rlim_t kSparedDescriptors = 16;
constexpr rlim_t kSparedByStatus = 8;  // of these
constexpr size_t kMaxVms = 4096;
constexpr size_t kMaxVmIdSize = 1024;
constexpr size_t kMaxTokensPerRequest = 256;
constexpr size_t kMaxSessionsPerVm = 4096;
// Tokens that have done their duty are remembered, so that a second use is told from a wrong token.
constexpr size_t kMaxSpentTokensPerVm = 1024;
// Of these the next proxy knows: the command of a process that has ended already may be repeated.
constexpr size_t kMaxSpentTokensInRecord = 64;
// Commands an agent has not answered yet, those included whose client has given up.
constexpr size_t kMaxPendingReplies = 1024;
// Bytes of commands an agent has not read yet.
constexpr size_t kMaxControlQueue = 8 * 1024 * 1024;
// Bytes of unfinished frames of all clients together; beyond it whoever holds most is cut off.
constexpr size_t kMaxBufferedInput = 64 * 1024 * 1024;
constexpr int kMaxLogLinesPerSecond = 200;  // of one user, or of one client of root's

// --- deadlines
// ------------------------------------------------------------------------------------
using Milliseconds = std::chrono::milliseconds;
constexpr Milliseconds kShimDeadline{30'000};     // Hyper waits for its token's shim (3.0's)
constexpr Milliseconds kProcessDeadline{30'000};  // a signal waits for its process (3.0's)
constexpr Milliseconds kReplyDeadline{60'000};    // the agent answers a command
// The VM's socket has a full backlog: a VMM takes one connection at a time.
constexpr Milliseconds kConnectDeadline{5'000};
constexpr Milliseconds kConnectRetry{20};
// READY after the connection. Generous, because the runtime has a deadline of its own, and its
// going away ends the wait.
constexpr Milliseconds kReadyDeadline{300'000};
// A record that could not be written (no space, no descriptor) is tried again.
constexpr Milliseconds kSaveRetry{1'000};
// A client waits for a VM that this proxy is adopting from an earlier one.
constexpr Milliseconds kAdoptionDeadline{30'000};
// A VM whose control port has ended may still say last words on its I/O port.
constexpr Milliseconds kDrainDeadline{10'000};
// A connection that is being closed may still read what was queued for it.
constexpr Milliseconds kLinger{10'000};
// A shim that lost its connection and lives tries again for 10 s (reference C1); later it is taken
// for dead.
constexpr Milliseconds kShimReturn{15'000};
// A token that no shim comes with, or whose shim went before there was a process, is of a command
// that was killed. Every shim that is to come comes within seconds.
constexpr Milliseconds kClaimDeadline{120'000};

}  // namespace cc::proxy
