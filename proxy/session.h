// SPDX-License-Identifier: Apache-2.0
// One process in a VM as its shim sees it: a token, the sequence number of its stdin and stdout,
// and the next one for stderr (reference A6, A7). It lives until its shim says DisconnectShim, its
// VM is lost, or its shim has died without a word.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "protocol/client_frame.h"
#include "proxy/deadlines.h"
#include "proxy/snapshot.h"
#include "proxy/stream.h"
#include "proxy/token_table.h"

namespace cc::proxy {

class Client;
class Vm;

class Session {
  public:
    Session(Vm& vm, uint64_t base, Token* token);

    Vm& vm() { return vm_; }
    uint64_t base() const { return base_; }
    Token* token() { return token_; }
    Client* shim() { return shim_; }
    SessionCounters& counters() { return counters_; }
    SessionSnapshot TakeSnapshot() const;

    // --- its shim
    // ----------------------------------------------------------------------------------- A shim
    // comes, for the first time or again.
    void Attach(Client& shim);
    // The shim's connection ended without DisconnectShim. May remove the session.
    void Detach();
    void VmLost(std::string_view why);
    void SetWinSize(int64_t columns, int64_t rows) { size_ = {columns, rows}; }

    // --- its process
    // -------------------------------------------------------------------------------- A token is
    // good for one process: it is reserved when the command comes, free again when the command has
    // failed.
    bool reserved() const { return process_ != Process::kNone; }
    bool sent() const { return process_ == Process::kSent; }
    bool started() const { return process_ == Process::kStarted; }
    bool exited() const { return exit_.has_value(); }
    bool exec() const { return exec_; }
    const std::string& container() const { return container_; }
    void Reserve(bool exec, std::string container, uint64_t starter);
    void Sent();
    void Failed();  // also for a command that was given up before it was sent
    void Started();

    // A message of the agent for this session.
    void Receive(bool on_stderr, std::string_view payload);

  private:
    enum class Process { kNone, kReserved, kSent, kStarted };
    void Exit(uint8_t status);
    void Keep(StreamKind kind, std::string_view payload);
    void ShimDied();
    void GiveUp();

    Vm& vm_;
    const uint64_t base_;
    Token* const token_;
    Client* shim_ = nullptr;
    // Of a shim that dropped its connection: one that lives tries to come back for a while.
    std::unique_ptr<PeerProcess> shim_process_;
    Deadline return_deadline_;

    Process process_ = Process::kNone;
    bool exec_ = false;
    std::string container_;
    uint64_t starter_ = 0;                             // the client whose Hyper waits for the shim
    std::optional<std::pair<int64_t, int64_t>> size_;  // columns, rows: for when the process runs

    bool output_ended_ = false;
    std::optional<uint8_t> exit_;
    std::string kept_;  // frames for a shim that is away
    SessionCounters counters_;
};

}  // namespace cc::proxy
