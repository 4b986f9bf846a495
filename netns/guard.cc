// SPDX-License-Identifier: Apache-2.0
#include "netns/guard.h"

#include <algorithm>

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include "base/text.h"
#include "netns/message.h"
#include "netns/redirect.h"

namespace cc::netns {

namespace {

constexpr uint32_t kPass = static_cast<uint32_t>(TC_ACT_UNSPEC), kDrop = TC_ACT_SHOT;

// Offsets in a frame.
constexpr uint32_t kSource = 6, kType = 12;
constexpr uint32_t kArpMac = 22, kArpIp = 28;
constexpr uint32_t kNextHeader = 20, kHopLimit = 21, kSourceIpv6 = 22, kIcmpType = 54;
constexpr uint32_t kTarget = 62;

// What neighbours believe comes with this one only: it has passed no router.
constexpr uint32_t kFromTheLink = 255;
constexpr uint32_t kIcmpv6 = 58;
// Headers in front of others; no protocol on a link needs them with that hop limit.
constexpr uint32_t kExtensionHeaders[] = {0, 43, 44, 51, 60};
enum : uint32_t {
    kRouterSolicitation = 133,
    kRouterAdvertisement = 134,
    kNeighbourSolicitation = 135,
    kNeighbourAdvertisement = 136,
    kRedirect = 137,
};

// Put together in order; what has been loaded last is what is compared.
class FrameFilter {
  public:
    void LoadWord(uint32_t at) { Add(BPF_LD | BPF_W | BPF_ABS, at); }
    void LoadHalf(uint32_t at) { Add(BPF_LD | BPF_H | BPF_ABS, at); }
    void LoadByte(uint32_t at) { Add(BPF_LD | BPF_B | BPF_ABS, at); }
    void Return(uint32_t verdict) { Add(BPF_RET | BPF_K, verdict); }
    void ReturnIf(uint32_t value, uint32_t verdict) {
        Add(BPF_JMP | BPF_JEQ | BPF_K, value, 0, 1);
        Return(verdict);
    }
    void ReturnUnless(uint32_t value, uint32_t verdict) {
        Add(BPF_JMP | BPF_JEQ | BPF_K, value, 1, 0);
        Return(verdict);
    }
    // What follows, until its End(), is done for this value only.
    size_t Begin(uint32_t value) {
        Add(BPF_JMP | BPF_JEQ | BPF_K, value, 1, 0);
        Add(BPF_JMP | BPF_JA, 0);
        return code_.size();
    }
    void End(size_t begun) { code_[begun - 1].k = static_cast<uint32_t>(code_.size() - begun); }
    void ReturnIfAddress(uint32_t at, const in6_addr& address, uint32_t verdict) {
        std::vector<size_t> begun;
        for (size_t i = 0; i < 4; ++i) {
            LoadWord(at + static_cast<uint32_t>(4 * i));
            begun.push_back(Begin(ntohl(address.s6_addr32[i])));
        }
        Return(verdict);
        for (const size_t one : begun)
            End(one);
    }
    std::vector<sock_filter> Take() { return std::move(code_); }

