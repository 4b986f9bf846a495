// SPDX-License-Identifier: Apache-2.0
// What a byte costs: processor time of the proxy per megabyte of a process's output and input, and
// of a bare copy loop beside it.
#include <cstdio>

#include "bench/hub/measured.h"
#include "bench/hub/must.h"
#include "bench/hub/peers.h"
#include "bench/hub/pump.h"
#include "bench/hub/sections.h"
#include "bench/hub/statistics.h"
#include "protocol/agent_frame.h"

namespace cc::bench {

namespace {

struct Cost {
    std::vector<double> milliseconds_per_megabyte;
    std::vector<double> megabytes_per_second;
};

void MeasureOnce(const ProcessorClock& clock, Lane lane, double seconds, Cost& into) {
    std::vector<Lane> lanes{std::move(lane)};
    const double before = clock.Seconds();
    const Flow flow = Pump(lanes, seconds);
    const double used = clock.Seconds() - before;
    const double megabytes = static_cast<double>(flow.payload) / kMegabyte;
    into.milliseconds_per_megabyte.push_back(used * kMilli / megabytes);
    into.megabytes_per_second.push_back(megabytes / flow.seconds);
}

void PrintRow(const char* what, size_t size, const Cost& hub, const Cost& bare) {
    const double cost = Median(hub.milliseconds_per_megabyte);
    const double least = Median(bare.milliseconds_per_megabyte);
    std::printf("| %s, %zu KiB messages | %.2f | %.0f | %.2f | %.0f | %.1f |\n", what, size / 1024,
                cost, Median(hub.megabytes_per_second), least, Median(bare.megabytes_per_second),
                cost / least);
    std::fflush(stdout);
}

}  // namespace

void MeasureStreams(const Setting& setting) {
    std::puts("| one session | CPU (ms/MB) | MB/s | bare copy: CPU | MB/s | times its CPU |");
    std::puts("|---|--:|--:|--:|--:|--:|");
    const Proxy proxy(setting.proxy(), setting.directory);
    const ProcessorClock hub_clock(proxy.pid());
    Vm vm(proxy.socket(), setting.directory, "streams");
    const auto session = vm.StartProcess();
    // 3.0's agent takes messages of 10 KB at most, its shim sends frames of 8 KiB.
    for (const bool output : {true, false}) {
        for (const size_t size : {size_t{1024}, size_t{8192}, size_t{32768}}) {
            const std::string payload(size, 'x');
            const std::string from_agent = EncodeIo(session->base, payload);
            Cost hub;
            Cost bare;
            for (int round = 0; round < setting.rounds; ++round) {
                MeasureOnce(
                    hub_clock,
                    output
                        ? Lane{vm.io_fd(), from_agent, size, session->shim.fd(), Framing::kClient}
                        : Lane{session->shim.fd(), EncodeStream(StreamKind::kStdin, payload), size,
                               vm.io_fd(), Framing::kAgent},
                    setting.seconds, hub);
                const CopyLoop copy(CopyLoop::Way::kForth);
                MeasureOnce(ProcessorClock(copy.pid()),
                            Lane{copy.from(), from_agent, size, copy.to(), Framing::kAgent},
                            setting.seconds, bare);
            }
            PrintRow(output ? "output" : "input", size, hub, bare);
        }
    }
    std::puts("");
}

}  // namespace cc::bench
