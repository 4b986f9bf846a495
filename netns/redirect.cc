// SPDX-License-Identifier: Apache-2.0
#include "netns/redirect.h"

#include <linux/if_ether.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <linux/tc_act/tc_mirred.h>
#include <netlink/route/act/mirred.h>
#include <netlink/route/action.h>
#include <netlink/route/classifier.h>
#include <netlink/route/cls/u32.h>
#include <netlink/route/qdisc.h>

#include "base/text.h"

namespace cc::netns {

namespace {

using QdiscPtr = Owned<rtnl_qdisc, rtnl_qdisc_put>;
using FilterPtr = Owned<rtnl_cls, rtnl_cls_put>;
using ActionPtr = Owned<rtnl_act, rtnl_act_put>;

constexpr uint32_t kIngressHandle = 0xffff0000;

QdiscPtr IngressOf(int index) {
    QdiscPtr qdisc(rtnl_qdisc_alloc());
    rtnl_tc_set_ifindex(TC_CAST(qdisc.get()), index);
    rtnl_tc_set_parent(TC_CAST(qdisc.get()), TC_H_INGRESS);
    rtnl_tc_set_handle(TC_CAST(qdisc.get()), kIngressHandle);
    (void)rtnl_tc_set_kind(TC_CAST(qdisc.get()), "ingress");
    return qdisc;
}

}  // namespace

Result<void> HandOver(const Socket& socket, int from, int to) {
    const FilterPtr filter(rtnl_cls_alloc());
    rtnl_tc_set_ifindex(TC_CAST(filter.get()), from);
    rtnl_tc_set_parent(TC_CAST(filter.get()), kIngressHandle);
    CC_TRY(Check(rtnl_tc_set_kind(TC_CAST(filter.get()), "u32"), "the filter u32"));
    rtnl_cls_set_prio(filter.get(), kHandOverPriority);
    rtnl_cls_set_protocol(filter.get(), ETH_P_ALL);
    // Any frame: nothing of its first word is looked at.
    CC_TRY(Check(rtnl_u32_add_key_uint32(filter.get(), 0, 0, 0, 0), "a key of a filter"));
    CC_TRY(Check(rtnl_u32_set_cls_terminal(filter.get()), "a filter"));
    const ActionPtr action(rtnl_act_alloc());
    CC_TRY(Check(rtnl_tc_set_kind(TC_CAST(action.get()), "mirred"), "the action mirred"));
    rtnl_mirred_set_action(action.get(), TCA_EGRESS_REDIR);
    rtnl_mirred_set_policy(action.get(), TC_ACT_STOLEN);
    rtnl_mirred_set_ifindex(action.get(), static_cast<uint32_t>(to));
    CC_TRY(Check(rtnl_u32_add_action(filter.get(), action.get()), "the action of a filter"));
    return Check(rtnl_cls_add(socket.get(), filter.get(), NLM_F_CREATE | NLM_F_EXCL),
                 "adding a filter (u32, mirred)");
}

Result<void> AddIngress(const Socket& socket, int index) {
    CC_TRY(StopRedirecting(socket, index));
    const QdiscPtr qdisc = IngressOf(index);
    return Check(rtnl_qdisc_add(socket.get(), qdisc.get(), NLM_F_CREATE | NLM_F_EXCL),
                 "adding an ingress qdisc");
}

Result<void> Redirect(const Socket& socket, int from, int to) {
    CC_TRY(AddIngress(socket, from));
    return HandOver(socket, from, to);
}

Result<void> StopRedirecting(const Socket& socket, int from) {
    CC_ASSIGN(const bool there, HasIngress(socket, from));
    if (!there) return {};
    const QdiscPtr qdisc = IngressOf(from);
    return Check(rtnl_qdisc_delete(socket.get(), qdisc.get()), "removing an ingress qdisc");
}

Result<bool> HasIngress(const Socket& socket, int index) {
    nl_cache* cache = nullptr;
    CC_TRY(Check(rtnl_qdisc_alloc_cache(socket.get(), &cache), "reading qdiscs"));
    const CachePtr qdiscs(cache);
    for (auto* object = nl_cache_get_first(cache); object != nullptr;
         object = nl_cache_get_next(object)) {
        auto* qdisc = TC_CAST(object);
        const char* kind = rtnl_tc_get_kind(qdisc);
        if (rtnl_tc_get_ifindex(qdisc) == index && kind != nullptr &&
            std::string_view(kind) == "ingress")
            return true;
    }
    return false;
}

Result<void> MoveLink(const Socket& socket, int index, const Fd& network_namespace,
                      const std::string& name) {
    const LinkPtr link(rtnl_link_alloc()), changes(rtnl_link_alloc());
    rtnl_link_set_ifindex(link.get(), index);
    rtnl_link_set_ns_fd(changes.get(), network_namespace.get());
    rtnl_link_set_name(changes.get(), name.c_str());
    return Check(rtnl_link_change(socket.get(), link.get(), changes.get(), 0),
                 Cat("moving the link ", name, " to another network namespace"));
}

Result<void> DeleteLink(const Socket& socket, const std::string& name) {
    const LinkPtr link(rtnl_link_alloc());
    rtnl_link_set_name(link.get(), name.c_str());
    auto deleted = Check(rtnl_link_delete(socket.get(), link.get()), Cat("deleting ", name));
    if (!deleted && (deleted.error().code == ENODEV || deleted.error().code == ENOENT)) return {};
    return deleted;
}

}  // namespace cc::netns
