// SPDX-License-Identifier: Apache-2.0
// cc-runtime template build|list|rm: what is done by itself when containers start, by hand.
#include <cstdio>

#include <unistd.h>

#include "base/file.h"
#include "base/json_full.h"
#include "base/text.h"
#include "client/template_client.h"
#include "host/template_key.h"
#include "protocol/template_failure.h"
#include "runtime/app.h"
#include "runtime/sandbox/vm.h"
#include "runtime/sandbox/vm_source.h"
#include "runtime/verbs.h"

namespace cc::runtime {

namespace {

struct Found {
    std::string name;
    std::string failure;  // why there is none, when nobody keeps it
    std::optional<TemplateStatus> status;
};

std::vector<std::string> Names(const RuntimeConfig& config) {
    auto names = ListDirectory(config.TemplatePath());
    return names ? std::move(*names) : std::vector<std::string>{};
}

Found Look(const RuntimeConfig& config, const std::string& name) {
    const std::string directory = Cat(config.TemplatePath(), "/", name);
    Found found{name, {}, {}};
    auto client = TemplateClient::Connect(directory);
    auto status = client ? client->Status() : Failure(client.error());
    if (status)
        found.status = std::move(*status);
    else
        found.failure = ReadTemplateFailure(directory)
                            .value_or(TemplateFailure{0, "its keeper has ended"})
                            .error;
    return found;
}

std::string Mib(int64_t bytes) {
    return Cat((bytes + (1 << 19)) >> 20, " MiB");
}

void PrintTemplates(const std::vector<Found>& all) {
    std::printf("%-18s%-10s%-10s%-8s%-9s%-9s%-9s%s\n", "TEMPLATE", "STATE", "MEMORY", "POOL",
                "CLONES", "MACHINE", "SIZE", "KERNEL");
    for (const auto& [name, failure, status] : all) {
        if (!status) {
            std::printf("%-18s%-10s%s\n", name.c_str(), "failed", Quoted(failure, 200).c_str());
            continue;
        }
        std::printf("%-18s%-10s%-10s%-8s%-9s%-9s%-9s%s\n", name.c_str(),
                    status->ready ? "ready" : "building", Mib(status->memory_bytes).c_str(),
                    Cat(status->pool_ready, "/", status->pool).c_str(), Cat(status->clones).c_str(),
                    status->machine.c_str(), Cat(status->memory_mib, " MiB").c_str(),
                    status->kernel.c_str());
    }
}

void PrintJson(const std::vector<Found>& all) {
    Json list = Json::array();
    for (const auto& [name, failure, status] : all) {
        Json one = {{"name", name},
                    {"state", !status         ? "failed"
                              : status->ready ? "ready"
                                              : "building"}};
        if (!status) {
            one["error"] = failure;
        } else {
            one["pid"] = status->pid;
            one["memoryBytes"] = status->memory_bytes;
            one["pool"] = status->pool;
            one["poolReady"] = status->pool_ready;
            one["clones"] = status->clones;
            one["started"] = status->started_s;
            one["machine"] = status->machine;
            one["sizeMib"] = status->memory_mib;
            one["kernel"] = status->kernel;
        }
        list.push_back(std::move(one));
    }
    std::printf("%s\n", DumpJson(list).c_str());
}

Result<int> ListTemplates(const RuntimeConfig& config, const std::string& format) {
    if (format != "table" && format != "json")
        return Fail(Cat("invalid format option: ", Quoted(format)));
    std::vector<Found> all;
    for (const auto& name : Names(config))
        all.push_back(Look(config, name));
    format == "json" ? PrintJson(all) : PrintTemplates(all);
    return 0;
}

// Its key. Started anew when something that it is made of is replaced meanwhile.
Result<std::string> BuildCurrent(const RuntimeConfig& config, const VmConfig& vm,
                                 const std::string& self) {
    while (true) {
        CC_ASSIGN(TemplateConfig wanted, PlanTemplate(config, vm, self));
        // By hand it is tried again, whatever happened a minute ago.
        CC_TRY(RemoveTree(Cat(wanted.directory, "/", kTemplateFailureName)));
        auto built = [&]() -> Result<void> {
            CC_ASSIGN(TemplateClient client,
                      TemplateClient::ConnectOrStart(self, wanted, config.boot_timeout));
            return client.Wait(wanted.key, config.boot_timeout);
        }();
        if (built) return std::move(wanted.key);
        const auto now = PlanTemplate(config, vm, self);
        if (!now || now->key == wanted.key)
            return Context("building the template", Result<std::string>(Failure(built.error())));
    }
}

// The template that containers without a memory limit come of.
Result<int> Build(const RuntimeConfig& config) {
    if (!config.enable_template)
        return Fail("templates are switched off: enable_template in configuration.toml");
    CC_ASSIGN(const std::string self, SelfPath());
    CC_ASSIGN(const std::string hypervisor, FindHypervisor(config, self));
    CC_ASSIGN(const GuestFiles guest, FindGuest(config, ShareDirectories(self)));
    VmConfig vm = MakeVmConfig(config, guest, hypervisor, {});
    CC_ASSIGN(vm.file_server, FindFileServer(config));
    if (!CanBeCloned(vm))
        return Fail(
            "a virtual machine with huge pages or preallocated memory, and a microvm with "
            "shared_fs \"virtio-fs\", has no template");
    CC_ASSIGN(std::string key, BuildCurrent(config, vm, self));
    std::printf("%s\n", TemplateDirectoryName(key).c_str());
    return 0;
}

Result<void> RemoveOne(const RuntimeConfig& config, const std::string& name) {
    if (name.empty() || name.find('/') != std::string::npos || name.starts_with('.'))
        return Fail(Cat(Quoted(name), " is not the name of a template"));
    const std::string directory = Cat(config.TemplatePath(), "/", name);
    if (!Exists(directory)) return Fail(Cat("there is no template ", Quoted(name)), ENOENT);
    if (auto client = TemplateClient::Connect(directory)) {
        auto stopped = client->Stop();
        // Somebody else told it first.
        if (!stopped && stopped.error().code != ECONNRESET) return stopped;
    }
    return RemoveTree(directory);
}

Result<int> RemoveTemplates(const RuntimeConfig& config, std::vector<std::string> names, bool all) {
    if (all == !names.empty()) return Fail("template rm: name templates, or give --all");
    if (all) names = Names(config);
    for (const auto& name : names)
        CC_TRY(Context("removing a template", RemoveOne(config, name)));
    return 0;
}

Result<int> Template(App& app, const CliValues& own) {
    CC_ASSIGN(const RuntimeConfig config, app.LoadConfig());
    const std::string action = own.Get("action");
    const auto& names = own.All("template");
    if (action == "rm") return RemoveTemplates(config, names, own.Has("all"));
    if (!names.empty() || own.Has("all")) return Fail(Cat("template ", action, " takes no names"));
    if (action == "list" || action == "ls")
        return ListTemplates(config, own.Get("format", "table"));
    if (action == "build") return Build(config);
    return Fail(Cat("template: ", Quoted(action), " is none of build, list and rm"));
}

}  // namespace

CliCommand TemplateVerb() {
    return {.name = "template",
            .help = "build, list or remove the saved machines that containers are cloned from",
            .options = {{.names = "action",
                         .value = "ACTION",
                         .help = "build: make the one that containers are to come of, and wait; "
                                 "list; rm: end templates and their pools, containers live on",
                         .required = true},
                        {.names = "template", .value = "NAME", .help = "of rm", .many = true},
                        {.names = "-a,--all", .value = "", .help = "of rm: all of them"},
                        {.names = "-f,--format",
                         .value = "FORMAT",
                         .help = "of list: table (default) or json"}},
            .run = Run(Template)};
}

}  // namespace cc::runtime