  private:
    void Add(int code, uint32_t value, uint8_t if_true = 0, uint8_t if_false = 0) {
        code_.push_back({static_cast<uint16_t>(code), if_true, if_false, value});
    }
    std::vector<sock_filter> code_;
};

void CheckMac(FrameFilter& filter, uint32_t at, const std::array<uint8_t, 6>& mac) {
    filter.LoadWord(at);
    filter.ReturnUnless(
        uint32_t{mac[0]} << 24 | uint32_t{mac[1]} << 16 | uint32_t{mac[2]} << 8 | mac[3], kDrop);
    filter.LoadHalf(at + 4);
    filter.ReturnUnless(uint32_t{mac[4]} << 8 | mac[5], kDrop);
}

void CheckArp(FrameFilter& filter, const SenderRules& rules) {
    CheckMac(filter, kArpMac, rules.mac);
    filter.LoadWord(kArpIp);
    filter.ReturnIf(INADDR_ANY, kPass);  // only asks whether somebody has an address
    for (const auto& address : rules.ipv4)
        filter.ReturnIf(ntohl(address.s_addr), kPass);
    filter.Return(kDrop);
}

void PassOwn(FrameFilter& filter, uint32_t at, const SenderRules& rules) {
    for (const auto& address : rules.ipv6)
        filter.ReturnIfAddress(at, address, kPass);
}

// Everything that reaches this has come for ICMPv6 and with the hop limit of the link.
void CheckDiscovery(FrameFilter& filter, const SenderRules& rules) {
    filter.LoadByte(kIcmpType);
    filter.ReturnIf(kRouterAdvertisement, kDrop);
    filter.ReturnIf(kRedirect, kDrop);
    const size_t tells = filter.Begin(kNeighbourAdvertisement);
    PassOwn(filter, kTarget, rules);
    filter.Return(kDrop);
    filter.End(tells);
    const size_t seeks_router = filter.Begin(kRouterSolicitation);
    PassOwn(filter, kSourceIpv6, rules);
    filter.ReturnIfAddress(kSourceIpv6, in6addr_any, kPass);
    filter.Return(kDrop);
    filter.End(seeks_router);
    // From no address it says that the one it asks for is about to be taken.
    const size_t asks = filter.Begin(kNeighbourSolicitation);
    PassOwn(filter, kSourceIpv6, rules);
    PassOwn(filter, kTarget, rules);
    filter.Return(kDrop);
    filter.End(asks);
    filter.Return(kPass);
}

void CheckIpv6(FrameFilter& filter, const SenderRules& rules) {
    filter.LoadByte(kHopLimit);
    filter.ReturnUnless(kFromTheLink, kPass);
    filter.LoadByte(kNextHeader);
    for (const uint32_t header : kExtensionHeaders)
        filter.ReturnIf(header, kDrop);
    filter.ReturnUnless(kIcmpv6, kPass);
    CheckDiscovery(filter, rules);
}

constexpr uint32_t kQdisc = TC_H_MAKE(TC_H_CLSACT, 0);

// A qdisc that has filters for both ways.
Result<void> AddClsact(const Socket& socket, int index) {
    CC_ASSIGN(MessagePtr message, NewMessage(RTM_NEWQDISC, NLM_F_CREATE | NLM_F_EXCL));
    tcmsg about{};
    about.tcm_ifindex = index;
    about.tcm_handle = kQdisc;
    about.tcm_parent = TC_H_CLSACT;
    int failed = nlmsg_append(message.get(), &about, sizeof about, NLMSG_ALIGNTO);
    failed |= nla_put_string(message.get(), TCA_KIND, "clsact");
    if (failed != 0) return Fail("making a netlink message for a qdisc: out of memory", ENOMEM);
    auto added = SendMessage(socket, std::move(message), "adding a qdisc (clsact)");
    if (!added && added.error().code == EEXIST) return {};
    return added;
}

Result<void> PutFilter(const Socket& socket, int index, GuardedWay way,
                       const std::vector<sock_filter>& code) {
    const size_t size = code.size() * sizeof(sock_filter);
    // The same handle: replaces.
    CC_ASSIGN(MessagePtr message, NewMessage(RTM_NEWTFILTER, NLM_F_CREATE, size + 1024));
    tcmsg about{};
    about.tcm_ifindex = index;
    about.tcm_handle = 1;
    about.tcm_parent = way == GuardedWay::kIn ? kQdisc : TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_EGRESS);
    about.tcm_info = TC_H_MAKE(kGuardPriority << 16, htons(ETH_P_ALL));
    nl_msg* to = message.get();
    int failed = nlmsg_append(to, &about, sizeof about, NLMSG_ALIGNTO);
    failed |= nla_put_string(to, TCA_KIND, "bpf");
    nlattr* options = nla_nest_start(to, TCA_OPTIONS);
    failed |= nla_put_u16(to, TCA_BPF_OPS_LEN, static_cast<uint16_t>(code.size()));
    failed |= nla_put(to, TCA_BPF_OPS, static_cast<int>(size), code.data());
    failed |= nla_put_string(to, TCA_BPF_NAME, "cc");
    failed |= nla_put_u32(to, TCA_BPF_FLAGS, TCA_BPF_FLAG_ACT_DIRECT);
    if (failed != 0 || options == nullptr)
        return Fail("making a netlink message for a filter: out of memory", ENOMEM);
    nla_nest_end(to, options);
    return SendMessage(socket, std::move(message), "adding a filter (bpf)");
}

Result<void> AddAddress(SenderRules& rules, const std::string& text) {
    CC_ASSIGN(const AddrPtr address, ParseAddress(text));
    const void* bytes = nl_addr_get_binary_addr(address.get());
    if (nl_addr_get_family(address.get()) == AF_INET)
        rules.ipv4.push_back(*static_cast<const in_addr*>(bytes));
    if (nl_addr_get_family(address.get()) == AF_INET6)
        rules.ipv6.push_back(*static_cast<const in6_addr*>(bytes));
    return {};
}

}  // namespace

Result<SenderRules> RulesFor(const Network& network, const NetworkLink& link) {
    SenderRules rules;
    CC_ASSIGN(const AddrPtr mac, ParseAddress(link.mac, AF_LLC));
    if (nl_addr_get_len(mac.get()) != rules.mac.size())
        return Fail(Cat("the link ", link.name, " has no Ethernet address"));
    const auto* bytes = static_cast<const uint8_t*>(nl_addr_get_binary_addr(mac.get()));
    std::copy_n(bytes, rules.mac.size(), rules.mac.begin());
    for (const auto& one : network.links)
        for (const auto& address : one.addresses)
            CC_TRY(AddAddress(rules, address.address));
    return rules;
}

std::vector<sock_filter> GuardProgram(const SenderRules& rules) {
    FrameFilter filter;
    CheckMac(filter, kSource, rules.mac);
    filter.LoadHalf(kType);
    filter.ReturnIf(ETH_P_8021Q, kDrop);
    filter.ReturnIf(ETH_P_8021AD, kDrop);
    const size_t arp = filter.Begin(ETH_P_ARP);
    CheckArp(filter, rules);
    filter.End(arp);
    filter.ReturnUnless(ETH_P_IPV6, kPass);
    CheckIpv6(filter, rules);
    return filter.Take();
}

Result<void> Guard(const Socket& socket, int index, GuardedWay way, const SenderRules& rules) {
    if (way == GuardedWay::kOut) CC_TRY(AddClsact(socket, index));
    return PutFilter(socket, index, way, GuardProgram(rules));
}

}  // namespace cc::netns
