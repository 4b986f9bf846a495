// SPDX-License-Identifier: Apache-2.0
#include "vmm/confine.h"

#include <algorithm>
#include <array>
#include <span>

#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/text.h"

namespace cc {

namespace {

// SETFCAP: packages that a container installs set file capabilities, as they may with any OCI
// runtime's default set. Not MKNOD: a socket or a FIFO needs none, and a guest that has broken out
// of its container is not to leave a device of the host in a directory where somebody finds it.
constexpr std::array<int, 6> kOfServingVmm{CAP_CHOWN,  CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH,
                                           CAP_FOWNER, CAP_FSETID,       CAP_SETFCAP};
// The last two only until it has namespaces of its own and has emptied its bounding set.
constexpr std::array<int, 9> kOfFileServer{CAP_CHOWN,  CAP_DAC_OVERRIDE, CAP_FOWNER,
                                           CAP_FSETID, CAP_SETFCAP,      CAP_SETUID,
                                           CAP_SETGID, CAP_SYS_ADMIN,    CAP_SETPCAP};

Result<void> ReduceCapabilities(std::span<const int> kept) {
    // A program that root executes gets the inheritable and the bounding set together.
    __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    std::array<__user_cap_data_struct, _LINUX_CAPABILITY_U32S_3> sets{};
    if (::syscall(SYS_capget, &header, sets.data()) < 0) return FailErrno("reading capabilities");
    for (auto& set : sets)
        set.inheritable = 0;
    if (::syscall(SYS_capset, &header, sets.data()) < 0) return FailErrno("setting capabilities");
    (void)::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
    for (int capability = 0; ::prctl(PR_CAPBSET_READ, capability, 0, 0, 0) >= 0; ++capability) {
        if (std::find(kept.begin(), kept.end(), capability) != kept.end()) continue;
        if (::prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) < 0)
            return FailErrno(Cat("giving up capability ", capability));
    }
    return {};
}

Result<void> Confine(std::span<const int> kept) {
    const rlimit no_core{0, 0};
    if (::setrlimit(RLIMIT_CORE, &no_core) < 0) return FailErrno("forbidding core dumps");
    rlimit files{};
    if (::getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < files.rlim_max) {
        files.rlim_cur = files.rlim_max;
        (void)::setrlimit(RLIMIT_NOFILE, &files);
    }
    CC_TRY(ReduceCapabilities(kept));
    if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) return FailErrno("setting no_new_privs");
    return {};
}

}  // namespace

Result<void> ConfineVmm(bool serves_files) {
    return Confine(serves_files ? std::span<const int>(kOfServingVmm) : std::span<const int>());
}

Result<void> ConfineFileServer() {
    return Confine(kOfFileServer);
}

}  // namespace cc
