// SPDX-License-Identifier: Apache-2.0
// What a shim does for its life: relays stdio, signals, the terminal's size and the exit status
// between the process in the guest (through cc-proxy) and whoever started it.
#pragma once

#include <csignal>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/uv/loop.h"
#include "shim/proxy_link.h"
#include "shim/standard_input.h"
#include "shim/standard_output.h"
#include "shim/terminal.h"

namespace cc::shim {

struct RelayOptions {
    std::string container_id;
    LinkOptions link;  // taken by the link
    // A terminal on `input` is put into raw mode and its size sent. Off for a process without a
    // terminal of its own: then Ctrl-C stays a signal.
    bool use_terminal = true;
    std::string memory_cgroup = {};  // a path of the host's; empty: ReportOutOfMemory has no place
    bool debug = false;
    int input = 0, output = 1, error = 2;  // the caller's; they stay open
};

// Those that a shim passes on to its process; SIGWINCH as the terminal's size.
std::span<const int> ForwardedSignals();

class Relay {
  public:
    Relay(uv::Loop& loop, RelayOptions options);

    // Connects and watches. An error is fatal, nothing was relayed.
    Result<void> Start();
    // Runs the loop to the end; the exit status for this process.
    int Run();

  private:
    Result<void> OpenStdio();
    Result<void> WatchSignals();
    void OnConnected(bool first, const ShimConnected& connected);
    void OnFrame(const ClientFrame& frame);
    void OnNotification(const ClientFrame& frame);
    Result<void> OnNews(const ClientFrame& frame);
    void OnSignal(int signal);
    bool MayLeaveAt(int signal) const;
    void OnLost(ProxyLink::Loss loss, const std::string& why);
    void TakeTerminal();
    bool MayRead();
    void SendWindowSize();
    void SendSignal(const SignalMessage& message);
    void UpdateFlow();
    size_t Backlog() const { return output_->backlog() + error_->backlog(); }
    void TellEngine();
    void Finish(int status);  // once all output is written
    void Leave(int status);   // at once
    void Complain(const std::string& text);
    void Debug(const std::string& text);

    uv::Loop& loop_;
    RelayOptions options_;
    ProxyLink link_;
    uv::Timer foreground_;  // asks again whether the terminal is ours to use
    uv::Timer goodbye_;     // the longest that DisconnectShim may take to go out
    std::unique_ptr<StandardInput> input_;
    std::unique_ptr<StandardOutput> output_, error_;
    std::vector<std::unique_ptr<uv::SignalWatch>> signals_;
    std::optional<RawMode> raw_;
    std::vector<int> waiting_signals_;  // that came while there was no connection
    bool terminal_taken_ = false;       // or there is none to take
    bool out_of_memory_ = false;        // in the guest, says the guest
    std::optional<int> ended_;          // the process's status, while output of it may be to come
    std::optional<int> exited_;         // the same, and all output is here
    std::optional<int> status_;         // ours, when leaving
};

}  // namespace cc::shim
