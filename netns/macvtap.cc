// SPDX-License-Identifier: Apache-2.0
#include "netns/macvtap.h"

#include <array>

#include <fcntl.h>
#include <net/if.h>
#include <netlink/route/link/macvtap.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/text.h"
#include "netns/apply.h"
#include "netns/in_namespace.h"

namespace cc::netns {

namespace {

constexpr const char* kMode = "passthru";
constexpr int kLoopback = 1;  // index of a namespace's first link

Result<LinkPtr> NewMacvtap(const std::string& name, int below) {
    LinkPtr link(rtnl_link_macvtap_alloc());
    if (!link) return Fail("making a macvtap: out of memory", ENOMEM);
    rtnl_link_set_name(link.get(), name.c_str());
    rtnl_link_set_link(link.get(), below);
    CC_TRY(Check(rtnl_link_macvtap_set_mode(
                     link.get(), static_cast<uint32_t>(rtnl_link_macvtap_str2mode(kMode))),
                 "a macvtap's mode"));
    return link;
}

// A file system that nobody else sees. A sysfs shows the links of the namespace in which it was
// mounted.
Result<Fd> MountDetached(const char* type) {
    const std::string what = Cat("mounting a ", type, " of our own");
    const Fd context = Fd::Adopt(::fsopen(type, FSOPEN_CLOEXEC));
    if (!context) return FailErrno(what);
    if (::fsconfig(context.get(), FSCONFIG_CMD_CREATE, nullptr, nullptr, 0) < 0)
        return FailErrno(what);
    Fd mount = Fd::Adopt(::fsmount(context.get(), FSMOUNT_CLOEXEC, 0));
    if (!mount) return FailErrno(what);
    return mount;
}

Result<dev_t> ParseDevice(std::string_view text) {
    const auto numbers = Split(Trim(text), ':');
    if (numbers.size() == 2) {
        const auto major = ParseNumber<unsigned>(numbers[0]);
        const auto minor = ParseNumber<unsigned>(numbers[1]);
        if (major && minor) return makedev(*major, *minor);
    }
    return Fail(Cat(Quoted(text, 32), " is no number of a device"));
}

// The kernel numbers them over all namespaces, and names them after the index of their link, which
// is another link's in another namespace.
Result<dev_t> DeviceOf(const std::string& name, int index) {
    CC_ASSIGN(const Fd sysfs, MountDetached("sysfs"));
    const std::string path = Cat("class/net/", name, "/tap", index, "/dev");
    const Fd file = Fd::Adopt(::openat(sysfs.get(), path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!file) return FailErrno(Cat("looking for the device of ", name));
    std::array<char, 32> text{};
    const ssize_t count = ::read(file.get(), text.data(), text.size());
    if (count < 0) return FailErrno(Cat("reading the device of ", name));
    return ParseDevice({text.data(), static_cast<size_t>(count)});
}

}  // namespace

Result<void> AddMacvtap(const Socket& socket, const std::string& name, const std::string& below) {
    CC_ASSIGN(const FoundLink link, FindLink(socket, below));
    CC_ASSIGN(const LinkPtr macvtap, NewMacvtap(name, link.index));
    const std::string what = Cat("making a macvtap above ", below);
    CC_TRY(Check(rtnl_link_add(socket.get(), macvtap.get(), NLM_F_CREATE | NLM_F_EXCL), what));
    CC_ASSIGN(const FoundLink made, Context(what, FindLink(socket, name)));
    CC_TRY(ForbidOwnAddresses(socket, made.index));
    // Which groups the guest has joined only the guest knows. Before it is up: the link below would
    // keep it.
    const LinkPtr which(rtnl_link_alloc()), changes(rtnl_link_alloc());
    rtnl_link_set_ifindex(which.get(), made.index);
    rtnl_link_set_flags(changes.get(), IFF_ALLMULTI);
    CC_TRY(Check(rtnl_link_change(socket.get(), which.get(), changes.get(), 0), what));
    return Context(what, SetUp(socket, made.index, true));
}

Result<std::vector<Fd>> OpenMacvtap(const Fd& network_namespace, const std::string& name,
                                    int queues) {
    CC_ASSIGN(const Socket socket, Socket::OpenIn(network_namespace));
    CC_ASSIGN(const FoundLink link, FindLink(socket, name));
    CC_ASSIGN(const dev_t device,
              InNamespace(network_namespace, [&] { return DeviceOf(name, link.index); }));
    CC_ASSIGN(const Fd place, MountDetached("tmpfs"));
    if (::mknodat(place.get(), "tap", S_IFCHR | 0600, device) < 0)
        return FailErrno(Cat("making a node for ", name));
    std::vector<Fd> taps;
    for (int i = 0; i < queues; ++i) {
        taps.push_back(Fd::Adopt(::openat(place.get(), "tap", O_RDWR | O_NONBLOCK | O_CLOEXEC)));
        if (!taps.back()) return FailErrno(Cat("opening the macvtap ", name));
    }
    return taps;
}

// None can be above loopback; what knows them says that it is no place for one.
bool KnowsMacvtap(const Socket& socket) {
    const auto link = NewMacvtap("probe_cc", kLoopback);
    if (!link) return false;
    const auto added = Check(rtnl_link_add(socket.get(), link->get(), NLM_F_CREATE | NLM_F_EXCL),
                             "asking for a macvtap");
    return added || added.error().code != EOPNOTSUPP;
}

Result<bool> CanCarryMacvtap(const Socket& socket, const std::string& name) {
    rtnl_link* found = nullptr;
    CC_TRY(Check(rtnl_link_get_kernel(socket.get(), 0, name.c_str(), &found),
                 Cat("looking for the link ", Quoted(name, 32))));
    const LinkPtr link(found);
    const char* type = rtnl_link_get_type(found);
    const std::string_view kind = type == nullptr ? "" : type;
    return kind != "macvlan" && kind != "macvtap" && kind != "ipvlan" && kind != "ipvtap";
}

}  // namespace cc::netns
