// SPDX-License-Identifier: Apache-2.0
// Questions to a resolver that lives in the container's network namespace on the host, and its
// answers: frames between cc-agent and cc-vmm on a virtio-serial port of their own. All numbers are
// big endian.
//
//   id u32 | transport u8 | 0 | length u16 | message
//
// The agent chooses ids, an answer has its question's. A message is one of DNS (RFC 1035), as it
// is in a datagram; how it came says the transport. A question may remain without an answer.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <netinet/in.h>

#include "base/result.h"
#include "protocol/frame_buffer.h"

namespace cc {

constexpr std::string_view kDnsPortName = "sh.clearcontainers.dns.0";
// Docker's, in every network namespace that is in one of its user-defined networks.
constexpr const char* kResolverAddress = "127.0.0.11";
constexpr uint16_t kResolverPort = 53;
sockaddr_in ResolverSocketAddress();  // both of them
constexpr size_t kMaxDnsMessage = 65535;

struct DnsFrame {
    uint32_t id = 0;
    bool tcp = false;          // as it came, and is asked
    std::string_view message;  // of a decoded frame: valid until the decoder is touched again
};
// `message`: at most kMaxDnsMessage bytes.
std::string Encode(const DnsFrame& frame);

// Incremental; an error is final.
class DnsDecoder {
  public:
    void Push(std::string_view bytes) { buffer_.Push(bytes); }
    Result<std::optional<DnsFrame>> Next();  // nothing when more bytes are needed

  private:
    FrameBuffer buffer_;
};

}  // namespace cc
