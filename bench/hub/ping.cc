// SPDX-License-Identifier: Apache-2.0
// The round trip of the smallest command: runtime, proxy, agent, and back. Runtime and agent are
// one thread, so that only the proxy's part is somebody else's turn; a copy loop in the proxy's
// place shows what the kernel alone takes.
#include <algorithm>
#include <array>
#include <cstdio>
#include <functional>
#include <string>
#include <thread>

#include <sched.h>
#include <unistd.h>

#include "base/fd.h"
#include "bench/hub/awake.h"
#include "bench/hub/measured.h"
#include "bench/hub/must.h"
#include "bench/hub/peers.h"
#include "bench/hub/pump.h"
#include "bench/hub/sections.h"
#include "bench/hub/statistics.h"
#include "protocol/client_messages.h"

namespace cc::bench {

namespace {

constexpr int kWarmUp = 1000;
constexpr int kPings = 20000;

// 0: this process.
void PinTo(size_t processor, pid_t pid) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(processor, &set);
    Must(::sched_setaffinity(pid, sizeof set, &set), "sched_setaffinity");
}

void MeasureTripsOn(size_t processor, const std::string& what, pid_t pid,
                    const std::function<void()>& trip) {
    PinTo(processor, pid);
    for (int i = 0; i < kWarmUp; ++i)
        trip();
    const ProcessorClock clock(pid);
    const double before = clock.Seconds();
    std::vector<double> times;
    times.reserve(kPings);
    for (int i = 0; i < kPings; ++i) {
        const auto begin = Clock::now();
        trip();
        times.push_back(SecondsSince(begin) * kMicro);
    }
    const double used = (clock.Seconds() - before) * kMicro / kPings;
    std::printf("| %s | %.1f | %.1f | %.1f | %.1f |\n", what.c_str(), Quantile(times, 0.5),
                Quantile(times, 0.9), Quantile(times, 0.99), used);
    std::fflush(stdout);
}

void MeasureTrips(const std::string& what, pid_t pid, const std::function<void()>& trip) {
    MeasureTripsOn(0, what + ", on one processor", pid, trip);
    if (std::thread::hardware_concurrency() > 1) MeasureTripsOn(1, what + ", on two", pid, trip);
}

void Exchange(int from, int to, std::string_view bytes) {
    Must(WriteAll(from, bytes));
    std::array<char, 256> buffer;
    if (Must(::read(to, buffer.data(), buffer.size()), "reading") == 0) Die("the copy loop ended");
}

}  // namespace

void MeasurePing(const Setting& setting) {
    std::puts("| round trip | p50 (us) | p90 | p99 | CPU (us) |");
    std::puts("|---|--:|--:|--:|--:|");
    const Proxy proxy(setting.proxy(), setting.directory);
    const Awake processors;
    PinTo(0, 0);
    std::string ping;
    const auto measure = [&](const char* what, Layer layer) {
        Vm vm(proxy.socket(), setting.directory, "ping", layer);
        const uint16_t version = vm.runtime().version();
        ping = EncodeCommand(ClientCommand::kHyper, Encode(HyperMessage{"ping", {}, ""}, version),
                             version);
        MeasureTrips(what, proxy.pid(), [&] {
            vm.runtime().Send(ping);
            vm.Acknowledge();
            vm.runtime().AwaitAnswer(ClientCommand::kHyper);
        });
        vm.Unregister();
    };
    measure("Hyper ping, version 3 and extension 2", Layer::kOurs);
    measure("Hyper ping, 3.0's protocols", Layer::k30);
    const CopyLoop copy(CopyLoop::Way::kForthAndBack);
    MeasureTrips("bare copy of the same bytes", copy.pid(), [&] {
        Exchange(copy.from(), copy.to(), ping);
        Exchange(copy.to(), copy.from(), "12 bytes all");
    });
    std::puts("");
    cpu_set_t all;
    std::fill_n(reinterpret_cast<unsigned char*>(&all), sizeof all, 0xff);
    Must(::sched_setaffinity(0, sizeof all, &all), "sched_setaffinity");
}

}  // namespace cc::bench
