// SPDX-License-Identifier: Apache-2.0
#include "agent/executor/id_map.h"

#include <csignal>

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/executor/child.h"
#include "base/file.h"
#include "base/text.h"

namespace cc::agent {

namespace {

std::string Lines(const std::vector<IdMapping>& mappings) {
    std::string lines;
    for (const auto& mapping : mappings)
        lines += Cat(mapping.container, " ", mapping.host, " ", mapping.size, "\n");
    return lines;
}

// What the child of MakeUserNamespace does: tells its pid as the mounted /proc numbers it, and
// waits to be ended.
int TellAndWait(int socket) {
    const auto self = ReadLink("/proc/self");
    if (!self || !WriteAll(socket, *self)) return 1;
    ::pause();
    return 0;
}

}  // namespace

std::optional<uint32_t> OutsideId(const std::vector<IdMapping>& mappings, uint32_t id) {
    if (mappings.empty()) return id;
    for (const auto& mapping : mappings)
        if (id >= mapping.container && id - mapping.container < mapping.size)
            return mapping.host + (id - mapping.container);
    return std::nullopt;
}

Result<void> WriteIdMaps(const std::string& process_directory, const IdMappings& map) {
    CC_TRY(Context("uidMappings", WriteExisting(process_directory + "/uid_map", Lines(map.uids))));
    return Context("gidMappings", WriteExisting(process_directory + "/gid_map", Lines(map.gids)));
}

Result<Fd> MakeUserNamespace(const IdMappings& map) {
    CC_ASSIGN(const FdPair socket, MakeSocketPair(SOCK_SEQPACKET));
    ForkOptions options;
    options.namespaces = CLONE_NEWUSER;
    const int told = socket.second.get();
    CC_ASSIGN(const Child child,
              Context("a user namespace", Fork(options, [told] { return TellAndWait(told); })));
    auto made = [&]() -> Result<Fd> {
        char pid[24];
        const ssize_t length = ::read(socket.first.get(), pid, sizeof pid);
        if (length <= 0) return Fail("its process ended at once");
        const std::string directory =
            Cat("/proc/", std::string_view(pid, static_cast<size_t>(length)));
        CC_TRY(WriteIdMaps(directory, map));
        return OpenFile(directory + "/ns/user", O_RDONLY);
    }();
    (void)SignalChild(child, SIGKILL);
    ::waitpid(child.pid, nullptr, 0);
    return Context("a user namespace", std::move(made));
}

Result<void> MapTree(int tree, const IdMappings& map, bool recursive) {
    CC_ASSIGN(const Fd space, MakeUserNamespace(map));
    mount_attr change{};
    change.attr_set = MOUNT_ATTR_IDMAP;
    change.userns_fd = static_cast<uint64_t>(space.get());
    const unsigned flags = AT_EMPTY_PATH | (recursive ? unsigned{AT_RECURSIVE} : 0);
    if (::mount_setattr(tree, "", flags, &change, sizeof change) == 0) return {};
    if (errno == EINVAL)
        return Fail("its file system cannot be id-mapped in the guest's kernel", EINVAL);
    return FailErrno("id-mapping it");
}

}  // namespace cc::agent
