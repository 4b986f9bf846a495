// SPDX-License-Identifier: Apache-2.0
#include "tests/e2e/templates.h"

#include <thread>

#include <doctest/doctest.h>

#include "base/file.h"
#include "base/text.h"

namespace cc::test {

namespace {

bool Until(const std::function<bool()>& holds) {
    const auto end = std::chrono::steady_clock::now() + kPatience;
    while (!holds()) {
        if (std::chrono::steady_clock::now() >= end) return false;
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
    return true;
}

pid_t ParentOf(pid_t pid) {
    const std::string status = ReadFile(Cat("/proc/", pid, "/status"), 1 << 16).value_or("");
    constexpr std::string_view key = "PPid:";
    for (const auto& line : Split(status, '\n'))
        if (line.starts_with(key))
            return ParseNumber<pid_t>(Trim(std::string_view(line).substr(key.size()))).value_or(0);
    return 0;
}

// For whoever wonders why there is none.
void TellFailures(const Host& host) {
    const auto names = ListDirectory(host.template_path());
    for (const auto& name : names ? *names : std::vector<std::string>())
        if (const auto why = ReadFile(Cat(host.template_path(), "/", name, "/failed"), 1 << 16))
            MESSAGE("a template could not be made: ", *why);
}

pid_t ChildOf(const std::vector<Host::Running>& all, pid_t parent, std::string_view name) {
    for (const auto& process : all)
        if (process.name == name && ParentOf(process.pid) == parent) return process.pid;
    return 0;
}

}  // namespace

Json Template(Host& host) {
    const Finished list = host.Runtime({"template", "list", "--format", "json"});
    REQUIRE_MESSAGE(list.status == 0, list.err);
    const Json all = Json::parse(list.out);
    if (!all.empty()) return all[0];
    TellFailures(host);
    return {};
}

bool WaitPool(Host& host, int64_t ready) {
    return Until([&] {
        const Json one = Template(host);
        return one.is_object() && one.value("poolReady", int64_t{-1}) == ready;
    });
}

TemplateVm VmOf(const Host& host, pid_t template_keeper) {
    const auto all = host.Processes();
    TemplateVm vm;
    vm.keeper = ChildOf(all, template_keeper, "cc-vmm");
    if (vm.keeper != 0) vm.vmm = ChildOf(all, vm.keeper, kVmm);
    return vm;
}

TemplateVm WaitVmOf(const Host& host, pid_t template_keeper) {
    TemplateVm vm;
    CHECK(Until([&] {
        vm = VmOf(host, template_keeper);
        return vm.vmm != 0;
    }));
    return vm;
}

pid_t WaitBuilding(Host& host) {
    pid_t keeper = 0;
    CHECK(Until([&] {
        const Json one = Template(host);
        if (one.is_object() && one.value("state", "") == "building")
            keeper = one.at("pid").get<pid_t>();
        return keeper != 0;
    }));
    return keeper;
}

bool Ends(pid_t pid) {
    return Until([pid] { return !StartTimeOf(pid); });
}

}  // namespace cc::test
