// SPDX-License-Identifier: Apache-2.0
// The shim's connection to cc-proxy: made, introduced with the token, and made again when the proxy
// goes away, while the rest of the shim goes on.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include "base/uv/channel.h"
#include "base/uv/loop.h"
#include "protocol/client_frame.h"

namespace cc::shim {

struct LinkOptions {
    std::string socket;
    std::string token;
    std::chrono::milliseconds reconnect_timeout{10000};
};

class ProxyLink {
  public:
    enum class Loss {
        kRefused,  // the proxy does not want this shim, or speaks nonsense, on the first connection
        kVmEnded,  // the same proxy does not know the token any more: its VM has gone
        kForgotten,  // a new proxy does not know the token
        kNoProxy,    // no proxy within the reconnect timeout
    };
    struct Callbacks {
        std::function<void(bool first)> on_connected;      // introduced: frames may be sent
        std::function<void()> on_disconnected;             // frames sent from now on are dropped
        std::function<void(const ClientFrame&)> on_frame;  // not the response to ConnectShim
        std::function<void()> on_drained;                  // queued() is zero again
        std::function<void(Loss, const std::string& why)> on_lost;  // for good
    };

    ProxyLink(uv::Loop& loop, LinkOptions options, Callbacks callbacks);

    // The first connection is tried once.
    Result<void> Start();
    bool connected() const { return introduced_; }
    void Send(std::string frame);
    size_t queued() const { return channel_ ? channel_->queued() : 0; }
    // Reading is held back while the container's output has nowhere to go.
    void PauseReading();
    void ResumeReading();

  private:
    Result<void> Connect();
    void OnData(std::string_view bytes);
    void OnFrame(const ClientFrame& frame);
    void OnEnd(const std::string& why);
    void Retry();
    void Lose(Loss loss, const std::string& why);

    uv::Loop& loop_;
    LinkOptions options_;
    Callbacks callbacks_;
    std::unique_ptr<uv::Channel> channel_;
    ClientFrameDecoder decoder_;
    uv::Timer retry_;
    std::chrono::steady_clock::time_point give_up_;
    bool introduced_ = false;      // on the present connection
    bool ever_ = false;            // on any connection
    bool proxy_was_away_ = false;  // a try to reconnect found nobody
    bool paused_ = false;
    bool lost_ = false;
};

}  // namespace cc::shim
