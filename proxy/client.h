// SPDX-License-Identifier: Apache-2.0
// One connection of a runtime or a shim (reference A4). Its frames are served one by one: while one
// of them waits, for an agent's reply, a shim or a process, the connection is not read and nothing
// behind that frame is looked at. Answers so come in the order of the commands.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <sys/types.h>

#include "protocol/agent_frame.h"
#include "protocol/client_frame.h"
#include "protocol/client_messages.h"
#include "proxy/counters.h"
#include "proxy/deadlines.h"
#include "proxy/endpoint.h"
#include "proxy/limits.h"

namespace cc::proxy {

class Session;
class Vm;

class Client final : public Endpoint {
  public:
    // `token`: which its shim need not say, because it came with the connection; or empty.
    Client(Router& router, uint64_t number, uid_t user, std::string token);
    ~Client() override;

    uint64_t number() const { return number_; }
    uid_t user() const { return user_; }
    // Of the protocol, as its first frame said.
    uint16_t version() const { return version_; }
    // Serves whole frames that have arrived until one has to wait.
    void Serve();
    // What was sent still goes out, for a while; nothing more is served.
    void Close(std::string_view why);
    // Bytes of frames that are not whole or not served yet, as of its last turn.
    size_t unserved() const { return counted_input_; }
    // Closes, and lets go of those bytes.
    void CloseForInput();

    // --- what others tell it
    // ------------------------------------------------------------------------ The answer to the
    // command that waits.
    void Registered(std::shared_ptr<Vm> vm, std::string_view response);
    void Answer(std::string_view payload);
    void Refuse(std::string_view error, ErrorCode code = ErrorCode::kFailed);
    void ShimArrived();     // the shim that a Hyper waits for
    void ProcessStarted();  // of the session
    void ProcessFailed();
    void AgentHasRoom();  // for more standard input
    void AdoptionEnded(const Vm& vm);
    void LeaveSession(std::string_view why);  // the session has gone: closes
    void SendOutput(StreamKind kind, std::string_view payload);
    void SendExit(const ProcessEnd& end);

  private:
    enum class Wait {
        kNothing,
        kRegistration,  // READY from the agent of a new VM
        kShim,          // Hyper: the shim of its token
        kReply,         // Hyper, Signal: the agent
        kProcess,       // stdin, Signal: the agent's word that the process runs
        kRoom,          // stdin: the agent is slow to read
        kOwnQueue,      // the client is slow to read its answers
        kAdoption,      // a VM of an earlier proxy
        kTurn,          // everybody else, who is to be served in between
    };

    void Data(std::string_view bytes) override;
    void Descriptor(Fd descriptor) override {
        if (!closing_) descriptor_ = std::move(descriptor);
    }
    void Ended(const Result<void>& how) override;
    void HungUp() override;
    void Written() override;

    void AwaitTurn();
    void CountInput();
    void Handle(const ClientFrame& frame);
    void HandleCommand(ClientCommand command, std::string_view payload);
    void HandleRegisterVm(std::string_view payload);
    void HandleUnregisterVm(std::string_view payload);
    void HandleAttachVm(std::string_view payload);
    // For the shim of the one token that is asked for; null when there is none that could be used.
    Result<std::unique_ptr<Stream>> TakeConnection(const AttachVm& request, const Vm& vm);
    void HandleHyper(std::string_view payload);
    void HandleConnectShim(std::string_view payload);
    void HandleDisconnectShim();
    void HandleSignal(std::string_view payload);
    void HandleHello(std::string_view payload);
    void HandleStdin(std::string_view payload);
    void HandleInput(const ClientFrame& frame);  // stdin of version 3
    void HandleWindow(std::string_view payload);
    void HandleLog(std::string_view payload);

    // Hyper for newcontainer and execcmd.
    void StartProcess(ControlCode code, const HyperMessage& request);
    void SendToAgent(const std::shared_ptr<Vm>& vm, ControlCode code, std::string_view data,
                     uint64_t session, uint64_t request_id = 0);
    // True: the command is held until the VM's agent has said what lives on.
    bool HoldForAdoption(const std::shared_ptr<Vm>& vm, std::string_view payload);
    void AdoptionIsMissing();
    void EndUnstarted();
    void SendSignal(int64_t number);
    void SendWinSize(int64_t columns, int64_t rows);
    void WriteStdin(std::string_view payload);
    void WaitForRoom();

    void RefuseBadJson(std::string_view payload, std::string_view error);
    // Without an `expired` as long as it takes.
    void WaitFor(Wait what, Milliseconds deadline = {}, void (Client::*expired)() = nullptr);
    void GoOn();  // after a wait
    void ShimIsMissing();
    void ProcessIsMissing();
    void ReplyIsMissing();
    void UpdateReading();
    void SetOverMark(bool over);
    void LeaveEverything();
    void Gone();
    bool MayLog();
    bool QueueIsFull() const { return queued() > (shim_ ? kMaxClientQueue : kLowWater); }

    const uint64_t number_;
    const uid_t user_;
    const std::string own_token_;
    Fd descriptor_;  // that came with the frame which is still to be served
    ClientFrameDecoder decoder_;
    size_t counted_input_ = 0;
    uint16_t version_ = kClientVersion2;
    bool shim_ = false;  // a runtime until its first ConnectShim, a shim for good from then on
    bool closing_ = false;
    bool input_ended_ = false;    // but frames that came before the end are still to be served
    bool over_mark_ = false;      // its queue makes its VM's I/O port wait
    std::shared_ptr<Vm> vm_;      // attached
    Session* session_ = nullptr;  // of a shim
    Wait wait_ = Wait::kNothing;
    std::shared_ptr<Vm> waits_for_;  // of a registration, a Hyper or a Signal that waits
    ClientCommand command_ = ClientCommand::kHyper;  // being served
    Deadline deadline_;
    // What the frame that waits was about.
    ControlCode held_code_ = ControlCode::kPing;
    uint64_t held_session_ = 0;
    uint64_t held_request_ = 0;
    std::string held_token_;
    std::string held_data_;     // Hyper: the agent's payload; stdin: the bytes; else the command's
    int64_t held_signal_ = -1;  // none: it is stdin that waits
    LogAllowance log_allowance_;  // of a client of root's
};

}  // namespace cc::proxy
