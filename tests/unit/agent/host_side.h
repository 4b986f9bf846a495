// SPDX-License-Identifier: Apache-2.0
// The host's side of the agent's two channels, with blocking sockets and deadlines.
#pragma once

#include <map>
#include <set>
#include <string>

#include "protocol/agent_frame.h"
#include "protocol/agent_messages.h"
#include "tests/fakes/host_agent.h"

namespace cc::agent {

struct Answer {
    ControlCode code{};
    std::string payload;
};

// What came on the I/O channel so far.
struct Streams {
    std::map<uint64_t, std::string> output;
    std::map<uint64_t, int> exit_codes;  // of streams that said their end before
    std::set<uint64_t> ended;
};

// The next bytes, at least one; fails the test when none come in time.
std::string ReadSome(int fd);

class HostSide {
  public:
    // Connects to both sockets, retrying until they are there; fails the test otherwise.
    HostSide(const std::string& control, const std::string& io);

    Answer Receive();  // the next control message
    void Send(ControlCode code, std::string_view payload);
    Answer Call(ControlCode code, std::string_view payload = "");
    // The text of the ERROR; fails the test on an ACK.
    std::string CallFails(ControlCode code, std::string_view payload);
    void Input(uint64_t sequence, std::string_view bytes);  // empty: end of file
    // Takes what comes until the process of this session has told its exit code, which is returned.
    int WaitExit(uint64_t sequence);
    void WaitOutput(uint64_t sequence, std::string_view text);
    void PumpOnce();
    const std::string& Output(uint64_t sequence) { return streams_.output[sequence]; }
    int io() const { return io_.get(); }

  private:
    Fd control_;
    Fd io_;
    ControlDecoder control_decoder_;
    IoDecoder io_decoder_;
    Streams streams_;
};

using test::SkipWithoutRoot;

// The agent, and the host's side of it.
class HostAgent : public test::HostAgent {
  public:
    HostSide Connect() const { return {control(), io()}; }
    // Connects, takes READY and starts the pod.
    HostSide StartPod() const;
};

}  // namespace cc::agent
