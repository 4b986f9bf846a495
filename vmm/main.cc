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
          std::pair{"state-fd", &inherited.state},
          std::pair{"translations-fd", &inherited.translations}})
        if (values.Has(option)) {
            CC_ASSIGN(*fd, InheritedFd(values, option));
        }
    auto config = ReadConfig(values);
    if (config && config->origin != VmOrigin::kBoot &&
        (!inherited.memory || !inherited.state || !inherited.translations))
        config = Fail(
            "a VM that is a template or comes of one needs --memory-fd, --state-fd and "
            "--translations-fd");
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

std::vector<CliSection> KeeperManual() {
    return {
        {"DESCRIPTION",
         "cc-vmm is the parent of a virtual machine's QEMU. cc-runtime starts one for each machine "
         "and\ngoes away; the keeper prepares the machine's directory, mounts and network, starts "
         "QEMU, serves\nrequests about the machine on a socket, and ends with it. It is not meant "
         "to "
         "be started by\nhand.\n\n"
         "With --template it keeps a saved machine that others are cloned from, and a pool of "
         "clones; see\ntemplate in cc-runtime(8)."},
        {"SIGNALS",
         "TERM and INT stop the machine and end the keeper, those of a template's keeper also the "
         "pool.\nContainers' machines live on when their template goes. A keeper that is killed "
         "takes its QEMU\nwith it."},
        {"EXIT STATUS",
         "0 when the guest has switched its machine off or the machine was stopped; 1 when it "
         "never came\nup, has crashed, or its guest has reset it, which is what a panic does."},
        {"FILES",
         "In the machine's directory, below run_dir of configuration.toml:\n\n"
         "  ctl.sock, io.sock   the agent's ports, to which cc-proxy connects\n"
         "  vm.sock             requests about the machine\n"
         "  share/              root of the directory that the guest sees\n"
         "  console.log         what the guest printed, raw: do not cat it\n"
         "  vmm.log             the log, with what QEMU said"},
        {"SEE ALSO", "cc-runtime(8), cc-proxy(8), cc-agent(8)"},
    };
}

}  // namespace

int VmmMain(const std::vector<std::string>& arguments) {
    const TscMeasurement tsc;
    CliProgram program;
    program.name = "cc-vmm";
    program.help = "keeps one virtual machine: starts it, serves requests about it, ends with it";
    program.sections = KeeperManual;
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
        {.names = "--translations-fd",
         .value = "N",
         .help = "file with the guest's code as an emulating VMM has translated it, likewise"},
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
