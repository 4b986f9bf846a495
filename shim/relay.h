// SPDX-License-Identifier: Apache-2.0
// What a shim does for its life: relays stdio, signals, the terminal's size and the exit status
// between the process in the guest (through cc-proxy) and whoever started it.
#pragma once

#include <csignal>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/uv/loop.h"
#include "shim/input.h"
#include "shim/output.h"
#include "shim/proxy_link.h"
#include "shim/terminal.h"

namespace cc::shim {

struct RelayOptions {
    std::string container_id;
    LinkOptions link;
    // A terminal on `input` is put into raw mode and its size sent. Off for a process without a
    // terminal of its own: then Ctrl-C stays a signal.
    bool use_terminal = true;
    bool debug = false;
    int input = 0, output = 1, error = 2;  // the caller's; they stay open
};

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
    void OnConnected(bool first);
    void OnFrame(const ClientFrame& frame);
    void OnSignal(int signal);
    void OnStdin(std::string_view bytes);
    void OnStdinEnd();
    void OnLost(ProxyLink::Loss loss, const std::string& why);
    void TakeTerminal();
    bool MayRead();
    void SendWindowSize();
    void UpdateFlow();
    void Finish(int status);  // once all output is written
    void Leave(int status);   // at once
    void Complain(const std::string& text);
    void Debug(const std::string& text);

    uv::Loop& loop_;
    RelayOptions options_;
    ProxyLink link_;
    uv::Timer foreground_;  // asks again whether the terminal is ours to use
    uv::Timer goodbye_;     // the longest that DisconnectShim may take to go out
    std::unique_ptr<Input> input_;
    std::unique_ptr<Output> output_, error_;
    std::vector<std::unique_ptr<uv::SignalWatch>> signals_;
    std::optional<RawMode> raw_;
    std::vector<int> waiting_signals_;  // that came while there was no connection
    bool stdin_ended_ = false;
    bool stdin_end_sent_ = false;
    bool terminal_taken_ = false;  // or there is none to take
    std::optional<int> exited_;    // the process's status, when it is known
    std::optional<int> status_;    // ours, when leaving
};

}  // namespace cc::shim
