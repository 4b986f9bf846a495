// SPDX-License-Identifier: Apache-2.0
// One virtual machine as the router sees it: the two ports of its agent, the commands that the
// agent has not answered, and the sessions of its processes.
//
// The agent is untrusted. Whatever breaks the protocol loses it the VM, nobody else anything.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "protocol/agent_frame.h"
#include "protocol/agent_messages.h"
#include "protocol/client_messages.h"
#include "protocol/link_frame.h"
#include "proxy/console_log.h"
#include "proxy/endpoint.h"
#include "proxy/limits.h"
#include "proxy/session.h"
#include "proxy/snapshot.h"
#include "proxy/vm_record.h"

namespace cc::proxy {

class Client;

class Vm : public std::enable_shared_from_this<Vm> {
  public:
    Vm(Router& router, const RegisterVm& request, const Client& registrar);
    // One that an earlier proxy has served.
    Vm(Router& router, const VmRecord& record);
    ~Vm();

    const std::string& id() const { return id_; }
    Router& router() { return router_; }
    bool running() const { return state_ == State::kRunning; }
    bool lost() const { return state_ == State::kLost; }
    bool extended() const { return extension_ > 0; }
    // The ports are framed by protocol/link_frame.h: the agent keeps what is not acknowledged.
    // Its deadlines start over as long as it is.
    bool paused() const;
    bool linked() const { return extension_ >= kLinkExtension; }
    // Its agent has not said yet what of an earlier proxy's sessions lives on.
    bool adopting() const { return adopting_; }
    bool unregistered() const { return unregistered_; }
    size_t session_count() const { return sessions_.size(); }
    VmCounters& counters() { return counters_; }
    VmSnapshot TakeSnapshot(size_t max_sessions) const;

    // --- life
    // ---------------------------------------------------------------------------------------
    // Connects to both ports and waits for READY; the registrar gets the answer in the end.
    void Connect();
    void RegistrarGone();
    // Everybody who waits gets an error, shims are closed, sessions freed. What the VM was is kept
    // until it is unregistered, unless it never ran.
    void Lose(std::string why);
    // No longer in the table: it ends with its I/O port, or now when nobody uses it.
    void Unregister();
    // What is kept for the next proxy has changed; or only this session, or a new or gone one.
    void Changed();
    void Changed(uint64_t session);
    void Save();

    // --- tokens and sessions
    // ------------------------------------------------------------------------
    Result<std::vector<std::string>> NewTokens(int64_t count, uid_t user);
    std::string MakeIoResponse(std::vector<std::string> tokens, uint16_t version,
                               bool connection = false) const;
    // A token that was used is remembered for a while as spent.
    enum class TokenGoes { kAsSpent, kForGood };
    void RemoveSession(Session& session, TokenGoes token = TokenGoes::kAsSpent);

    // --- commands
    // -----------------------------------------------------------------------------------
    Result<void> CheckSize(std::string_view payload) const;
    // `client` gets the reply, 0: nobody. `session`: the base of the session that this starts, or
    // 0. `request_id`: the client's, for an agent that carries a request out once; 0: none.
    Result<void> Send(ControlCode code, std::string_view payload, uint64_t client = 0,
                      uint64_t session = 0, uint64_t request_id = 0);
    void StopWaiting(uint64_t client);  // its reply will be dropped when it comes
    void StopWaitingForShim(uint64_t session);
    void Kill(const Session& session);
    bool CanSignal(const Session& session) const { return !session.exec() || extended(); }

    // --- streams
    // ------------------------------------------------------------------------------------
    void WriteStdin(const Session& session, std::string_view bytes);
    bool io_full() const { return io_.queued() > kHighWater; }
    // A shim waits until AgentHasRoom.
    void WantRoom() { room_wanted_ = true; }
    // With an agent of extension 2.
    void SendData(uint64_t sequence, uint64_t offset, std::string_view bytes, bool end);
    void SendWindow(uint64_t sequence, const StreamWindow& window, uint8_t flags);
    void ShimOverMark(bool over);

