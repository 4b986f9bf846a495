// SPDX-License-Identifier: Apache-2.0
#include "runtime/network/cards.h"

#include <algorithm>
#include <thread>

#include "base/log.h"
#include "base/text.h"
#include "netns/redirect.h"

namespace cc::runtime {

namespace {

// A driver that loads firmware takes its time.
constexpr int kLinkTries = 60;
constexpr std::chrono::milliseconds kLinkPause{50};

Result<int> WaitForLink(const PciBus& bus, const std::string& address) {
    auto index = bus.LinkOf(address);
    for (int i = 0; i < kLinkTries && !index; ++i) {
        std::this_thread::sleep_for(kLinkPause);
        index = bus.LinkOf(address);
    }
    return index;
}

// Drivers make their links in the host's namespace, where commands run; the engine looks for it
// where it has put it.
Result<void> ReturnLink(const PciBus& bus, const CardRecord& card, const Fd& network_namespace) {
    if (!network_namespace || card.held.links.empty()) return {};
    CC_ASSIGN(const int index, WaitForLink(bus, card.card.source));
    CC_ASSIGN(const netns::Socket socket, netns::Socket::Open());
    return netns::MoveLink(socket, index, network_namespace, card.held.links.front().name);
}

Result<void> ReturnDevice(const PciBus& bus, const CardRecord& card, const Fd& network_namespace) {
    CC_TRY(bus.GiveBack(card.card.source, card.driver));
    if (card.driver.empty()) return {};
    if (auto returned = ReturnLink(bus, card, network_namespace); !returned)
        Log(LogLevel::kWarn, "a device's link stays in the host's network namespace",
            {{"device", card.card.source}, {"why", returned.error().message}});
    return {};
}

}  // namespace

std::string DeviceOf(const CardRecord& card) {
    const bool physical = card.card.kind == CardKind::kPhysical && !card.held.links.empty();
    return physical ? card.held.links.front().mac : NicAddress(card.card.number);
}

const CardRecord* CardOf(const std::vector<CardRecord>& cards, const NetworkLink& link) {
    const auto found = std::find_if(cards.begin(), cards.end(), [&](const CardRecord& card) {
        return DeviceOf(card) == link.device;
    });
    return found == cards.end() ? nullptr : &*found;
}

std::vector<Card> CardsFromStart(const std::vector<CardRecord>& cards) {
    std::vector<Card> all;
    for (const auto& card : cards)
        if (card.card.kind != CardKind::kMacvtap) all.push_back(card.card);
    return all;
}

bool NeedsSharedMemory(const std::vector<CardRecord>& cards) {
    return std::any_of(cards.begin(), cards.end(), [](const CardRecord& card) {
        return card.card.kind == CardKind::kVhostUser;
    });
}

Result<void> TakeDevice(const PciBus& bus, const CardRecord& card) {
    if (card.card.kind != CardKind::kPhysical) return {};
    return bus.GiveToVfio(card.card.source);
}

Result<void> ReturnDevices(const PciBus& bus, const std::vector<CardRecord>& cards,
                           const Fd& network_namespace) {
    Result<void> all;
    for (const auto& card : cards) {
        if (card.card.kind != CardKind::kPhysical) continue;
        auto returned = ReturnDevice(bus, card, network_namespace);
        if (!returned && all) all = std::move(returned);
    }
    return all;
}

Network PartOf(const Network& network, const NetworkLink& link) {
    Network part;
    part.links.push_back(link);
    for (const auto& route : network.routes)
        if (!route.next_hops.empty() &&
            std::all_of(route.next_hops.begin(), route.next_hops.end(),
                        [&](const NextHop& hop) { return hop.link == link.name; }))
            part.routes.push_back(route);
    for (const auto& neighbour : network.neighbours)
        if (neighbour.link == link.name) part.neighbours.push_back(neighbour);
    return part;
}

}  // namespace cc::runtime
