// SPDX-License-Identifier: Apache-2.0
#include "vmm/dns_relay.h"

#include <sys/socket.h>

#include "base/log.h"
#include "base/text.h"
#include "netns/in_namespace.h"

namespace cc {

namespace {

constexpr std::chrono::seconds kAnswerPatience{10};  // resolvers' own is five
constexpr size_t kMostQuestions = 64;
// Answers that the guest does not fetch.
constexpr size_t kMostQueued = 1 << 20;

Result<Fd> Connected(const Fd& network_namespace, int type) {
    CC_ASSIGN(Fd fd, netns::InNamespace(network_namespace, [type]() -> Result<Fd> {
                  Fd made = Fd::Adopt(::socket(AF_INET, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
                  return made ? Result<Fd>(std::move(made)) : FailErrno("making a socket");
              }));
    const sockaddr_in resolver = ResolverSocketAddress();
    if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&resolver), sizeof resolver) < 0 &&
        errno != EINPROGRESS)
        return FailErrno("connecting to the resolver");
    return fd;
}

}  // namespace

// One on its way. Any of its callbacks ends in Answer(), which destroys it.
class DnsRelay::Question {
  public:
    Question(DnsRelay& relay, uint32_t id, bool tcp)
        : relay_(relay), id_(id), tcp_(tcp), deadline_(relay.loop_, [this] { Done({}); }) {}

    Result<void> Ask(std::string_view message) {
        deadline_.Start(kAnswerPatience);
        return tcp_ ? AskByStream(message) : AskByDatagram(message);
    }

  private:
    void Done(std::string_view message) { relay_.Answer(id_, tcp_, message); }

    Result<void> AskByDatagram(std::string_view message) {
        CC_ASSIGN(socket_, Connected(relay_.namespace_, SOCK_DGRAM));
        if (::send(socket_.get(), message.data(), message.size(), MSG_NOSIGNAL) < 0)
            return FailErrno("asking the resolver");
        answered_ = std::make_unique<uv::Poll>(relay_.loop_, [this](int) { OnDatagram(); });
        CC_TRY(answered_->Open(socket_.get()));
        answered_->Start(UV_READABLE);
        return {};
    }
    void OnDatagram() {
        std::string message(kMaxDnsMessage, '\0');
        const ssize_t count = ::recv(socket_.get(), message.data(), message.size(), 0);
        if (count < 0 && errno == EAGAIN) return;
        message.resize(count > 0 ? static_cast<size_t>(count) : 0);
        Done(message);
    }

    // With its length in front (RFC 1035, 4.2.2).
    Result<void> AskByStream(std::string_view message) {
        CC_ASSIGN(Fd fd, Connected(relay_.namespace_, SOCK_STREAM));
        CC_ASSIGN(stream_,
                  uv::Channel::Open(relay_.loop_, std::move(fd),
                                    {.on_data = [this](std::string_view data) { OnStream(data); },
                                     .on_end = [this](const auto&) { Done({}); },
                                     .on_drained = nullptr}));
        std::string framed;
        AppendBigEndian<2>(framed, message.size());
        stream_->Write(framed.append(message));
        return {};
    }
    void OnStream(std::string_view data) {
        heard_.append(data);
        if (heard_.size() < 2) return;
        const size_t length = LoadBigEndian<2>(heard_, 0);
        if (heard_.size() < 2 + length) return;
        const std::string message = heard_.substr(2, length);
        Done(message);
    }

    DnsRelay& relay_;
    const uint32_t id_;
    const bool tcp_;
    Fd socket_;
    std::unique_ptr<uv::Poll> answered_;
    std::unique_ptr<uv::Channel> stream_;
    std::string heard_;
    uv::Timer deadline_;
};

Result<std::unique_ptr<DnsRelay>> DnsRelay::Open(uv::Loop& loop, Fd stream) {
    std::unique_ptr<DnsRelay> relay(new DnsRelay(loop));
    auto* self = relay.get();
    CC_ASSIGN(relay->guest_,
              uv::Channel::Open(loop, std::move(stream),
                                {.on_data = [self](std::string_view data) { self->OnData(data); },
                                 .on_end = [](const auto&) {},
                                 .on_drained = nullptr}));
    return relay;
}

DnsRelay::DnsRelay(uv::Loop& loop) : loop_(loop) {}

DnsRelay::~DnsRelay() = default;

void DnsRelay::OnData(std::string_view bytes) {
    decoder_.Push(bytes);
    while (true) {
        const auto frame = decoder_.Next();
        if (!frame) {
            Log(LogLevel::kWarn, "the guest asks no more names", {{"why", frame.error().message}});
            return guest_->PauseReading();
        }
        if (!*frame) return;
        Ask(**frame);
    }
}

void DnsRelay::Ask(const DnsFrame& frame) {
    if (!namespace_ || questions_.size() >= kMostQuestions || questions_.contains(frame.id)) return;
    auto question = std::make_unique<Question>(*this, frame.id, frame.tcp);
    auto& asked = *(questions_[frame.id] = std::move(question));
    if (auto sent = asked.Ask(frame.message); !sent) {
        Log(LogLevel::kDebug, "a question of the guest's", {{"why", sent.error().message}});
        Answer(frame.id, frame.tcp, {});
    }
}

void DnsRelay::Answer(uint32_t id, bool tcp, std::string_view message) {
    if (guest_->queued() < kMostQueued) guest_->Write(Encode(DnsFrame{id, tcp, message}));
    questions_.erase(id);
}

}  // namespace cc
