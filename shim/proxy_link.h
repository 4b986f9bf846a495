// SPDX-License-Identifier: Apache-2.0
// The shim's connection to cc-proxy: made, introduced with the token, and made again when the proxy
// goes away, while the rest of the shim goes on.
//
// It speaks version 3 of the protocol, and version 2 with a proxy that closes the first connection
// without an answer, as one of Clear Containers 3.0 does. What was found is kept to.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/uv/channel.h"
#include "base/uv/loop.h"
#include "protocol/client_frame.h"
#include "protocol/client_messages.h"
#include "shim/host_mounts.h"
#include "shim/proxy_request.h"

namespace cc::shim {

struct LinkOptions {
    ProxyAddress proxy;
    std::string keeper;    // socket of who starts `proxy` again when it has gone; may be empty
    HostMounts host = {};  // where these paths lead
    std::string token;
    // The first connection, if the proxy has its other end already. Socket and token may be unknown
    // then: the proxy says the token, and without a socket the end of the connection is that of the
    // shim.
    Fd connection = {};
    std::chrono::milliseconds reconnect_timeout{10000};
    std::chrono::milliseconds retry_pause{100};  // between two tries; 3.0's
};

class ProxyLink {
  public:
    enum class Loss {
        kRefused,  // the proxy does not want this shim, or speaks nonsense, on the first connection
        kVmEnded,  // the VM has gone: the proxy says so, or is the same and forgot the token
        kForgotten,  // a new proxy does not know the token
        kNoProxy,    // no proxy within the reconnect timeout
    };
    struct Callbacks {
        // Asked for each connection: how far the output is (version 3).
        std::function<void(ConnectShim&)> introduce;
        // Introduced: frames may be sent. The answer is empty in version 2.
        std::function<void(bool first, const ShimConnected&)> on_connected;
        std::function<void()> on_disconnected;             // frames sent from now on are dropped
        std::function<void(const ClientFrame&)> on_frame;  // not the response to ConnectShim
        std::function<void()> on_drained;                  // queued() is zero again
        std::function<void(Loss, const std::string& why)> on_lost;  // for good
    };

    ProxyLink(uv::Loop& loop, LinkOptions options, Callbacks callbacks);

    // Without somebody who starts a proxy the first connection is tried once.
    Result<void> Start();
    bool connected() const { return introduced_; }
    uint16_t version() const { return version_; }
    const std::string& socket() const { return options_.proxy.socket; }
    const HostMounts& host() const { return options_.host; }
    void Send(std::string_view frame);
    void Command(ClientCommand command, std::string_view payload);
    void SayGoodbye();  // the last that is sent
    size_t queued() const { return channel_ ? channel_->queued() : 0; }
    // Reading is held back while the container's output has nowhere to go.
    void PauseReading();
    void ResumeReading();

  private:
    Result<void> Connect();
    Result<void> Introduce(Fd connection);
    void OnData(std::string_view bytes);
    void OnFrame(const ClientFrame& frame);
    void OnAnswer(const ClientFrame& frame);
    void OnRefusal(const ErrorAnswer& answer);
    void OnEnd(const std::string& why);
    bool MayReturn() const { return !options_.proxy.socket.empty() && !options_.token.empty(); }
    bool FallBack();
    void KeepTrying();
    void Retry();
    void TryAgain();
    void GiveUp();
    void OnVmEnded();
    void Lose(Loss loss, const std::string& why);

    uv::Loop& loop_;
    LinkOptions options_;
    Callbacks callbacks_;
    ProxyRequest request_;
    std::unique_ptr<uv::Channel> channel_;
    ClientFrameDecoder decoder_;
    uint16_t version_ = kClientVersion3;
    uv::Timer retry_;
    std::chrono::steady_clock::time_point give_up_;
    std::string last_end_;         // why the last connection ended
    bool inherited_ = false;       // the present connection
    bool heard_ = false;           // anything, on the present connection
    bool introduced_ = false;      // on the present connection
    bool ever_ = false;            // on any connection
    bool retrying_ = false;        // since the time that give_up_ counts from
    bool proxy_was_away_ = false;  // a try to reconnect found nobody
    bool paused_ = false;
    bool said_goodbye_ = false;
    bool lost_ = false;
};

}  // namespace cc::shim
