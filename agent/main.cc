// SPDX-License-Identifier: Apache-2.0
#include "agent/main.h"

#include <algorithm>
#include <cstdio>

#include <unistd.h>

#include "agent/agent.h"
#include "agent/boot.h"
#include "agent/console.h"
#include "agent/host_test.h"
#include "agent/port_finder.h"
#include "base/cli.h"
#include "base/text.h"
#include "base/version.h"
#include "protocol/agent_frame.h"

namespace cc {

namespace {

using namespace agent;

constexpr std::chrono::seconds kPortDeadline{30};

Result<void> RunMachine() {
    const int64_t started_ms = StartedMs();
    CC_TRY(Boot(started_ms));
    CC_ASSIGN(const auto ports,
              FindPorts({std::string(kControlPortName), std::string(kIoPortName)}, kPortDeadline));
    const auto open = [&ports](size_t index) {
        return [path = ports[index]](uv::Loop& loop, Port::Callbacks callbacks) {
            return Port::OpenDevice(loop, path, std::move(callbacks));
        };
    };
    AgentOptions options;
    options.open_control = open(0);
    options.open_io = open(1);
    // Only when it is needed; a machine of an older program has none.
    options.pod.open_dns = [](uv::Loop& loop,
                              Port::Callbacks callbacks) -> Result<std::unique_ptr<Port>> {
        CC_ASSIGN(const auto found,
                  FindPorts({std::string(kDnsPortName)}, std::chrono::milliseconds(0)));
        return Port::OpenDevice(loop, found.front(), std::move(callbacks));
    };
    options.share = kGuestShareDirectory;
    options.pod.share_type = ReadCommandLine().share;
    options.cgroup_parent = Cat(kCgroupMount, "/cc");
    options.started_ms = started_ms;
    return RunAgent(options);
}

int RunTool(const CliValues& values) {
    if (!values.Has("host-test")) {
        std::fputs("cc-agent: runs only as the first process of a virtual machine; see --help\n",
                   stderr);
        return 1;
    }
    const auto status = RunHostTest({values.Get("ctl"), values.Get("io"), values.Get("share")});
    if (status) return *status;
    std::fprintf(stderr, "cc-agent: %s\n", status.error().message.c_str());
    return 1;
}

std::vector<CliSection> AgentManual() {
    return {
        {"DESCRIPTION",
         "cc-agent is init of the virtual machine that a container or pod runs in. It sets the "
         "machine up,\nlistens on two virtio-serial ports to what cc-proxy says for runtimes, "
         "makes "
         "the containers, and\ncarries the streams and exit statuses of their processes. On a host "
         "only the options below\nwork.\n\n"
         "A fatal error is one line on the console, then the machine is switched off."},
        {"KERNEL COMMAND LINE",
         "Read from /proc/cmdline; words that the kernel hands it are ignored.\n\n"
         "  agent.log=LEVEL                  debug, info, warn (default) or error, on the console\n"
         "  agent.share=virtiofs             the shared directory is served by virtiofs, not by "
         "9p\n"
         "  root=/dev/pmem0 rootfstype=TYPE  in an initramfs: the root image (erofs, ext4) to go "
         "on in"},
        {"SEE ALSO", "cc-runtime(8), cc-proxy(8), cc-vmm(8)"},
    };
}

CliProgram Program() {
    CliProgram program;
    program.name = "cc-agent";
    program.help =
        "first process of a Clear Containers virtual machine: makes and supervises its containers";
    program.sections = AgentManual;
    program.version = Cat("cc-agent version ", kRelease, " (commit ", kCommit, ")");
    const auto hidden = [](std::string names, std::string value, std::string help) {
        return CliOption{std::move(names), std::move(value), std::move(help), false, false, true};
    };
    program.options = {
        hidden("--host-test", "", "Serve two UNIX sockets on a host instead, for tests"),
        hidden("--ctl", "PATH", "Control socket of --host-test"),
        hidden("--io", "PATH", "I/O socket of --host-test"),
        hidden("--share", "DIR", "Shared directory of --host-test")};
    program.run = RunTool;
    return program;
}

// The kernel hands words of its command line that it does not know to its first program, so in a
// machine arguments mean nothing; but these two are asked for in a container too.
bool AsksForText(const std::vector<std::string>& arguments) {
    return std::any_of(arguments.begin(), arguments.end(), [](const std::string& argument) {
        return argument == "--help" || argument == "-h" || argument == "--version";
    });
}

}  // namespace

int AgentMain(const std::vector<std::string>& arguments) {
    if (::getpid() != 1 || AsksForText(arguments)) return RunCli(Program(), arguments);
    const auto ran = RunMachine();
    Die(ran ? "the event loop has ended" : ran.error().message);
}

}  // namespace cc
