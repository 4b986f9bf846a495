// SPDX-License-Identifier: Apache-2.0
// The proxy's memory with many VMs, and whether it gives it back.
#include <cstdio>
#include <memory>
#include <thread>

#include <unistd.h>

#include "base/text.h"
#include "bench/hub/measured.h"
#include "bench/hub/must.h"
#include "bench/hub/peers.h"
#include "bench/hub/sections.h"
#include "bench/hub/statistics.h"
#include "bench/hub/traffic.h"

namespace cc::bench {

namespace {

constexpr size_t kPrinted = 16 * 1024;  // a message of each process before it is weighed
constexpr int kMessages = 4;
constexpr int kFew = 100;
constexpr int kMany = 1000;
constexpr int kRounds = 10000;
constexpr int kRoundsReport = 2000;
// What the proxy does when it has nothing else to do shall have been done.
constexpr std::chrono::milliseconds kSettle{1500};

void Weigh(const Proxy& proxy, std::string_view when) {
    std::this_thread::sleep_for(kSettle);
    const Memory memory = proxy.memory();
    std::printf("| %.*s | %ld | %ld | %ld | %ld |\n", static_cast<int>(when.size()), when.data(),
                memory.rss, memory.pss, memory.private_, memory.anonymous);
    std::fflush(stdout);
}

void PrintHeader() {
    std::puts("| cc-proxy | RSS (KiB) | PSS | private | anonymous |");
    std::puts("|---|--:|--:|--:|--:|");
}

void ReadOutput(ShimSession& session, size_t bytes) {
    std::vector<char> buffer(bytes);
    PayloadCounter counter(Framing::kClient);
    while (counter.payload() < bytes) {
        const ssize_t count =
            Must(::read(session.shim.fd(), buffer.data(), buffer.size()), "reading output");
        counter.Push({buffer.data(), static_cast<size_t>(count)});
    }
}

// VMs with one process each, which has printed something; weighs the proxy, and ends them all.
void WeighWith(const Proxy& proxy, const std::string& directory, int count) {
    struct Running {
        std::unique_ptr<Vm> vm;
        std::unique_ptr<ShimSession> session;
    };
    std::vector<Running> all;
    const std::string output(kPrinted, 'x');
    for (int i = 0; i < count; ++i) {
        auto vm = std::make_unique<Vm>(proxy.socket(), directory, Cat("vm", i));
        auto session = vm->StartProcess();
        vm->CloseRuntime();
        for (int message = 0; message < kMessages; ++message) {
            vm->Print(session->base, output);
            ReadOutput(*session, output.size());
        }
        all.push_back({std::move(vm), std::move(session)});
    }
    Weigh(proxy, Cat(count, " VMs and ", count, " shims"));
    for (auto& running : all) {
        running.vm->EndProcess(*running.session);
        running.vm->Unregister();
    }
    all.clear();
    Weigh(proxy, "all of them gone");
}

}  // namespace

void MeasureMemory(const Setting& setting) {
    PrintHeader();
    const Proxy proxy(setting.proxy(), setting.directory);
    Weigh(proxy, "idle, just started");
    WeighWith(proxy, setting.directory, kFew);
    WeighWith(proxy, setting.directory, kMany);
    std::puts("");
}

void MeasureRounds(const Setting& setting) {
    PrintHeader();
    const Proxy proxy(setting.proxy(), setting.directory);
    Vm vm(proxy.socket(), setting.directory, "rounds");
    const auto first = vm.StartProcess();
    vm.CloseRuntime();
    Weigh(proxy, "one VM, one shim");
    const double before = proxy.ProcessorSeconds();
    double busy = 0;
    for (int done = 0; done < kRounds; done += kRoundsReport) {
        const auto begin = Clock::now();
        for (int i = 0; i < kRoundsReport; ++i) {
            const auto session = vm.StartProcess();
            vm.Print(session->base, "hello\n");
            vm.EndProcess(*session);
            vm.CloseRuntime();
        }
        busy += SecondsSince(begin);
        Weigh(proxy, Cat("after ", done + kRoundsReport, " rounds of connect, exec, exit"));
    }
    const double used = proxy.ProcessorSeconds() - before;
    vm.EndProcess(*first);
    vm.Unregister();
    vm.CloseRuntime();
    Weigh(proxy, "the VM gone");
    std::printf("\n%d rounds: %.0f a second, %.0f us of CPU each.\n\n", kRounds, kRounds / busy,
                used * kMicro / kRounds);
}

}  // namespace cc::bench
