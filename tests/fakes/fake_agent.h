// SPDX-License-Identifier: Apache-2.0
// A cc-agent without a VM: serves the two agent ports on listening UNIX sockets, as QEMU's chardevs
// do, and behaves like the real one (reference part B), in the flavour of 3.0 or with our
// extension. It runs in a thread of its own; all methods may be called from any other.
//
// Its "processes" are scripts, chosen by the process's args:
//   script N         "stdout-data\n" on stdout, "stderr-data\n" on stderr, then waits for the end
//                    of stdin and exits with N
//   exit N           exits with N at once
//   echo             stdin comes back on stdout; exits with 0 at its end
//   sink             eats stdin; at its end prints "BYTES HASH\n" (HashOf) and exits with 0
//   flood BYTES [M]  prints that many bytes (FloodByte) in messages of at most M, exits with 0
//   sleep            runs until it is killed
// HUP, INT, QUIT, KILL and TERM end a process with 128 + the signal; others are only recorded.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/agent_frame.h"

namespace cc::test {

struct FakeAgentOptions {
    int extension = 0;      // that READY offers; 0: a 3.0 agent
    bool say_ready = true;  // when the control port is connected
    bool answer = true;     // commands, except VERSION, which is always answered
    std::string control_name = "ctl.sock";
    std::string io_name = "io.sock";
};

class FakeAgent {
  public:
    struct Command {
        ControlCode code = ControlCode::kPing;
        std::string payload;
    };

    // Listens in this directory, which must exist.
    explicit FakeAgent(const std::string& directory, FakeAgentOptions options = {});
    ~FakeAgent();
    FakeAgent(const FakeAgent&) = delete;
    FakeAgent& operator=(const FakeAgent&) = delete;

    const std::string& control_path() const;
    const std::string& io_path() const;

    // --- what it has seen -----------------------------------------------------------------------
    std::vector<Command> commands() const;
    // Waits until there have been `count` commands of this code; false after ten seconds.
    bool WaitFor(ControlCode code, size_t count = 1) const;
    uint64_t stdin_bytes() const;  // of all processes

    // --- what it is told to do ------------------------------------------------------------------
    void SetAnswering(bool on);           // off: commands are read and never answered
    void SetReadingStdin(bool on);        // off: the I/O port is not read
    void SendControl(std::string bytes);  // raw, as from a guest gone mad
    void SendIo(std::string bytes);
    void HangUp();  // both ports, as when the VM dies; nobody can connect again

    static char FloodByte(uint64_t offset);
    static std::string HashOf(std::string_view bytes);  // Fnv1a64 in hex

  private:
    class Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace cc::test
