// SPDX-License-Identifier: Apache-2.0
// The host's side of the agent's two channels in extension 2, with blocking sockets and deadlines.
// What the host has received outlives its connections, as a proxy's records do.
#pragma once

#include <deque>
#include <map>
#include <string>
#include <vector>

#include "protocol/link_frame.h"
#include "tests/unit/agent/host_side.h"

namespace cc::agent {

struct Exit {
    uint64_t base = 0;
    int code = 0;
    int signal = 0;
    bool early = false;
    bool operator==(const Exit&) const = default;
};

class LinkHost {
  public:
    // Agrees on the extension with a marker of this byte, and says the first Hello.
    explicit LinkHost(const HostAgent& agent, char marker = 'M');
    // ... and starts the pod.
    static LinkHost WithPod(const HostAgent& agent);

    // As a proxy that takes over: new connections, with whatever was on its way lost.
    void Adopt(uint32_t epoch);
    // The same in the middle of both connections; not waiting for the answers.
    void SayHello(uint32_t epoch);
    void AwaitHello();  // on both ports

    // Commands. Answers come in any order.
    uint64_t Request(ControlCode code, std::string_view payload = "");  // returns its id
    void RequestAs(uint64_t id, ControlCode code, std::string_view payload = "");
    Answer Reply(uint64_t id);  // waits for the next one with this id
    Answer Call(ControlCode code, std::string_view payload = "") {
        return Reply(Request(code, payload));
    }
    size_t replies() const { return replies_; }  // that have come, in all
    std::vector<AgentSession> Sessions();
    void Run(const std::string& id, const std::string& script, uint64_t base);

    // Streams.
    void Window(uint64_t sequence, uint64_t acknowledged, uint64_t limit, bool rewind = false);
    void Input(uint64_t base, uint64_t offset, std::string_view bytes, bool end = false);
    void Forget(uint64_t base);
    void PumpIo();  // takes what comes next
    void WaitOutput(uint64_t sequence, size_t size);
    void WaitEnds(uint64_t sequence, size_t count);  // until its end has been said so often
    // Acknowledges and takes output of both streams until the final exit, which is returned.
    Exit RunToEnd(uint64_t base);
    const Exit& WaitExit();  // one more
    const std::string& Output(uint64_t sequence) { return output_[sequence]; }
    size_t ends(uint64_t sequence) { return ends_[sequence]; }
    const std::vector<Exit>& exits() const { return exits_; }
    const std::vector<LinkFrame>& data() const { return data_; }  // without their payloads
    uint64_t taken(uint64_t base) { return windows_[base].first; }
    uint64_t limit(uint64_t base) { return windows_[base].second; }
    void WaitTaken(uint64_t base, uint64_t offset);

    // Raw bytes, for what no proxy would say.
    std::string Frame(LinkFrame frame) const;
    void WriteControl(std::string_view bytes);
    void WriteIo(std::string_view bytes);
    uint32_t epoch() const { return epoch_; }
    void set_epoch(uint32_t epoch) { epoch_ = epoch; }
    Answer ReceivePlain();  // on a connection that has just come
    void Reconnect();       // says nothing
    void Disconnect();
    // Of the old epoch some may still come, when there was no hang-up.
    void IgnoreEpochsBefore(uint32_t epoch) { first_epoch_ = epoch; }

  private:
    void PumpControl();
    void TakeData(const LinkFrame& frame);

    std::string control_path_, io_path_;
    std::string marker_;
    uint32_t epoch_ = 1;
    uint32_t first_epoch_ = 0;
    uint32_t counter_ = 0;
    Fd control_, io_;
    ControlDecoder plain_;
    LinkDecoder control_frames_, io_frames_;
    bool control_greeted_ = false, io_greeted_ = false;
    std::map<uint64_t, std::deque<Answer>> answers_;
    size_t replies_ = 0;
    std::map<uint64_t, std::string> output_;
    std::map<uint64_t, size_t> ends_;
    std::map<uint64_t, std::pair<uint64_t, uint64_t>> windows_;
    std::vector<Exit> exits_;
    std::vector<LinkFrame> data_;
};

}  // namespace cc::agent
