// SPDX-License-Identifier: Apache-2.0
#include "agent/network/network_change.h"

#include <algorithm>

#include "base/text.h"
#include "netns/update.h"

namespace cc::agent {

namespace {

// From QEMU's device_add to a driver that knows the device: half a second, under emulation on a
// busy host much more.
constexpr std::chrono::seconds kDeviceDeadline{15};

NetworkLink* LinkOf(Network& network, const std::string& device) {
    const auto found = std::find_if(network.links.begin(), network.links.end(),
                                    [&](const auto& link) { return link.device == device; });
    return found == network.links.end() ? nullptr : &*found;
}

Result<bool> IsHere(const netns::Socket& socket, const std::string& mac) {
    if (mac.empty()) return false;
    CC_ASSIGN(const int index, netns::FindLinkByMac(socket, mac));
    return index != 0;
}

// Empty: there is no such link.
Result<std::string> MacByName(const netns::Socket& socket, const std::string& name) {
    rtnl_link* found = nullptr;
    auto looked =
        netns::Check(rtnl_link_get_kernel(socket.get(), 0, name.c_str(), &found), "looking at it");
    if (!looked)
        return looked.error().code == ENODEV ? Result<std::string>("") : Failure(looked.error());
    const netns::LinkPtr link(found);
    return netns::MacOf(found);
}

}  // namespace

NetworkChange::NetworkChange(uv::Loop& loop, NetworkDevice& device, Network was, Network wanted)
    : device_(device),
      was_(std::move(was)),
      wanted_(std::move(wanted)),
      poll_(loop, [this](int) { OnChange(); }),
      deadline_(loop, [this] {
          Finish(Fail(Cat("no network device with the address ", missing_, " has appeared within ",
                          kDeviceDeadline.count(), " s of being plugged in"),
                      ETIMEDOUT));
      }) {}

void NetworkChange::Run(Done done) {
    done_ = std::move(done);
    if (auto begun = Begin(); !begun) Finish(std::move(begun));
}

// Listens before it looks, so that nothing is missed.
Result<void> NetworkChange::Begin() {
    CC_ASSIGN(netns::Socket socket, device_.OpenMachine());
    CC_ASSIGN(monitor_, netns::Monitor::Watch(std::move(socket)));
    CC_TRY(poll_.Open(monitor_->fd()));
    CC_ASSIGN(const bool all, FindDevices());
    if (all) {
        Finish(Apply());
        return {};
    }
    poll_.Start(UV_READABLE);
    deadline_.Start(kDeviceDeadline);
    return {};
}

void NetworkChange::OnChange() {
    if (auto heard = monitor_->Drain(); !heard) return Finish(std::move(heard));
    const auto all = FindDevices();
    if (!all) return Finish(Failure(all.error()));
    if (*all) Finish(Apply());
}

// Of one that was given its address already, by a change that failed later or by the one before
// this; whose address was changed in the guest; or that nobody has had yet.
Result<std::string> NetworkChange::PresentMac(const NetworkLink& wanted) {
    const NetworkLink* was = LinkOf(was_, wanted.device);
    CC_ASSIGN(const netns::Socket socket, netns::Socket::Open());
    for (const std::string& mac : {was == nullptr ? std::string() : was->mac, wanted.mac}) {
        CC_ASSIGN(const bool here, IsHere(socket, mac));
        if (here) return mac;
    }
    if (was != nullptr) {
        CC_ASSIGN(std::string mac, MacByName(socket, was->name));
        if (!mac.empty()) return mac;
    }
    CC_ASSIGN(const bool here, device_.Bring(wanted.device));
    return here ? wanted.device : std::string();
}

Result<bool> NetworkChange::FindDevices() {
    for (const auto& link : wanted_.links) {
        CC_ASSIGN(const std::string mac, PresentMac(link));
        missing_ = link.device;
        if (mac.empty()) return false;
    }
    return true;
}

Result<void> NetworkChange::Apply() {
    // The machine's first device is the pod's to see when it was told of no network at all.
    if (LinkOf(wanted_, std::string(kNicAddress)) == nullptr &&
        LinkOf(was_, std::string(kNicAddress)) == nullptr)
        CC_TRY(device_.Park(std::string(kNicAddress), std::string(kNicAddress)));
    for (const auto& link : was_.links)
        if (LinkOf(wanted_, link.device) == nullptr)
            CC_TRY(Context(Cat("link ", link.name), device_.Park(link.mac, link.device)));
    // From here on `device` is what the kernel knows the devices by.
    for (auto& link : wanted_.links) {
        CC_ASSIGN(std::string mac, PresentMac(link));
        if (NetworkLink* was = LinkOf(was_, link.device)) was->device = mac;
        link.device = std::move(mac);
    }
    CC_ASSIGN(const netns::Socket socket, netns::Socket::Open());
    return netns::UpdateNetwork(socket, was_, wanted_);
}

void NetworkChange::Finish(Result<void> how) {
    poll_.Stop();
    deadline_.Stop();
    const Done done = std::exchange(done_, nullptr);
    if (done) done(std::move(how));
}

}  // namespace cc::agent
