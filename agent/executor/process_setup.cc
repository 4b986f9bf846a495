// SPDX-License-Identifier: Apache-2.0
#include "agent/executor/process_setup.h"

#include <climits>

#include <fcntl.h>
#include <grp.h>
#include <linux/close_range.h>
#include <linux/keyctl.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "agent/executor/environment.h"
#include "agent/executor/program.h"
#include "agent/executor/users.h"
#include "base/fd.h"
#include "base/text.h"
#include "seccomp/filter.h"

namespace cc::agent {

namespace {

// A file of the container, which may be anything: only a regular one of reasonable size is read.
std::string ReadContainerFile(const std::string& path) {
    constexpr size_t kLargest = 1 << 20;
    const auto fd = OpenFile(path, O_RDONLY | O_NONBLOCK | O_NOCTTY);
    struct stat status {};
    if (!fd || ::fstat(fd->get(), &status) < 0 || !S_ISREG(status.st_mode)) return {};
    return ReadAll(fd->get(), kLargest).value_or("");
}

Result<Identity> FindIdentity(const UserSpec& user) {
    return ResolveUser(user, ReadContainerFile("/etc/passwd"),
                       user.by_name.empty() ? "" : ReadContainerFile("/etc/group"));
}

Result<void> SetIdentity(const Identity& identity) {
    if (::setgroups(identity.groups.size(), identity.groups.data()) < 0)
        return FailErrno("setting the groups");
    if (::setresgid(identity.gid, identity.gid, identity.gid) < 0)
        return FailErrno(Cat("becoming group ", identity.gid));
    if (::setresuid(identity.uid, identity.uid, identity.uid) < 0)
        return FailErrno(Cat("becoming user ", identity.uid));
    return {};
}

// Nothing when the directory cannot be entered as the present user for want of permission.
Result<bool> EnterDirectory(const std::string& cwd) {
    if (::chdir(cwd.c_str()) < 0) {
        if (errno == EACCES) return false;
        return FailErrno(Cat("chdir to cwd (", Quoted(cwd), ") set in config.json failed"));
    }
    // A directory outside of the container's root has no path in it.
    char path[PATH_MAX];
    if (::getcwd(path, sizeof path) == nullptr || path[0] != '/')
        return Fail(Cat("the working directory ", Quoted(cwd), " lies outside of the container"),
                    EPERM);
    return true;
}

// `entered`: whether the working directory has been entered already.
Result<void> DropPrivileges(const ProcessSpec& process, const Identity& identity,
                            const std::optional<SeccompFilter>& filter, bool entered) {
    // Loading a filter needs either no_new_privs or a privilege that is about to go.
    if (!process.no_new_privileges) CC_TRY(LoadSeccomp(filter));
    CC_TRY(LimitBounding(process.capabilities.bounding));
    CC_TRY(KeepCapabilities());
    CC_TRY(SetIdentity(identity));
    CC_TRY(SetCapabilities(process.capabilities));
    if (!entered) {
        CC_ASSIGN(const bool entered_now, EnterDirectory(process.cwd));
        if (!entered_now)
            return FailErrno(
                Cat("chdir to cwd (", Quoted(process.cwd), ") set in config.json failed"), EACCES);
    }
    if (process.no_new_privileges && ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return FailErrno("setting no_new_privs");
    return {};
}

}  // namespace

Result<void> JoinKeyring(const std::string& name) {
    if (::syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, name.c_str(), 0, 0, 0) < 0 &&
        errno != ENOSYS)
        return FailErrno("joining the container's session keyring");
    return {};
}

Result<void> GiveStreams(uint32_t uid) {
    for (int fd = 0; fd < 3; ++fd) {
        struct stat status {};
        if (::fstat(fd, &status) < 0) return FailErrno("looking at a standard stream");
        if (status.st_uid != uid && ::fchown(fd, uid, static_cast<gid_t>(-1)) < 0 &&
            errno != EROFS && errno != EPERM && errno != EINVAL)
            return FailErrno("giving a standard stream to the process' user");
    }
    return {};
}

Result<void> BecomeProcess(const ContainerSpec& container, const ProcessSpec& process,
                           const ExecSteps& steps) {
    CC_ASSIGN(const Identity identity, FindIdentity(process.user));
    CC_TRY(GiveStreams(identity.uid));
    ::umask(process.umask);
    if (container.personality && ::personality(*container.personality) < 0)
        return FailErrno("setting linux.personality");
    const auto env = Environment(process.env, identity.home);
    // As root first, as the user where root may not: on a share that maps root to nobody.
    CC_ASSIGN(const bool entered, EnterDirectory(process.cwd));
    if (steps.prepared) {
        if (entered) CC_TRY(FindProgram(process.args.front(), env));
        CC_TRY(steps.prepared());
    }
    CC_TRY(DropPrivileges(process, identity, container.seccomp, entered));
    CC_ASSIGN(const std::string program, FindProgram(process.args.front(), env));
    // From here on nothing of the agent's is left but the three standard streams.
    if (::close_range(3, ~0U, CLOSE_RANGE_CLOEXEC) < 0) return FailErrno("closing descriptors");
    steps.about_to_exec();
    // As late as it can be: of what the filter forbids, only execve is still to come.
    if (process.no_new_privileges) CC_TRY(LoadSeccomp(container.seccomp));
    return Execute(program, process.args, env);
}

}  // namespace cc::agent
