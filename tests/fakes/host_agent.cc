// SPDX-License-Identifier: Apache-2.0
#include "tests/fakes/host_agent.h"

#include <chrono>
#include <csignal>
#include <cstdio>
#include <thread>

#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/text.h"

namespace cc::test {

HostAgent::HostAgent() : share_(scratch_ / "share") {
    REQUIRE(MakeDirectories(rootfs() + "/bin", 0755));
    REQUIRE(MakeDirectories(rootfs() + "/etc", 0755));
    REQUIRE(::chmod((share_ + "/c").c_str(), 0755) == 0);
    const auto busybox = ReadFile("/bin/busybox", 16 << 20);
    REQUIRE_MESSAGE(busybox, "these tests need Debian's busybox-static");
    REQUIRE(WriteFileAtomic(rootfs() + "/bin/busybox", *busybox, 0755));
    for (const std::string applet :
         {"sh",  "cat",   "echo",   "sleep",   "id",    "stty",     "tty",   "head",     "kill",
          "ls",  "grep",  "mknod",  "mount",   "stat",  "hostname", "nice",  "readlink", "touch",
          "cut", "uname", "ionice", "taskset", "mkdir", "ps",       "chmod", "true"})
        REQUIRE(::symlink("busybox", (rootfs() + "/bin/" + applet).c_str()) == 0);
    REQUIRE(WriteFileAtomic(rootfs() + "/etc/passwd",
                            "root:x:0:0::/root:/bin/sh\nbob:x:1000:1000::/home/bob:/bin/sh\n",
                            0644));
    REQUIRE(WriteFileAtomic(rootfs() + "/etc/group", "root:x:0:\nwheel:x:10:bob\n", 0644));

    SpawnOptions options;
    options.executable = CC_BINARY;
    options.arguments = {"cc-agent", "--host-test", "--ctl",   control(),
                         "--io",     io(),          "--share", share_};
    options.fds = {{STDERR_FILENO, STDERR_FILENO}};
    // Its pid namespace keeps LeakSanitizer, which looks at a process from outside, from working.
    options.environment = {"ASAN_OPTIONS=detect_leaks=0"};
    auto spawned = Spawn(options);
    REQUIRE_MESSAGE(spawned, spawned.error().message);
    process_ = std::move(*spawned);
}

HostAgent::~HostAgent() {
    CHECK(process_.Signal(SIGTERM));
    const auto status = process_.Reap();
    REQUIRE(status);
    CHECK(ExitCodeOf(*status) == 0);
    CHECK_FALSE(Exists(control()));
    CHECK_FALSE(Exists(Cat("/tmp/cc-agent-test.", process_.pid())));
}

Fd ConnectEventually(const std::string& path) {
    for (int i = 0; i < 3000; ++i) {
        if (auto connected = ConnectUnix(path, SOCK_STREAM)) return std::move(*connected);
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    FAIL("nobody listens on " << path);
    return {};
}

bool SkipWithoutRoot() {
    if (::geteuid() == 0) return false;
    std::printf("SKIPPED: containers are made in namespaces, which needs root\n");
    return true;
}

}  // namespace cc::test
