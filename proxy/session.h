// SPDX-License-Identifier: Apache-2.0
// One process in a VM as its shim sees it: a token, the sequence number of its stdin and stdout,
// and the next one for stderr (reference A6, A7). It lives until its shim says DisconnectShim, its
// VM is lost, its shim has died without a word, or none came.
//
// Its streams go either way: session.cc has those of an agent of 3.0, session_link.cc those of an
// agent that keeps every byte until it is acknowledged (extension 2).
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "protocol/client_frame.h"
#include "protocol/client_messages.h"
#include "proxy/deadlines.h"
#include "proxy/output_stream.h"
#include "proxy/snapshot.h"
#include "proxy/stream.h"
#include "proxy/token_table.h"
#include "proxy/vm_record.h"

namespace cc::proxy {

class Client;
class Vm;

class Session {
  public:
    Session(Vm& vm, uint64_t base, Token* token);
    // One of a proxy before this one.
    Session(Vm& vm, const SessionRecord& record, Token* token);

    Vm& vm() { return vm_; }
    uint64_t base() const { return base_; }
    Token* token() const { return token_; }
    Client* shim() { return shim_; }
    SessionRecord record() const;
    SessionCounters& counters() { return counters_; }
    SessionSnapshot TakeSnapshot() const;

    // --- its shim
    // ----------------------------------------------------------------------------------- A shim
    // comes, for the first time or again; with version 3 it says how far it is.
    void Attach(Client& shim, const ConnectShim& request);
    // The shim's connection ended without DisconnectShim. May remove the session.
    void Detach();
    void VmLost(std::string_view why);
    void SetWinSize(int64_t columns, int64_t rows) { size_ = {columns, rows}; }

    // --- its process
    // -------------------------------------------------------------------------------- A token is
    // good for one process: it is reserved when the command comes, free again when the command has
    // failed.
    bool reserved() const { return process_ != ProcessState::kNone; }
    bool sent() const { return process_ == ProcessState::kSent; }
    bool started() const { return process_ == ProcessState::kStarted; }
    bool exited() const { return exit_.has_value(); }
    bool exec() const { return exec_; }
    const std::string& container() const { return container_; }
    // `request`: the command's id, or 0.
    void Reserve(bool exec, std::string container, uint64_t starter, uint64_t request);
    uint64_t request() const { return request_; }
    void Sent();
    void Failed();  // also for a command that was given up before it was sent
    void Started();
    // The agent's word on a session of an earlier proxy; null: it does not know it. False: the
    // session is over.
    bool Resume(const AgentSession* known);
    // For a while: a process must not outlive its shim, nor a token the command that asked for it.
    void AwaitShim();

    // A message of a 3.0 agent for this session.
    void Receive(bool on_stderr, std::string_view payload);

    // --- streams with offsets
    // ------------------------------------------------------------------------------------
    Result<void> ReceiveData(bool on_stderr, uint64_t offset, std::string_view payload, bool end);
    void ReceiveEnd(const ProcessEnd& end, bool early);
    void ReceiveInputWindow(const StreamWindow& window);
    // Of a shim of version 3.
    const StreamWindow& input_window() const { return input_; }
    Result<void> ShimWindow(const WindowUpdate& update);
    Result<void> ForwardInput(uint64_t offset, std::string_view payload, bool end);
    // Of a shim of version 2: `queued` bytes have not left for it yet; sends what of the input the
    // window allows and returns how much that was (no bytes: the end of the input).
    void ShimTook(size_t queued);
    size_t SendInput(std::string_view bytes);

  private:
    void Exit(uint8_t status);
    void Keep(StreamKind kind, std::string_view payload);
    void ShimDied();
    void GiveUp();
    void Unclaimed();
    void OpenWindows();
    void TellTaken(OutputStream& stream, size_t queued);
    void TellAllTaken(size_t queued);

    Vm& vm_;
    const uint64_t base_;
    Token* const token_;
    Client* shim_ = nullptr;
    // Of a shim that dropped its connection: one that lives tries to come back for a while.
    std::unique_ptr<PeerProcess> shim_process_;
    Deadline return_deadline_;  // also for the first time

    ProcessState process_ = ProcessState::kNone;
    bool exec_ = false;
    std::string container_;
    uint64_t request_ = 0;
    uint64_t starter_ = 0;                             // the client whose Hyper waits for the shim
    std::optional<std::pair<int64_t, int64_t>> size_;  // columns, rows: for when the process runs
    std::optional<ProcessEnd> exit_;

    // A 3.0 agent's.
    bool output_ended_ = false;
    std::string kept_;  // frames for a shim that is away

    // Extension 2's.
    OutputStream output_, error_;
    Deadline tell_deadline_;   // of what a shim of version 2 has taken and the agent does not know
    StreamWindow input_;       // as the agent says
    uint64_t input_sent_ = 0;  // of a shim of version 2
    std::optional<uint64_t> input_end_;  // came before the process ran
    SessionCounters counters_;
};

}  // namespace cc::proxy
