// SPDX-License-Identifier: Apache-2.0
#include "vmm/network_watch.h"

#include <algorithm>
#include <array>
#include <csignal>

#include <unistd.h>

#include "base/log.h"
#include "base/text.h"
#include "netns/scan.h"
#include "protocol/vm_verbs.h"

namespace cc {

namespace {

using std::chrono::milliseconds;

// An engine makes a link in several steps, some milliseconds apart.
constexpr milliseconds kQuiet{100};
// Of a namespace that is never quiet.
constexpr milliseconds kPatience{1000};
// After a call that failed, of several; the next change is another reason to call.
constexpr milliseconds kRetry{2000};
constexpr int kRetries = 3;

// Ours come and go with what we do.
Result<Network> Look(const netns::Socket& reader) {
    CC_ASSIGN(Network network, netns::ReadNetwork(reader));
    std::erase_if(network.links, [](const NetworkLink& link) { return IsOwnLinkName(link.name); });
    return network;
}

}  // namespace

Result<std::unique_ptr<NetworkWatch>> NetworkWatch::Start(uv::Loop& loop, Fd network_namespace,
                                                          NetworkFollower follower) {
    CC_ASSIGN(netns::Socket reader, netns::Socket::OpenIn(network_namespace));
    CC_ASSIGN(netns::Socket listener, netns::Socket::OpenIn(network_namespace));
    CC_ASSIGN(netns::Monitor monitor, netns::Monitor::Watch(std::move(listener)));
    std::unique_ptr<NetworkWatch> watch(new NetworkWatch(loop, std::move(network_namespace),
                                                         std::move(follower), std::move(reader),
                                                         std::move(monitor)));
    CC_ASSIGN(watch->seen_, Look(watch->reader_));
    CC_TRY(watch->events_.Open(watch->monitor_.fd()));
    watch->events_.Start(UV_READABLE);
    return watch;
}

NetworkWatch::NetworkWatch(uv::Loop& loop, Fd network_namespace, NetworkFollower follower,
                           netns::Socket reader, netns::Monitor monitor)
    : loop_(loop),
      namespace_(std::move(network_namespace)),
      follower_(std::move(follower)),
      reader_(std::move(reader)),
      monitor_(std::move(monitor)),
      events_(loop, [this](int) { OnEvent(); }),
      quiet_(loop, [this] { OnQuiet(); }) {}

NetworkWatch::~NetworkWatch() {
    if (call_) call_.Kill();
}

void NetworkWatch::OnEvent() {
    if (auto heard = monitor_.Drain(); !heard) {
        Log(LogLevel::kError, "the network is not watched any more",
            {{"why", heard.error().message}});
        return events_.Stop();
    }
    const auto now = std::chrono::steady_clock::now();
    if (!quiet_.active()) first_ = now;
    if (now - first_ < kPatience) quiet_.Start(kQuiet);
}

void NetworkWatch::OnQuiet() {
    if (call_) {
        again_ = true;
        return;
    }
    auto now = Look(reader_);
    // Something goes on changing, and says so.
    if (!now || *now == seen_) return;
    if (auto called = Call(); !called) {
        Log(LogLevel::kError, "the guest's network is not brought up to date",
            {{"why", called.error().message}});
        return;
    }
    seen_ = std::move(*now);
}

Result<void> NetworkWatch::Call() {
    CC_ASSIGN(FdPair output, MakePipe());
    SpawnOptions options;
    options.executable = follower_.executable;
    options.arguments = {"cc-runtime", "--root", follower_.root, "follow-network",
                         Cat("--sandbox=", follower_.sandbox)};
    options.fds = {{output.second.get(), STDERR_FILENO}, {namespace_.get(), kFollowedNetworkFd}};
    options.parent_death_signal = SIGKILL;
    CC_ASSIGN(call_, Spawn(options));
    said_ = std::move(output.first);
    call_end_ = std::make_unique<uv::Poll>(loop_, [this](int) { OnCallEnd(); });
    CC_TRY(call_end_->Open(call_.pidfd()));
    call_end_->Start(UV_READABLE);
    return {};
}

void NetworkWatch::OnCallEnd() {
    call_end_.reset();  // before what it watches
    const int status = ExitCodeOf(call_.Reap().value_or(0));
    call_ = {};
    std::array<char, 2048> words{};
    // It has ended, so all that it said is there.
    const ssize_t count = status == 0 ? 0 : ::read(said_.get(), words.data(), words.size());
    if (status == 0)
        failures_ = 0;
    else
        Log(LogLevel::kWarn, "the guest's network was not brought up to date",
            {{"status", Cat(status)},
             {"why", std::string(words.data(), static_cast<size_t>(std::max<ssize_t>(count, 0)))}});
    if (status != 0) seen_.reset();
    if (std::exchange(again_, false))
        quiet_.Start(kQuiet);
    else if (status != 0 && ++failures_ <= kRetries)
        quiet_.Start(kRetry);
}

}  // namespace cc
