// SPDX-License-Identifier: Apache-2.0
#include "protocol/dns_frame.h"

#include <arpa/inet.h>

#include "base/text.h"

namespace cc {

namespace {
constexpr size_t kHeader = 8;
enum Transport : uint64_t { kUdp = 0, kTcp = 1 };
}  // namespace

sockaddr_in ResolverSocketAddress() {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(kResolverPort);
    ::inet_pton(AF_INET, kResolverAddress, &address.sin_addr);
    return address;
}

std::string Encode(const DnsFrame& frame) {
    std::string out;
    out.reserve(kHeader + frame.message.size());
    AppendBigEndian<4>(out, frame.id);
    AppendBigEndian<1>(out, frame.tcp ? kTcp : kUdp);
    AppendBigEndian<1>(out, 0);
    AppendBigEndian<2>(out, frame.message.size());
    out.append(frame.message);
    return out;
}

Result<std::optional<DnsFrame>> DnsDecoder::Next() {
    const auto header = buffer_.Peek(kHeader);
    if (!header) return std::nullopt;
    const uint64_t transport = LoadBigEndian<1>(*header, 4);
    if (transport > kTcp || LoadBigEndian<1>(*header, 5) != 0)
        return Fail(Cat("a DNS frame of the unknown kind ", transport));
    const size_t length = LoadBigEndian<2>(*header, 6);
    const auto frame = buffer_.Peek(kHeader + length);
    if (!frame) return std::nullopt;
    buffer_.Consume(kHeader + length);
    return DnsFrame{static_cast<uint32_t>(LoadBigEndian<4>(*frame, 0)), transport == kTcp,
                    frame->substr(kHeader)};
}

}  // namespace cc
