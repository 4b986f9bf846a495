// SPDX-License-Identifier: Apache-2.0
#include "runtime/network/link_ways.h"

#include <algorithm>

#include <glob.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/text.h"
#include "netns/bus_info.h"
#include "netns/macvtap.h"

namespace cc::runtime {

namespace {

bool WasTold(const Network& told, const NetworkLink& link) {
    return std::any_of(told.links.begin(), told.links.end(),
                       [&](const NetworkLink& known) { return known.index == link.index; });
}

// The place lies in a directory where anybody may make things.
bool IsOurs(const std::string& path, mode_t type, mode_t writable) {
    struct stat status {};
    return ::lstat(path.c_str(), &status) == 0 && (status.st_mode & S_IFMT) == type &&
           status.st_uid == ::geteuid() && (status.st_mode & writable) == 0;
}

Result<std::string> WhyNoMacvtap(const Fd& network_namespace, const std::string& link) {
    CC_ASSIGN(const netns::Socket socket, netns::Socket::OpenIn(network_namespace));
    if (!netns::KnowsMacvtap(socket)) return "this host's kernel has none: `modprobe macvtap`";
    CC_ASSIGN(const bool can, netns::CanCarryMacvtap(socket, link));
    return can ? "" : "a macvlan or ipvlan cannot carry one";
}

Failure NoRoom(const NetworkLink& link, std::string_view why) {
    return Fail(Cat("the link ", link.name, " ", why,
                    ", for which a virtual machine of this type has no room: set machine_type"),
                ENOSPC);
}

struct WayFinder {
    const LinkHost& host;
    const Fd& place;
    const LinkPolicy& policy;

    Result<LinkWay> WayOf(const NetworkLink& link) const;
    // A tap, where there can be no macvtap.
    Result<LinkWay> MacvtapWay(const NetworkLink& link) const;
    // None: it is no device of the host's, or none that this machine is to be given.
    Result<LinkWay> PhysicalWay(const NetworkLink& link) const;
    Result<PciDevice> PassableDevice(const NetworkLink& link, const std::string& address) const;
};

Result<PciDevice> WayFinder::PassableDevice(const NetworkLink& link,
                                            const std::string& address) const {
    CC_ASSIGN(PciDevice device, host.bus.Find(address));
    if (policy.devices < 2) return NoRoom(link, "is a device of the host's");
    CC_TRY(host.bus.CheckPassable(device));
    return device;
}

Result<LinkWay> WayFinder::PhysicalWay(const NetworkLink& link) const {
    if (policy.physical == PhysicalLinks::kTap) return LinkWay();
    const auto ask = host.bus_info ? host.bus_info : netns::BusInfoOf;
    CC_ASSIGN(const std::string address, ask(place, link.name));
    if (!IsPciAddress(address)) return LinkWay();
    auto device = PassableDevice(link, address);
    if (device)
        return LinkWay{CardKind::kPhysical, std::move(device->address), std::move(device->driver)};
    if (policy.physical == PhysicalLinks::kVfio)
        return Context(Cat("physical_interfaces = \"vfio\": ", link.name),
                       Result<LinkWay>(Failure(device.error())));
    Log(LogLevel::kInfo, "a device of the host's is reached by a tap",
        {{"link", link.name}, {"why", device.error().message}});
    return LinkWay();
}

Result<LinkWay> WayFinder::WayOf(const NetworkLink& link) const {
    if (std::string socket = FindVhostUserSocket(host.vhost_user, link); !socket.empty()) {
        if (policy.devices < 2) return NoRoom(link, "is served by vhost-user");
        return LinkWay{CardKind::kVhostUser, std::move(socket), {}};
    }
    CC_ASSIGN(LinkWay way, PhysicalWay(link));
    if (way.kind == CardKind::kTap && policy.model == LinkModel::kMacvtap) return MacvtapWay(link);
    return way;
}

Result<LinkWay> WayFinder::MacvtapWay(const NetworkLink& link) const {
    const auto ask = host.no_macvtap ? host.no_macvtap : WhyNoMacvtap;
    CC_ASSIGN(std::string why, ask(place, link.name));
    if (policy.devices < 2) why = "nothing can be plugged into a machine of this type";
    if (why.empty()) return LinkWay{CardKind::kMacvtap, link.name, {}};
    Log(LogLevel::kWarn, "a link is joined by tcfilter instead of macvtap",
        {{"link", link.name}, {"why", why}});
    return LinkWay();
}

}  // namespace

std::string FindVhostUserSocket(const std::string& prefix, const NetworkLink& link) {
    for (const auto& address : link.addresses) {
        const std::string directory = prefix + address.address.substr(0, address.address.find('/'));
        std::string socket = directory + "/vhu.sock";
        struct stat status {};
        if (::lstat(socket.c_str(), &status) < 0) continue;
        // Who may write to the socket may only connect to it; who may write to the directory may
        // put another in its place.
        if (IsOurs(directory, S_IFDIR, S_IWGRP | S_IWOTH) && IsOurs(socket, S_IFSOCK, 0))
            return socket;
        Log(LogLevel::kWarn, "a vhost-user socket is passed over: it is not root's alone",
            {{"path", socket}});
    }
    return {};
}

Result<LinkWays> FindWays(const LinkHost& host, const Fd& network_namespace, const Network& found,
                          const NetworkRecord& record) {
    const WayFinder finder{host, network_namespace, record.policy};
    LinkWays ways;
    for (const auto& link : found.links) {
        if (link.addresses.empty() || link.mac.empty() || WasTold(record.told, link)) continue;
        CC_ASSIGN(LinkWay way, finder.WayOf(link));
        if (way.kind != CardKind::kTap) ways[link.index] = std::move(way);
    }
    return ways;
}

bool AnyVhostUser(const std::string& prefix) {
    glob_t found{};
    const bool any = ::glob((prefix + "*").c_str(), GLOB_NOSORT, nullptr, &found) == 0;
    ::globfree(&found);
    return any;
}

}  // namespace cc::runtime
