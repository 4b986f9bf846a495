// SPDX-License-Identifier: Apache-2.0
// The host's end of the guest's way to a resolver that lives in the container's network namespace
// (protocol/dns_frame.h): asks there what the guest asks, and brings the answers. The guest reaches
// that one address and nothing else, and holds a limited number of sockets.
#pragma once

#include <map>
#include <memory>

#include "base/fd.h"
#include "base/uv/channel.h"
#include "protocol/dns_frame.h"

namespace cc {

class DnsRelay {
  public:
    // `stream`: the other end is the VMM's, and the guest's bytes come from it.
    static Result<std::unique_ptr<DnsRelay>> Open(uv::Loop& loop, Fd stream);
    ~DnsRelay();

    // Where questions are asked from now on; before that they are dropped.
    void AskIn(Fd network_namespace) { namespace_ = std::move(network_namespace); }

  private:
    class Question;
    explicit DnsRelay(uv::Loop& loop);
    void OnData(std::string_view bytes);
    void Ask(const DnsFrame& frame);
    // An empty message: there is none.
    void Answer(uint32_t id, bool tcp, std::string_view message);

    uv::Loop& loop_;
    std::unique_ptr<uv::Channel> guest_;
    DnsDecoder decoder_;
    Fd namespace_;
    std::map<uint32_t, std::unique_ptr<Question>> questions_;
};

}  // namespace cc
