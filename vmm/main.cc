// SPDX-License-Identifier: Apache-2.0
#include "vmm/main.h"

#include <cstdio>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cli.h"
#include "base/log.h"
#include "base/text.h"
#include "base/version.h"
#include "vmm/keeper.h"
#include "vmm/qemu/engine.h"

namespace cc {

namespace {

constexpr size_t kMaxConfig = 1 << 20;

Result<Fd> InheritedFd(const CliValues& values, std::string_view option) {
    const auto number = ParseNumber<int>(values.Get(option));
    if (!number || *number < 0 || ::fcntl(*number, F_GETFD) < 0)
        return Fail(
            Cat("--", option, " ", Quoted(values.Get(option)), " is not an open descriptor"));
    Fd fd = Fd::Adopt(*number);
    CC_TRY(SetCloseOnExec(fd.get(), true));
    return fd;
}

Result<VmConfig> ReadConfig(const CliValues& values) {
    CC_ASSIGN(const Fd fd, InheritedFd(values, "config-fd"));
    CC_ASSIGN(const std::string text,
              Context("reading the VM configuration", ReadAll(fd.get(), kMaxConfig)));
    return ParseVmConfig(text);
}

Result<int> Keep(const CliValues& values, const TscMeasurement& tsc) {
    Fd ready;
    if (values.Has("ready-fd")) {
        CC_ASSIGN(ready, InheritedFd(values, "ready-fd"));
    }
    auto config = ReadConfig(values);
    if (!config) {
        if (ready)
            (void)WriteAll(ready.get(),
                           Encode({.error = config.error().message, .status = {}, .console = {}},
                                  VmVerb::kStatus));
        return Failure(config.error());
    }
    ::umask(077);
    return Keeper(std::move(*config), std::move(ready), tsc, qemu::StartEngine).Run();
}

}  // namespace

int VmmMain(const std::vector<std::string>& arguments) {
    const TscMeasurement tsc;
    CliProgram program;
    program.name = "cc-vmm";
    program.help =
        "The keeper of one virtual machine: starts it, stays its parent, serves the Vm verbs on "
        "the socket vm.sock in the "
        "VM's directory, and ends with it. cc-runtime starts it; see docs/cc-vmm.md.";
    program.version = Cat("cc-vmm ", kVersion, " (commit ", kCommit, ")");
    program.options = {
        {.names = "--config-fd",
         .value = "N",
         .help = "descriptor to read the VM's configuration from (JSON, to end of file)",
         .required = true},
        {.names = "--ready-fd",
         .value = "N",
         .help = "descriptor to tell on, in one JSON object, that the VM is up or why not"},
    };
    program.run = [&](const CliValues& values) {
        auto status = Keep(values, tsc);
        if (status) return *status;
        Log(LogLevel::kError, status.error().message);
        return 1;
    };
    return RunCli(program, arguments);
}

}  // namespace cc
