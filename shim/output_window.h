// SPDX-License-Identifier: Apache-2.0
// How far a stream of the process's output is (protocol version 3): what has arrived, what of it
// was written out, and what the proxy was told of that. Only what was written is acknowledged, so
// that the proxy's side keeps the rest and a slow reader holds back his own stream.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "protocol/client_messages.h"

namespace cc::shim {

// How much may be on its way to a reader, and how much is written before the proxy is told while
// more waits.
constexpr uint64_t kOutputWindow = 256 * 1024, kAcknowledgeAfter = 64 * 1024;

class OutputWindow {
  public:
    // What of a frame's bytes is new. After a connection was lost some come again; beyond a gap
    // there is nothing to take, as the proxy is going to send from where we are.
    std::string_view Accept(uint64_t offset, std::string_view bytes);

    // `backlog`: accepted bytes that are not written yet.
    // What to say at a connection's beginning.
    StreamWindow Resume(uint64_t backlog);
    // What to tell the proxy now; nothing when it knows, or can wait.
    std::optional<StreamWindow> News(uint64_t backlog);

  private:
    StreamWindow Tell(uint64_t written);
    uint64_t Written(uint64_t backlog) const;

    uint64_t received_ = 0;
    uint64_t told_ = 0;  // offset of the last window
};

}  // namespace cc::shim
