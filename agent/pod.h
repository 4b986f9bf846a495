// SPDX-License-Identifier: Apache-2.0
// The pod of this VM: the shared directory and the containers. One function a command of the
// control channel; those that take time call back from the loop. Error texts are 3.0's where it has
// one (reference B3).
#pragma once

#include <map>
#include <memory>

#include "agent/container.h"
#include "agent/executor/understudy.h"
#include "agent/network/dns_relay.h"
#include "protocol/agent_messages.h"
#include "protocol/container_control.h"
#include "protocol/update_network.h"

namespace cc::agent {

class NetworkChange;
class Rehearsal;

struct PodOptions {
    // Host tests: a directory that stands in for the shared one.
    std::string share_stand_in;
    std::string share_type = {};            // ShareSource::type
    DnsRelay::OpenPort open_dns = nullptr;  // host tests have none
    // Host tests: clock, entropy and kernel are the host's.
    bool shared_machine = false;
};

class Pod {
  public:
    // The payload of the ACK, or what went wrong.
    using Reply = std::function<void(Result<std::string>)>;

    Pod(const Surroundings& surroundings, PodOptions options);
    ~Pod();

    void Start(const StartPod& message, Reply reply);
    void Destroy(Reply reply);
    void ChangeNetwork(const UpdateNetwork& message, Reply reply);
    Result<std::string> SetupInterface(const NetworkLink& link);
    Result<std::string> SetupRoutes(const std::vector<NetworkRoute>& routes);
    // `payload`: the message as it came.
    void NewContainer(const cc::NewContainer& message, std::string_view payload, Reply reply);
    void StartContainer(const cc::StartContainer& message, Reply reply);
    void Exec(const ExecCommand& message, Reply reply);
    Result<std::string> Kill(const KillContainer& message);
    void Remove(const RemoveContainer& message, Reply reply);
    Result<std::string> Resize(const WinSize& message);
    Result<std::string> ListProcesses(const PsContainer& message);
    // pod_control.cc
    void Pause(const OneContainer& message, Reply reply);
    void Resume(const OneContainer& message, Reply reply);
    Result<std::string> Stats(const OneContainer& message);
    Result<std::string> Update(const UpdateContainer& message);
    // Before the machine is saved. From then on a pod starts only with entropy of its own.
    void Rehearse(Reply reply);
    // Makes beforehand what the first container can be made of.
    void Prepare();

  private:
    Result<void> BecomeUnique(const StartPod& message) const;
    Result<Container*> Find(const std::string& id, std::string_view impossible);
    // In a started pod, one whose first process has not ended.
    Result<Container*> FindAlive(const std::string& id, std::string_view impossible);
    void Erase(const std::string& id);
    void Unmount(Reply reply);
    void TakeDisks(const cc::NewContainer& message, std::string_view payload, Reply reply);
    void Make(const cc::NewContainer& message, std::string_view payload, Reply reply);
    Result<void> CheckNew(const cc::NewContainer& message) const;
    // pod_shared.cc
    Result<BornIn> SharedNamespaces(const ContainerSpec& spec) const;
    Result<void> ShareMemory(ContainerSpec& spec);
    void DropMemory();
    void ServeNames();

    const Surroundings& surroundings_;
    const PodOptions options_;
    bool started_ = false;
    std::unique_ptr<Rehearsal> rehearsal_;  // stays: this machine has rehearsed
    bool rehearsing_ = false;
    std::optional<Understudy> understudy_;    // until a container has needed it
    std::map<std::string, std::string> shm_;  // source, as the host names it -> where it is mounted
    std::string hostname_;
    Network pod_network_;  // as a 3.0 host asked for it
    Network network_;      // as one of ours did
    std::unique_ptr<NetworkChange> change_;
    DnsRelay dns_;
    std::map<std::string, std::string> resolv_confs_;  // container -> path in the share
    std::map<std::string, std::unique_ptr<Container>> containers_;
    // Containers are destroyed a turn later, as they may be on the stack.
    std::vector<std::unique_ptr<Container>> gone_;
    uv::Timer sweep_;
};

}  // namespace cc::agent