  private:
    // kDraining: the control port has ended, and the I/O port may still hold last output.
    // kGreeting: Hello on both ports. kListing: what of an earlier proxy lives on.
    enum class State {
        kConnecting,
        kWaitingReady,
        kNegotiating,
        kGreeting,
        kListing,
        kRunning,
        kDraining,
        kLost
    };
    enum class Port { kControl, kIo };
    struct Pending {
        ControlCode code;
        uint64_t client;
        uint64_t session;
        uint64_t id;  // 0 with an agent whose answers come in order
    };
    class PortEndpoint final : public Endpoint {
      public:
        PortEndpoint(Vm& vm, Port port);

      private:
        void Data(std::string_view bytes) override;
        void Ended(const Result<void>& how) override;
        void HungUp() override {}  // what it sent before is to be read first
        void Written() override;
        Vm& vm_;
        const Port port_;
    };

    std::string_view StateName() const;
    Result<bool> ConnectPort(Endpoint& port, const std::string& path);
    void Registered();
    void RegistrationFailed(std::string why);
    void ControlEnded(const std::string& why);
    void FailCommands(std::string_view why);
    void ControlData(std::string_view bytes);
    void IoData(std::string_view bytes);
    void IoWritten();
    void Handle(const ControlMessage& message);
    // `expired` when the guest has not done in time what was expected; not while it is paused.
    void ExpectGuest(Milliseconds deadline, const Deadlines::Action& expired);
    void HandleReady(std::string_view payload);
    void HandleReply(bool success, std::string_view payload);
    void Replied(const Pending& pending, bool success, std::string_view payload);
    VmRecord record() const;
    std::string RecordOfGone(uint64_t base) const;
    bool SaveChanges(const std::vector<uint64_t>& sessions);
    Result<void> SaveWhole();
    void Saved(const Result<void>& how);
    void AddSession(const std::shared_ptr<Session>& session);
    Token* AddToken(std::string text, uid_t user);

    // vm_link.cc: extension 2.
    void StartEpoch();
    void Greeted(Port port);
    void HandleLinkControl(const LinkFrame& frame);
    void HandleLinkIo(const LinkFrame& frame);
    void HandleLinkReply(const LinkFrame& frame);
    void HandleSessions(bool success, std::string_view payload);
    void Adopted();
    void EndAdoption();
    void Forget(uint64_t base);
    Session* FindSession(uint64_t base);
    void Route(const IoMessage& message);
    void EndSessions(std::string_view why);
    void MaybeEnd();
    void End();
    void Retire(const Session& session);

    Router& router_;
    const RegisterVm request_;
    const std::string id_;
    uint64_t registrar_;  // client number; 0 once it has its answer
    State state_ = State::kConnecting;
    std::string why_lost_;
    bool unregistered_ = false;
    bool over_ = false;  // nothing of it is to be kept
    Deadline deadline_;
    Milliseconds connect_until_{};

    const Milliseconds born_;
    VmCounters counters_;

    ConsoleLog console_{router_, id_};
    PortEndpoint control_;
    PortEndpoint io_;
    ControlDecoder control_decoder_;
    IoDecoder io_decoder_;
    LinkDecoder control_link_;
    LinkDecoder io_link_;
    int extension_ = 0;
    ReadyOffer offer_;
    std::string marker_;
    uint32_t epoch_ = 0;
    uint32_t last_request_ = 0;
    bool control_greeted_ = false;
    bool io_greeted_ = false;
    bool adopting_ = false;
    std::string record_name_;
    std::vector<uint64_t> changed_;  // sessions that the record has not as they are
    bool save_whole_ = true;         // the record is to be written anew
    bool save_failed_ = false;       // and could not be
    Deadline save_again_;
    size_t record_room_ = 0;  // bytes of changes until it is
    std::deque<Pending> pending_;
    size_t shims_over_mark_ = 0;
    bool room_wanted_ = false;  // a shim waits for the agent to read its stdin

    // 1 and 2 are the null session's; numbers go up by two and are never used again.
    uint64_t next_base_ = 3;
    std::unordered_map<uint64_t, std::shared_ptr<Session>> sessions_;
    std::deque<Token*> spent_;
};

// The error text for more than kMaxTokensPerRequest.
std::string TooManyTokens(int64_t count);

// Sequence number of the null session, whose output nobody wants.
constexpr uint64_t kNullSession = 1;

}  // namespace cc::proxy
