// SPDX-License-Identifier: Apache-2.0
// Standard output or error of the process: from the frames of the link to whoever reads the shim's,
// acknowledged as it is written out.
#pragma once

#include <memory>
#include <string_view>

#include "base/uv/loop.h"
#include "shim/output.h"
#include "shim/output_window.h"
#include "shim/proxy_link.h"

namespace cc::shim {

class StandardOutput {
  public:
    static Result<std::unique_ptr<StandardOutput>> Open(uv::Loop& loop, int fd, StreamKind kind,
                                                        ProxyLink& link,
                                                        Output::Callbacks callbacks);

    void Take(const ClientFrame& frame);
    // A word of the shim's own, among what the process writes.
    void Print(std::string_view text) { output_->Write(text); }
    size_t backlog() const { return output_->backlog(); }
    // Version 3: where the proxy is to go on.
    StreamWindow Resume() { return window_.Resume(backlog()); }
    void OnConnected() { Acknowledge(); }

  private:
    StandardOutput(uv::Loop& loop, StreamKind kind, ProxyLink& link);
    void Acknowledge();
    void AcknowledgeRest();
    void Say(const StreamWindow& window);

    const StreamKind kind_;
    ProxyLink& link_;
    std::unique_ptr<Output> output_;
    OutputWindow window_;
    uv::Timer rest_;  // runs while something is written that the proxy does not know
};

}  // namespace cc::shim
