// SPDX-License-Identifier: Apache-2.0
// All processes of a container but the VM's: a real cc-proxy, real shims and a real cc-agent on
// this host; the test plays the runtime.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/process.h"
#include "client/proxy_client.h"
#include "tests/fakes/host_agent.h"
#include "tests/integration/starting_keeper.h"

namespace cc::test {

// A cc-shim, and the far ends of its standard streams.
struct Shim {
    Process process;
    Fd in, out, err;

    int WaitExit();  // at most a minute; fails the test after that
    // What it prints until the end of the stream.
    std::string Output();
    std::string Errors();
};

struct ProcessOptions {
    int terminal = -1;  // descriptor of a terminal's far end: standard streams of the shim
    std::vector<std::string> shim_options = {};
    bool inherits = false;  // its connection: the proxy is passed the other end
    int vm = 0;
};

class House {
  public:
    // Who starts the proxy, the first time and when it has gone: the test, or whoever misses it.
    enum class Starts { kTest, kClients };
    explicit House(Starts starts = Starts::kTest, int vms = 1);
    ~House();  // ends the proxy; checks that it takes no more than being asked to

    // Processes of busybox's shell: the first of a new container, or one more in it.
    Shim Run(const std::string& container, const std::string& script,
             const ProcessOptions& options = {});
    Shim Exec(const std::string& container, const std::string& script,
              const ProcessOptions& options = {});
    void Remove(const std::string& container);

    HostAgent& agent() { return *agents_.at(0); }
    Process& proxy() { return proxy_; }
    ProxyClient& runtime() { return *runtime_; }
    // Ends the proxy in this way and starts another one in its place.
    void ReplaceProxy(int signal);
    // Ends the proxy that clients have started; false: there is none now.
    bool SignalServingProxy(int signal) const;
    void EndAgent() { agents_.at(0).reset(); }  // as when the VM ends

  private:
    ProxyAddress Address() const;
    Shim Start(const std::string& container, bool exec, const std::string& script,
               const ProcessOptions& options);

    Scratch scratch_;
    const std::string socket_ = scratch_ / "proxy.sock";
    const Starts starts_;
    std::vector<std::unique_ptr<HostAgent>> agents_;  // one a VM
    StartingKeeper keeper_{scratch_ / "vm.sock"};
    Process proxy_;
    std::unique_ptr<ProxyClient> runtime_;
};

}  // namespace cc::test
