// SPDX-License-Identifier: Apache-2.0
// A proxy started on demand leaves its caller behind. Tried in a small world of its own (pid, mount
// and cgroup namespaces), so that what it leaves for is the test's and not the machine's.
#include "host/leave_caller.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "tests/unit/proxy/real_server.h"

namespace cc::proxy {
namespace {

TEST_CASE("roots of cgroup hierarchies are found, version 1 and 2, bind mounts last") {
    const std::string mounts =
        "30 20 0:26 / /sys/fs/cgroup ro - tmpfs tmpfs ro\n"
        "31 30 0:27 /docker/x /bound rw - cgroup cgroup rw,memory\n"
        "32 30 0:27 / /sys/fs/cgroup/memory rw shared:5 - cgroup cgroup rw,memory\n"
        "33 30 0:28 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n"
        "34 30 0:29 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,name=systemd\n"
        "35 30 0:30 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n"
        "36 30 0:31 /only/bound /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids\n";
    const std::string cgroup =
        "9:name=systemd:/user\n8:pids:/a\n7:cpu,cpuacct:/a/b\n6:memory:/a\n5:devices:/a\n"
        "4:blkio:/\n0::/a:b\n";
    CHECK(CgroupRootsToEnter(cgroup, mounts) ==
          std::vector<std::string>{
              "/sys/fs/cgroup/systemd/cgroup.procs", "/sys/fs/cgroup/pids/cgroup.procs",
              "/sys/fs/cgroup/cpu,cpuacct/cgroup.procs", "/sys/fs/cgroup/memory/cgroup.procs",
              "/sys/fs/cgroup/unified/cgroup.procs"});
    CHECK(CgroupRootsToEnter("4:memory:/\n0::/\n", mounts).empty());
    CHECK(CgroupRootsToEnter("", "").empty());
    CHECK(CgroupRootsToEnter("garbage\n:\n", "garbage - cgroup\n").empty());
}

// --- the small world
// --------------------------------------------------------------------------------

bool MountOwnCgroups() {
    const auto mounts = ReadFile("/proc/self/mountinfo", 1 << 20);
    if (!mounts) return false;
    for (const auto& line : Split(*mounts, '\n')) {
        const size_t dash = line.find(" - cgroup");
        if (dash == std::string::npos) continue;
        const std::string path = Split(line, ' ').at(4);
        const auto fs = Split(line.substr(dash + 3), ' ');
        std::string options = fs.at(2).starts_with("rw,") ? fs[2].substr(3) : "";
        if (options.starts_with("name=")) options = "none," + options;
        // Busy: the root outside is the root here too.
        if (::mount("cgroup", path.c_str(), fs[0].c_str(), 0, options.c_str()) < 0 &&
            errno != EBUSY)
            return false;
    }
    return true;
}

// Runs this as pid 1 of a new world and returns the lines it writes; nothing when the machine
// does not allow new worlds.
std::optional<std::string> InSmallWorld(const std::function<void(int report)>& body) {
    auto pipe = MakePipe().value();
    const pid_t outer = ::fork();
    if (outer == 0) {
        if (::unshare(CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWCGROUP) < 0) ::_exit(77);
        const pid_t init = ::fork();
        if (init == 0) {
            if (::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) < 0 ||
                ::mount("proc", "/proc", "proc", 0, nullptr) < 0 || !MountOwnCgroups())
                ::_exit(77);
            body(pipe.second.get());
            ::_exit(0);
        }
        int status = 0;
        ::waitpid(init, &status, 0);
        ::_exit(WEXITSTATUS(status));
    }
    pipe.second.Reset();
    const std::string text = ReadAll(pipe.first.get(), 1 << 20).value();
    int status = 0;
    ::waitpid(outer, &status, 0);
    if (WEXITSTATUS(status) == 77) return std::nullopt;
    CHECK(status == 0);
    return text;
}

std::string CgroupOf(const char* controller) {
    for (const auto& line : Split(ReadFile("/proc/self/cgroup", 65536).value_or(""), '\n'))
        if (line.find(Cat(":", controller, ":")) != std::string::npos)
            return line.substr(line.rfind(':') + 1);
    return "?";
}

// A caller with everything that a daemon must not inherit.
void BecomeEncumbered(const std::string& cgroup) {
    (void)WriteExisting(cgroup + "/cgroup.procs", Cat(::getpid()));
    (void)::unshare(CLONE_NEWNET | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWCGROUP | CLONE_NEWNS);
    ::setpriority(PRIO_PROCESS, 0, 7);
    (void)WriteExisting("/proc/self/oom_score_adj", "300");
    ::umask(0);
    ::setenv("SECRET", "x", 1);
    ::setenv("CC_KEPT", "y", 1);
    (void)::chdir("/tmp");
    sigset_t all;
    sigfillset(&all);
    ::sigprocmask(SIG_SETMASK, &all, nullptr);
    (void)::open("/etc/passwd", O_RDONLY);
    ::setpgid(0, 0);  // the leader of a group: setsid() alone would fail
}

std::string SelfDescription(int report) {
    std::string text;
    for (const char* name : {"net", "uts", "ipc", "cgroup", "mnt"})
        text += Cat(name, "=",
                    ReadLink(Cat("/proc/self/ns/", name)).value_or("a") ==
                            ReadLink(Cat("/proc/1/ns/", name)).value_or("b")
                        ? "init"
                        : "caller",
                    " ");
    text +=
        Cat("pids=", CgroupOf("pids"), " session=", ::getsid(0) == ::getpid() ? "own" : "caller",
            " nice=", ::getpriority(PRIO_PROCESS, 0),
            " oom=", Trim(ReadFile("/proc/self/oom_score_adj", 64).value_or("?")),
            " cwd=", ReadLink("/proc/self/cwd").value_or("?"));
    const mode_t mask = ::umask(0);
    sigset_t blocked;
    ::sigprocmask(SIG_SETMASK, nullptr, &blocked);
    text +=
        Cat(" umask=", static_cast<unsigned>(mask), " blocked=", ::sigismember(&blocked, SIGTERM),
            " SECRET=", std::getenv("SECRET") ? "yes" : "no",
            " CC_KEPT=", std::getenv("CC_KEPT") ? "yes" : "no", " fds=");
    for (const auto& fd : ListDirectory("/proc/self/fd").value_or(std::vector<std::string>{})) {
        const std::string target = ReadLink("/proc/self/fd/" + fd).value_or("");
        if (target.empty()) continue;  // the listing's own, closed by now
        if (fd != Cat(report)) text += Cat(fd, ":", target, ",");
    }
    return text;
}

TEST_CASE("a proxy started on demand leaves everything of its caller behind") {
    const auto text = InSmallWorld([](int report) {
        const std::string cgroup = "/sys/fs/cgroup/pids/cc-proxy-test";
        ::mkdir(cgroup.c_str(), 0755);
        const pid_t caller = ::fork();
        if (caller == 0) {
            BecomeEncumbered(cgroup);
            std::string before = CgroupOf("pids");
            const auto complaints = LeaveCaller("/tmp", report);
            (void)WriteAll(report,
                           Cat(SelfDescription(report), " complaints=", Join(complaints, "; ")));
            ::_exit(0);
        }
        // The daemon may be a grandchild, which is ours now: wait for all.
        while (::wait(nullptr) > 0) {
        }
        ::rmdir(cgroup.c_str());
    });
    if (!text) {
        MESSAGE("SKIPPED: this machine allows no new pid, mount and cgroup namespaces");
        return;
    }
    CHECK(*text ==
          "net=init uts=init ipc=init cgroup=init mnt=init pids=/ session=own nice=0 oom=0 cwd=/ "
          "umask=23 blocked=0 SECRET=no CC_KEPT=yes "
          "fds=0:/dev/null,1:/dev/null,2:/dev/null, complaints=");
}

TEST_CASE("a mount namespace that shows another directory under the socket's path is not left") {
    const auto text = InSmallWorld([](int report) {
        const pid_t caller = ::fork();
        if (caller == 0) {
            (void)::unshare(CLONE_NEWNS);
            (void)::mount("tmpfs", "/mnt", "tmpfs", 0, nullptr);
            const auto complaints = LeaveCaller("/mnt", report);
            (void)WriteAll(report, Join(complaints, "; "));
            ::_exit(0);
        }
        while (::wait(nullptr) > 0) {
        }
    });
    if (!text) return;
    CHECK(*text == "staying in the caller's mount namespace: /mnt is another directory outside");
}

TEST_CASE("the program started on demand serves, logs beside its socket, and tells its caller") {
    TemporaryFolder folder;
    const std::string socket = folder.path + "/run/proxy.sock";
    const auto text = InSmallWorld([&](int report) {
        auto pipe = MakePipe().value();
        const pid_t proxy = ::fork();
        if (proxy == 0)
            ::_exit(ProxyMain({"-socket-path", socket, "-log", "info", "--on-demand", "--ready-fd",
                               Cat(pipe.second.get())}));
        pipe.second.Reset();
        const std::string ready = ReadAll(pipe.first.get(), 4096).value_or("?");
        const bool serves = ConnectUnix(socket, SOCK_STREAM).has_value();
        ::kill(proxy, SIGTERM);
        int status = 0;
        ::waitpid(proxy, &status, 0);
        (void)WriteAll(report, Cat("ready=", ready == "\n" ? "yes" : ready,
                                   " serves=", serves ? "yes" : "no", " status=", status));
    });
    if (!text) return;
    CHECK(*text == "ready=yes serves=yes status=0");
    CHECK_FALSE(Exists(socket));
    const std::string log = ReadFile(folder.path + "/run/proxy.log", 65536).value_or("");
    CHECK(log.find("starting in system mode") != std::string::npos);
}

}  // namespace
}  // namespace cc::proxy
