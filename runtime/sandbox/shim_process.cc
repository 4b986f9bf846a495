// SPDX-License-Identifier: Apache-2.0
#include "runtime/sandbox/shim_process.h"

#include <fcntl.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/text.h"

namespace cc::runtime {

namespace {

constexpr int kStartFd = 3, kConnectionFd = 4, kHostMountsFd = 5;

// For eyes, so a kilobyte does. An empty word could not be told from the end.
std::vector<std::string> Shortened(const std::vector<std::string>& title) {
    constexpr size_t kLongest = 1024;
    std::vector<std::string> words;
    size_t left = kLongest;
    for (const auto& word : title) {
        if (word.empty()) continue;
        words.push_back(word.substr(0, left));
        left -= words.back().size();
        if (left == 0) break;
    }
    return words;
}

std::vector<std::string> ArgumentsOf(const ShimOptions& options) {
    std::vector<std::string> arguments = {"cc-shim",
                                          "--container-id",
                                          options.container_id,
                                          "--start-fd",
                                          std::to_string(kStartFd),
                                          "--connection-fd",
                                          std::to_string(kConnectionFd)};
    if (options.enter_root)
        arguments.insert(arguments.end(), {"--host-mounts-fd", std::to_string(kHostMountsFd)});
    if (!options.terminal) arguments.emplace_back("--no-terminal");
    if (options.debug) arguments.emplace_back("--debug");
    // Words from here on are the title.
    const auto title = Shortened(options.title);
    if (!title.empty()) arguments.emplace_back("--");
    arguments.insert(arguments.end(), title.begin(), title.end());
    return arguments;
}

// Of the environment nothing else is a shim's business, and engines can be led to /proc/PID/environ
// by a link in the container's root file system.
std::vector<std::string> OwnSettings() {
    std::vector<std::string> settings;
    for (char** entry = environ; *entry != nullptr; ++entry)
        if (std::string_view(*entry).starts_with("CC_")) settings.emplace_back(*entry);
    return settings;
}

// In the child: the runtime is single-threaded, so more than system calls is allowed here.
Result<void> EnterPlace(const ShimOptions& options) {
    CC_TRY(options.enter_cgroup());
    if (options.network_namespace >= 0 && ::setns(options.network_namespace, CLONE_NEWNET) < 0)
        return FailErrno("entering the network namespace");
    if (options.new_network && ::unshare(CLONE_NEWNET) < 0)
        return FailErrno("making a network namespace");
    if (options.console >= 0 && ::ioctl(options.console, TIOCSCTTY, 0) < 0)
        return FailErrno("taking the console as controlling terminal");
    // Last: the paths above are the host's.
    if (options.enter_root) CC_TRY(options.enter_root());
    return {};
}

}  // namespace

Result<Shim> Shim::Fork(const ShimOptions& options) {
    CC_ASSIGN(FdPair start, MakePipe());
    CC_ASSIGN(FdPair connection, MakeSocketPair(SOCK_STREAM));
    SpawnOptions spawn;
    spawn.executable = options.executable;
    spawn.arguments = ArgumentsOf(options);
    for (int fd = 0; fd < 3; ++fd)
        spawn.fds.push_back({options.console >= 0 ? options.console : fd, fd});
    spawn.fds.push_back({start.first.get(), kStartFd});
    spawn.fds.push_back({connection.first.get(), kConnectionFd});
    Fd host_mounts;
    if (options.enter_root) {
        CC_ASSIGN(host_mounts, OpenFile("/proc/self/ns/mnt", O_RDONLY));
        spawn.fds.push_back({host_mounts.get(), kHostMountsFd});
    }
    spawn.environment = OwnSettings();
    // conmon ends a container that has had its time by killing the process group of its pid, which
    // must not be conmon's own. A terminal of ours tells only our session of its size.
    spawn.new_session = options.console >= 0 || !options.terminal;
    spawn.new_pid_namespace = options.new_pids;
    spawn.in_child = [&options] { return EnterPlace(options); };
    Shim shim;
    CC_ASSIGN(shim.process_, Context("starting cc-shim", Spawn(spawn)));
    shim.start_ = std::move(start.second);
    shim.connection_ = std::move(connection.second);
    return shim;
}

Result<void> Shim::Tell(const ShimStart& start) {
    CC_TRY(Context("telling cc-shim its token", WriteAll(start_.get(), Encode(start))));
    start_.Reset();
    connection_.Reset();
    return {};
}

Result<Fd> NetworkNamespaceOf(pid_t pid) {
    return OpenNetworkNamespace(Cat("/proc/", pid, "/ns/net"));
}

Result<Fd> OpenNetworkNamespace(const std::string& path) {
    CC_ASSIGN(Fd fd, Context("network namespace", OpenFile(path, O_RDONLY)));
    if (::ioctl(fd.get(), NS_GET_NSTYPE) != CLONE_NEWNET)
        return Fail(Cat("network namespace: ", path, " is not one"));
    return fd;
}

}  // namespace cc::runtime
