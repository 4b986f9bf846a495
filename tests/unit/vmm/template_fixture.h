// SPDX-License-Identifier: Apache-2.0
// A template of fake VMMs, with the keeper as the process it is, driven through the runtime's own
// client.
#pragma once

#include <unistd.h>

#include "base/process.h"
#include "client/template_client.h"
#include "client/vm_client.h"
#include "host/template_key.h"
#include "tests/unit/vmm/fixtures.h"

namespace cc::test {

constexpr std::chrono::seconds kTemplatePatience{20};

inline bool Ends(int64_t pid) {
    for (int i = 0; i < 1000; ++i) {
        if (!StartTimeOf(static_cast<pid_t>(pid))) return true;
        ::usleep(10000);
    }
    return false;
}

struct Template {
    TemporaryDirectory directory;
    TemplateConfig config;

    explicit Template(std::string_view behaviour = "fake.agent", int64_t pool = 0) {
        VmConfig& vm = config.vm;
        vm.acceleration = Acceleration::kTcg;
        vm.hypervisor = CC_FAKE_VMM;
        vm.kernel = directory.Write("vmlinux", "kernel");
        vm.initrd = directory.Write("initrd", "initrd");
        vm.kernel_params = behaviour;
        vm.memory_mib = 1;
        config.directory = directory / "t";
        config.pool = pool;
        config.key = TemplateKey(CC_TEST_KEEPER, vm).value();
    }
    ~Template() {
        if (auto client = TemplateClient::Connect(config.directory)) (void)client->Stop();
    }
    std::string operator/(std::string_view name) const { return Cat(config.directory, "/", name); }
    Result<TemplateClient> Client() {
        return TemplateClient::ConnectOrStart(CC_TEST_KEEPER, config, kTemplatePatience);
    }
    Result<TakenVm> Take(const std::string& name) {
        const std::string place = directory / name;
        REQUIRE(MakeDirectories(place, 0700));
        CC_ASSIGN(TemplateClient client, Client());
        return client.Take(config.key, place, kTemplatePatience);
    }
    TemplateStatus Status() {
        auto client = TemplateClient::Connect(config.directory);
        REQUIRE(client);
        return client->Status().value();
    }
    bool WaitPool(int64_t ready) {
        for (int i = 0; i < 2000; ++i) {
            if (Status().pool_ready == ready) return true;
            ::usleep(10000);
        }
        return false;
    }
    bool Gone() {
        for (int i = 0; i < 1000 && Exists(config.directory); ++i)
            ::usleep(10000);
        return !Exists(config.directory);
    }
    // Of the VM that becomes the template, or of one of the pool: the first that says so.
    VmStatus Child() {
        const std::string children = *this / Cat(kTemplatePoolName, "/", Status().pid);
        for (int i = 0; i < 2000; ++i) {
            for (const auto& name : ListDirectory(children).value_or(std::vector<std::string>{}))
                if (auto vm = VmClient::Connect(Cat(children, "/", name)))
                    if (auto status = vm->Status()) return *status;
            ::usleep(10000);
        }
        FAIL("no VM of the template answers");
        return {};
    }
};

}  // namespace cc::test
