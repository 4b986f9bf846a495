// SPDX-License-Identifier: Apache-2.0
// The agent's small parsers: mount options, sysctl names, the kernel's command line and lists.
#include <doctest/doctest.h>
#include <linux/mount.h>
#include <sys/mount.h>
#include <unistd.h>

#include "agent/boot.h"
#include "agent/executor/environment.h"
#include "agent/executor/program.h"
#include "agent/executor/sysctl.h"
#include "agent/modules.h"
#include "agent/mount_options.h"

namespace cc::agent {

TEST_CASE("mount options are sorted by what they act on") {
    const auto options =
        ParseMountOptions({"rbind", "ro", "nosuid", "rprivate", "size=1m", "rnodev", "defaults"});
    REQUIRE(options);
    CHECK(options->bind);
    CHECK(options->recursive_bind);
    CHECK(options->attributes == MountAttributes{MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID, 0});
    CHECK(options->recursive == MountAttributes{MOUNT_ATTR_NODEV, 0});
    CHECK(options->propagation == MS_PRIVATE);
    CHECK(options->recursive_propagation);
    CHECK(options->data == std::vector<std::string>{"size=1m"});
}

TEST_CASE("of contradicting mount options the last one counts") {
    CHECK(ParseMountOptions({"ro", "rw"})->attributes == MountAttributes{0, MOUNT_ATTR_RDONLY});
    CHECK(ParseMountOptions({"rw", "ro"})->attributes == MountAttributes{MOUNT_ATTR_RDONLY, 0});
    CHECK(ParseMountOptions({"noatime", "relatime"})->attributes ==
          MountAttributes{0, MOUNT_ATTR__ATIME});
    CHECK(ParseMountOptions({"relatime", "noatime"})->attributes ==
          MountAttributes{MOUNT_ATTR_NOATIME, MOUNT_ATTR__ATIME});
}

TEST_CASE("words that merely begin like options are the file system's") {
    CHECK(ParseMountOptions({"rootcontext=x", "r", "shared_x"})->data.size() == 3);
    CHECK(ParseMountOptions({"acl", "noacl", "defaults"})->data.empty());
    CHECK(ParsePropagation("rslave") == (MS_SLAVE | MS_REC));
    CHECK(ParsePropagation("private") == MS_PRIVATE);
    CHECK(ParsePropagation("r") == 0);
}

TEST_CASE("a sysctl name becomes a path that stays below /proc/sys") {
    CHECK(*SysctlPath("net.ipv4.ip_forward") == "/proc/sys/net/ipv4/ip_forward");
    CHECK(*SysctlPath("net.ipv4.conf.eth0/100.forwarding") ==
          "/proc/sys/net/ipv4/conf/eth0.100/forwarding");
    CHECK(*SysctlPath("net/ipv4/conf/eth0.100/forwarding") ==
          "/proc/sys/net/ipv4/conf/eth0.100/forwarding");
    for (const std::string name :
         {"", "..", "a//b", "/etc/passwd", "net/../../etc/passwd", "a.", "kernel../x"})
        CHECK_MESSAGE(!SysctlPath(name), name);
}

TEST_CASE("the kernel's command line says where the root is") {
    const auto parameters = ParseCommandLine(
        "console=hvc0 root=/dev/pmem0 rootfstype=erofs quiet agent.log=debug agent.share=virtiofs "
        "panic=1\n");
    CHECK(parameters.root == "/dev/pmem0");
    CHECK(parameters.root_type == "erofs");
    CHECK(parameters.log_level == "debug");
    CHECK(parameters.share == kVirtioFsType);
    CHECK(ParseCommandLine("").root.empty());
}

TEST_CASE("modules are loaded in the order of their list") {
    const auto paths = ParseModuleOrder("virtio.ko\n# comment\n\n  9p.ko \n/lib/x.ko", "/modules");
    CHECK(paths == std::vector<std::string>{"/modules/virtio.ko", "/modules/9p.ko", "/lib/x.ko"});
}

TEST_CASE("a program that cannot be run is named in the words that engines look for") {
    const std::vector<std::string> env = {"PATH=/nowhere:/bin"};
    CHECK(*FindProgram("sh", env) == "/bin/sh");
    CHECK(*FindProgram("/bin/sh", {}) == "/bin/sh");
    CHECK(FindProgram("foo", env).error().message ==
          "exec: \"foo\": executable file not found in $PATH");
    CHECK(FindProgram("sh", {}).error().message ==
          "exec: \"sh\": executable file not found in $PATH");
    CHECK(FindProgram("/foo", env).error().message ==
          "exec: \"/foo\": stat /foo: no such file or directory");
    CHECK(FindProgram("/etc/passwd", env).error().message ==
          "exec: \"/etc/passwd\": permission denied");
    CHECK(FindProgram("/etc", env).error().message ==
          "exec: \"/etc\": is a directory: permission denied");
}

TEST_CASE("of a variable that is given twice the last one counts, and an empty HOME is filled in") {
    using Variables = std::vector<std::string>;
    CHECK(Environment({"TERM=xterm", "A=1", "TERM=dumb", "A=2"}, "/root") ==
          Variables{"TERM=dumb", "A=2", "HOME=/root"});
    CHECK(Environment({"A=1", "B=", "HOME=/x", "A="}, "/root") == Variables{"B=", "HOME=/x", "A="});
    CHECK(Environment({"HOME=/x", "HOME="}, "/root") == Variables{"HOME=/x"});
    CHECK(Environment({"HOME=", "A=b=c"}, "/root") == Variables{"A=b=c", "HOME=/root"});
    CHECK(Environment({"word", "word", "HOMER=x"}, "/") == Variables{"word", "HOMER=x", "HOME=/"});
}

}  // namespace cc::agent
