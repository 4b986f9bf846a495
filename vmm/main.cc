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
#include "vmm/template/template_keeper.h"

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
    Keeper::Descriptors inherited;
    for (const auto& [option, fd] :
         {std::pair{"ready-fd", &inherited.ready}, std::pair{"memory-fd", &inherited.memory},
          std::pair{"state-fd", &inherited.state}})
        if (values.Has(option)) {
            CC_ASSIGN(*fd, InheritedFd(values, option));
        }
    auto config = ReadConfig(values);
    if (config && config->origin != VmOrigin::kBoot && (!inherited.memory || !inherited.state))
        config = Fail("a VM that is a template or comes of one needs --memory-fd and --state-fd");
    if (!config) {
        if (inherited.ready)
            (void)WriteAll(inherited.ready.get(),
                           Encode({.error = config.error().message, .status = {}, .console = {}},
                                  VmVerb::kStatus));
        return Failure(config.error());
    }
    ::umask(077);
    return Keeper(std::move(*config), std::move(inherited), tsc, qemu::StartEngine).Run();
}

int RunTemplate(const CliValues& values) {
    auto config = InheritedFd(values, "config-fd");
    auto ready = InheritedFd(values, "ready-fd");
    if (config && ready) return KeepTemplate(std::move(*config), std::move(*ready));
    Log(LogLevel::kError, (config ? ready : config).error().message);
    return 1;
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
    program.version = Cat("cc-vmm ", kRelease, " (commit ", kCommit, ")");
    program.options = {
        {.names = "--config-fd",
         .value = "N",
         .help = "descriptor to read the VM's configuration from (JSON, to end of file)",
         .required = true},
        {.names = "--ready-fd",
         .value = "N",
         .help = "descriptor to tell on, in one JSON object, that the VM is up or why not"},
        {.names = "--template",
         .value = "",
         .help = "keep a template instead: --config-fd brings what it shall be of, --ready-fd gets "
                 "a line end when template.sock in its directory listens"},
        {.names = "--memory-fd",
         .value = "N",
         .help = "file with the guest's memory, of a template and what comes of it"},
        {.names = "--state-fd",
         .value = "N",
         .help = "file with the state of the rest of the machine, likewise"},
    };
    program.run = [&](const CliValues& values) {
        if (values.Has("template")) return RunTemplate(values);
        auto status = Keep(values, tsc);
        if (status) return *status;
        Log(LogLevel::kError, status.error().message);
        return 1;
    };
    return RunCli(program, arguments);
}

}  // namespace cc
