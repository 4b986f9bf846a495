// SPDX-License-Identifier: Apache-2.0
// The hub as a state machine: clients on one side, VMs on the other, no system calls. It acts only
// when its world tells it something: a new client, bytes, an end, room to write, the time.
//
//   Client  a connection of a runtime or shim: decodes frames and serves them one by one
//   Vm      an agent's two ports: commands in order, replies first in first out, sessions
//   Session one process's streams: a token, two sequence numbers, at most one shim
//
// Events do not nest: whatever an event causes is carried out within its Turn, and objects that
// went away in it are freed at its end, so no code finds an object gone that it was using.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include <sys/types.h>

#include "proxy/counters.h"
#include "proxy/deadlines.h"
#include "proxy/endpoint.h"
#include "proxy/limits.h"
#include "proxy/snapshot.h"
#include "proxy/stream.h"
#include "proxy/token_table.h"
#include "proxy/vm_record.h"

namespace cc::proxy {

class Client;
class Vm;

class Router {
  public:
    // `url` is what clients are told to connect their shims to: "unix://" and the socket's path.
    Router(World& world, std::string url);
    ~Router();

    // A VM that an earlier proxy has served. Before any client comes.
    void Adopt(const VmRecord& record);
    // A connection of this user, of the shim of this token if there is one. False: there are too
    // many, and it is closed.
    bool AddClient(std::unique_ptr<Stream> stream, uid_t user, std::string token = {});
    // Called whenever a VM has been registered.
    void SetVmRegistered(std::function<void()> call) { vm_registered_ = std::move(call); }
    std::optional<Milliseconds> NextDeadline() const { return deadlines_.Next(); }
    void RunDeadlines();

    struct Counts {
        size_t clients = 0;
        size_t registered_vms = 0;
        size_t vms = 0;  // those included that are unregistered but still serve a session
        size_t tokens = 0;
        bool served_any = false;  // a VM was unregistered on a client's demand
    };
    Counts counts() const;
    Snapshot TakeSnapshot() const;

    // --- for Client, Vm and Session
    // ----------------------------------------------------------------- Held while an event is
    // being dealt with.
    class Turn {
      public:
        // `bytes`: what has arrived, which stays where it is as long as this object.
        explicit Turn(Router& router, std::string_view bytes = {}) : router_(router) {
            if (++router_.depth_ == 1) router_.lent_ = bytes;
        }
        ~Turn() {
            if (router_.depth_ == 1) router_.Settle();
            if (--router_.depth_ > 0) return;
            router_.lent_ = {};
            router_.world_.Settled();
        }
        Turn(const Turn&) = delete;
        Turn& operator=(const Turn&) = delete;

      private:
        Router& router_;
    };

    World& world() { return world_; }
    Deadlines& deadlines() { return deadlines_; }
    TokenTable& tokens() { return tokens_; }
    RouterCounters& counters() { return counters_; }
    const std::string& url() const { return url_; }
    Milliseconds After(Milliseconds delay) { return world_.Now() + delay; }

    Client* FindClient(uint64_t number);
    void RemoveClient(Client& client);
    void WillServe(Client& client) { runnable_.push_back(&client); }
    // Counts the bytes of unfinished frames that clients hold. When they are too many, those are
    // cut off who hold most of them.
    void CountBufferedInput(size_t before, size_t now);
    LogAllowance& LogAllowanceOf(uid_t user) { return users_[user].log; }

    std::shared_ptr<Vm> FindVm(const std::string& id);  // registered ones, lost ones included
    Result<void> CheckNewVm(const std::string& id) const;
    void AddVm(const std::shared_ptr<Vm>& vm);
    void UnregisterVm(Vm& vm);  // no longer found by its id
    void VmRegistered() const {
        if (vm_registered_) vm_registered_();
    }
    void VmServed() { served_any_ = true; }
    void RemoveVm(Vm& vm);  // gone, once nobody is attached to it

    // Clients that waited for it go on.
    void AdoptionEnded(Vm& vm);
    // Its record is written before anything of this turn is sent.
    void WillSave(Vm& vm);

    void WillFlush(Endpoint& endpoint) { dirty_.push_back(&endpoint); }
    void WillEnd(Endpoint& endpoint, const Result<void>& how) {
        ended_.emplace_back(&endpoint, how);
    }
    void Forget(Endpoint& endpoint);
    // What has arrived in this turn: it may be sent on from where it lies.
    std::string_view lent() const { return lent_; }
    // Memory for what is sent in a turn, used again and again: an empty string, and what became of
    // it.
    std::string TakeSpare();
    void GiveSpare(std::string bytes);
    void DropSpares() { spares_.clear(); }
    // Freed at the end of the turn.
    void Bury(std::shared_ptr<void> object) { buried_.push_back(std::move(object)); }

  private:
    void Settle();
    bool MayLogRefusal();
    Client* LargestHolder() const;

    World& world_;
    const std::string url_;
    Deadlines deadlines_;
    TokenTable tokens_;
    std::unordered_map<uint64_t, std::shared_ptr<Client>> clients_;
    struct User {
        size_t clients = 0;
        LogAllowance log;
    };
    std::unordered_map<uid_t, User> users_;  // that have a client
    std::unordered_map<std::string, std::shared_ptr<Vm>> registered_;
    std::unordered_map<Vm*, std::shared_ptr<Vm>> vms_;
    uint64_t last_client_ = 0;
    std::optional<std::chrono::seconds> refusal_logged_;  // the second of the last
    size_t buffered_input_ = 0;
    bool served_any_ = false;
    std::function<void()> vm_registered_;
    RouterCounters counters_;

    int depth_ = 0;
    std::string_view lent_;
    std::vector<Client*> runnable_;
    std::vector<Vm*> unsaved_;
    std::vector<std::pair<Endpoint*, Result<void>>> ended_;
    std::vector<Endpoint*> dirty_;
    std::vector<std::string> spares_;
    std::vector<std::shared_ptr<void>> buried_;
};

}  // namespace cc::proxy
