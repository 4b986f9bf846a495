// SPDX-License-Identifier: Apache-2.0
#include "agent/executor/user_namespace.h"

#include <grp.h>
#include <sched.h>
#include <sys/fsuid.h>
#include <unistd.h>

#include "agent/capabilities.h"
#include "agent/executor/container_setup.h"
#include "agent/executor/id_map.h"
#include "agent/executor/priorities.h"
#include "agent/executor/process_setup.h"
#include "base/text.h"

namespace cc::agent {

namespace {

constexpr std::string_view kNamespaced = "n";  // the first process is in all its namespaces
constexpr std::string_view kBuilt = "b";       // the container is there

// Waits for this word; with it may come a descriptor.
Result<Fd> Await(int socket, std::string_view word) {
    CC_ASSIGN(auto received, ReceiveWithFds(socket, word.size()));
    if (received.bytes != word) return Fail("the other process has ended", ECANCELED);
    return received.fds.empty() ? Fd() : std::move(received.fds.front());
}

// What this process makes from now on belongs to the container's root. The kernel takes privileges
// over files away from whoever stops being root there; they are needed all the same.
Result<void> MakeFilesAsContainerRoot(const IdMappings& map) {
    const auto uid = OutsideId(map.uids, 0);
    const auto gid = OutsideId(map.gids, 0);
    if (!uid || !gid) return {};  // a namespace without root: files stay the VM's
    ::setfsgid(*gid);
    ::setfsuid(*uid);
    return RaisePermittedCapabilities();
}

}  // namespace

Result<Fd> BuildAround(int first, int socket, const ContainerSpec& spec, const std::string& share) {
    // Cgroup namespaces cannot be entered before the first process is in its own.
    CC_TRY(Await(socket, kNamespaced));
    if (::setns(first, CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWCGROUP) < 0)
        return FailErrno("entering the container's namespaces");
    const auto owner = OutsideId(spec.id_map.uids, spec.process.user.uid);
    if (owner) CC_TRY(GiveStreams(*owner));
    CC_TRY(MakeFilesAsContainerRoot(spec.id_map));
    CC_ASSIGN(auto terminal, MakeContainer(spec, share));
    constexpr pid_t kFirst = 1;
    CC_TRY(SetPriorities(kFirst, spec.process));
    CC_TRY(SetLimits(kFirst, spec.process.rlimits));
    if (!terminal) {
        CC_TRY(SendWithFds(socket, kBuilt, {}));
        return Fd();
    }
    const int slave[] = {terminal->slave.get()};
    CC_TRY(SendWithFds(socket, kBuilt, slave));
    return std::move(terminal->master);
}

Result<void> WaitForBuilder(int socket) {
    if (::unshare(CLONE_NEWCGROUP) < 0) return FailErrno("making a cgroup namespace");
    CC_TRY(SendWithFds(socket, kNamespaced, {}));
    CC_ASSIGN(Fd slave, Await(socket, kBuilt));
    // The builder has moved everybody's root into the container.
    if (::chdir("/") < 0) return FailErrno("entering the container's root");
    if (slave) CC_TRY(TakeTerminal(slave.get()));
    return BecomeNamespaceRoot();
}

Result<void> BecomeNamespaceRoot() {
    // A namespace need not have a root; then it is the process' own user that acts from here on.
    if (::setresgid(0, 0, 0) < 0 && errno != EINVAL) return FailErrno("becoming group 0");
    if (::setresuid(0, 0, 0) < 0 && errno != EINVAL) return FailErrno("becoming user 0");
    return {};
}

}  // namespace cc::agent
