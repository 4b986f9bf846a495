// SPDX-License-Identifier: Apache-2.0
// The process's standard input: from the shim's to the link, as much as the proxy takes.
#pragma once

#include <functional>
#include <memory>
#include <string_view>

#include "base/uv/loop.h"
#include "shim/input.h"
#include "shim/input_window.h"
#include "shim/proxy_link.h"

namespace cc::shim {

class StandardInput {
  public:
    // `may_read`: asked before each read.
    static Result<std::unique_ptr<StandardInput>> Open(uv::Loop& loop, int fd, ProxyLink& link,
                                                       std::function<bool()> may_read);

    void OnConnected(const ShimConnected& connected) { window_.Resume(connected.standard_input); }
    void OnWindow(const StreamWindow& window) { window_.Move(window); }
    // Sends what may be sent. Reads on while `wanted`, there is a connection and it takes more.
    void Update(bool wanted);
    void Stop() { input_->Pause(); }

  private:
    StandardInput(ProxyLink& link, std::function<bool()> may_read)
        : link_(link), may_read_(std::move(may_read)) {}
    size_t Room() const;
    void OnData(std::string_view bytes);
    void OnEnd();
    void Send();

    ProxyLink& link_;
    std::function<bool()> may_read_;
    std::unique_ptr<Input> input_;
    InputWindow window_;  // version 3
    bool ended_ = false;  // version 2, as is the next
    bool end_sent_ = false;
};

}  // namespace cc::shim
