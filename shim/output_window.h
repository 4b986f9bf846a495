// SPDX-License-Identifier: Apache-2.0
// How far a stream of the process's output is (protocol version 3): what has arrived, what of it
// was written out, and what the proxy was told of that. Only what was written is acknowledged, so
// that the proxy's side keeps the rest and a slow reader holds back his own stream; and not each
// write is, as a word of that costs as much as a small message.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "protocol/client_messages.h"
#include "protocol/window.h"

namespace cc::shim {

class OutputWindow {
  public:
    // What of a frame's bytes is new. After a connection was lost some come again; beyond a gap
    // there is nothing to take, as the proxy is going to send from where we are. `end`: the stream
    // ends after these bytes.
    std::string_view Accept(uint64_t offset, std::string_view bytes, bool end);

    // `backlog`: accepted bytes that are not written yet.
    // What to say at a connection's beginning.
    StreamWindow Resume(uint64_t backlog);
    // What to tell the proxy now; nothing when it knows, or can wait a little.
    std::optional<StreamWindow> News(uint64_t backlog);
    // Something is written that it does not know.
    bool Owes(uint64_t backlog) const { return Written(backlog) > told_; }
    // What to tell it when it has waited long enough.
    std::optional<StreamWindow> LateNews(uint64_t backlog);

  private:
    StreamWindow Tell(uint64_t written);
    uint64_t Written(uint64_t backlog) const;

    uint64_t received_ = 0;
    uint64_t told_ = 0;  // offset of the last window
    bool ended_ = false;
};

}  // namespace cc::shim
