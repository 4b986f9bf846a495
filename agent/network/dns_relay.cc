// SPDX-License-Identifier: Apache-2.0
#include "agent/network/dns_relay.h"

#include <algorithm>

#include <sys/socket.h>

#include "base/log.h"
#include "base/text.h"

namespace cc::agent {

namespace {

// Those that got no answer are forgotten when there are more.
constexpr size_t kMostAskers = 64;
constexpr size_t kMostStreams = 32;

Result<Fd> BoundSocket(int type) {
    Fd fd = Fd::Adopt(::socket(AF_INET, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!fd) return FailErrno("making a socket");
    const int yes = 1;
    (void)::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    const sockaddr_in own = ResolverSocketAddress();
    if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&own), sizeof own) < 0)
        return FailErrno(Cat("binding ", kResolverAddress, ":", kResolverPort));
    return fd;
}

}  // namespace

struct DnsRelay::Stream {
    std::unique_ptr<uv::Channel> channel;
    FrameBuffer heard;
};

DnsRelay::DnsRelay(uv::Loop& loop, OpenPort open_port)
    : loop_(loop),
      open_port_(std::move(open_port)),
      datagram_poll_(loop, [this](int) { OnDatagrams(); }),
      connection_poll_(loop, [this](int) { OnConnection(); }) {}

DnsRelay::~DnsRelay() = default;

Result<void> DnsRelay::Serve() {
    if (host_ || !open_port_) return {};
    CC_TRY(Bind());
    CC_ASSIGN(host_,
              open_port_(loop_, {.on_connect = [] {},
                                 .on_disconnect = [] {},
                                 .on_data = [this](std::string_view data) { OnAnswers(data); },
                                 .on_room = [] {}}));
    host_->Start();
    datagram_poll_.Start(UV_READABLE);
    connection_poll_.Start(UV_READABLE);
    return {};
}

Result<void> DnsRelay::Bind() {
    CC_ASSIGN(datagrams_, BoundSocket(SOCK_DGRAM));
    CC_ASSIGN(listener_, BoundSocket(SOCK_STREAM));
    if (::listen(listener_.get(), 16) < 0) return FailErrno("listening for questions");
    CC_TRY(datagram_poll_.Open(datagrams_.get()));
    return connection_poll_.Open(listener_.get());
}

void DnsRelay::OnDatagrams() {
    std::string message(kMaxDnsMessage, '\0');
    Asker asker;
    socklen_t size = sizeof asker.from;
    const ssize_t count = ::recvfrom(datagrams_.get(), message.data(), message.size(), 0,
                                     reinterpret_cast<sockaddr*>(&asker.from), &size);
    if (count <= 0) return;
    Ask(false, std::string_view(message).substr(0, static_cast<size_t>(count)), asker);
}

void DnsRelay::OnConnection() {
    Fd fd = Fd::Adopt(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (!fd || streams_.size() >= kMostStreams) return;
    const uint64_t number = ++last_stream_;
    auto stream = std::make_unique<Stream>();
    auto channel = uv::Channel::Open(
        loop_, std::move(fd),
        {.on_data = [this, number](std::string_view data) { OnStream(number, data); },
         .on_end = [this, number](const auto&) { streams_.erase(number); },
         .on_drained = nullptr});
    if (!channel) return Log(LogLevel::kWarn, channel.error().message);
    stream->channel = std::move(*channel);
    streams_[number] = std::move(stream);
}

void DnsRelay::OnStream(uint64_t number, std::string_view bytes) {
    FrameBuffer& heard = streams_.at(number)->heard;
    heard.Push(bytes);
    while (const auto length = heard.Peek(2)) {
        const size_t whole = 2 + LoadBigEndian<2>(*length, 0);
        const auto framed = heard.Peek(whole);
        if (!framed) return;
        Ask(true, framed->substr(2), {.from = {}, .stream = number});
        heard.Consume(whole);
    }
}

void DnsRelay::Ask(bool tcp, std::string_view message, const Asker& asker) {
    if (host_->congested()) return;
    if (askers_.size() >= kMostAskers) askers_.erase(askers_.begin());
    askers_[++last_id_] = asker;
    host_->Write(Encode(DnsFrame{last_id_, tcp, message}));
}

void DnsRelay::OnAnswers(std::string_view bytes) {
    decoder_.Push(bytes);
    while (true) {
        const auto frame = decoder_.Next();
        if (!frame) return Log(LogLevel::kWarn, frame.error().message);
        if (!*frame) return;
        Answer(**frame);
    }
}

void DnsRelay::Answer(const DnsFrame& frame) {
    const auto found = askers_.find(frame.id);
    if (found == askers_.end()) return;
    const Asker asker = found->second;
    askers_.erase(found);
    if (frame.message.empty()) return;
    if (!frame.tcp) {
        (void)::sendto(datagrams_.get(), frame.message.data(), frame.message.size(), MSG_NOSIGNAL,
                       reinterpret_cast<const sockaddr*>(&asker.from), sizeof asker.from);
        return;
    }
    const auto stream = streams_.find(asker.stream);
    if (stream == streams_.end()) return;
    std::string framed;
    AppendBigEndian<2>(framed, frame.message.size());
    stream->second->channel->Write(framed.append(frame.message));
}

bool NamesOurResolver(std::string_view resolv_conf) {
    const auto lines = Split(resolv_conf, '\n');
    return std::any_of(lines.begin(), lines.end(), [](std::string_view line) {
        constexpr std::string_view word = "nameserver";
        return line.starts_with(word) && Trim(line.substr(word.size())) == kResolverAddress;
    });
}

}  // namespace cc::agent
