// SPDX-License-Identifier: Apache-2.0
// What a byte costs: processor time of the proxy per megabyte of a process's output and input, and
// of a bare copy loop beside it.
#include <cstdio>
#include <memory>
#include <utility>

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
    std::vector<double> transfers_per_megabyte;
};

void MeasureOnce(pid_t pid, std::vector<Lane>& lanes, double seconds, Cost& into) {
    const ProcessorClock clock(pid);
    const uint64_t calls_before = TransfersOf(pid);
    const double before = clock.Seconds();
    const Flow flow = Pump(lanes, seconds);
    const double used = clock.Seconds() - before;
    const auto calls = static_cast<double>(TransfersOf(pid) - calls_before);
    const double megabytes = static_cast<double>(flow.payload) / kMegabyte;
    into.milliseconds_per_megabyte.push_back(used * kMilli / megabytes);
    into.megabytes_per_second.push_back(megabytes / flow.seconds);
    into.transfers_per_megabyte.push_back(calls / megabytes);
}

Lane MakeLane(const Vm& vm, const ShimSession& session, Layer layer, bool output, size_t size) {
    const std::string payload(size, 'x');
    Lane lane{vm.io_fd(), nullptr, session.shim.fd(), nullptr};
    if (!output) std::swap(lane.from, lane.to);
    if (layer == Layer::kOurs && output) {
        lane.sender = std::make_shared<LinkSender>(vm.link(), session.base, size);
        lane.receiver = std::make_shared<ShimReceiver>();
    } else if (layer == Layer::kOurs) {
        lane.sender = std::make_shared<ShimSender>(size);
        lane.receiver = std::make_shared<LinkReceiver>(vm.link(), session.base);
    } else if (output) {
        lane.sender = std::make_shared<Repeating>(EncodeIo(session.base, payload), size);
        lane.receiver = std::make_shared<PayloadCounter>(Framing::kClient);
    } else {
        lane.sender = std::make_shared<Repeating>(EncodeStream(StreamKind::kStdin, payload), size);
        lane.receiver = std::make_shared<PayloadCounter>(Framing::kAgent);
    }
    return lane;
}

void PrintRow(const char* what, size_t size, const Cost& hub, const Cost& bare) {
    const double cost = Median(hub.milliseconds_per_megabyte);
    const double least = Median(bare.milliseconds_per_megabyte);
    std::printf("| %s, %zu KiB messages | %.2f | %.0f | %.0f | %.2f | %.0f | %.0f | %.1f |\n", what,
                size / 1024, cost, Median(hub.megabytes_per_second),
                Median(hub.transfers_per_megabyte), least, Median(bare.megabytes_per_second),
                Median(bare.transfers_per_megabyte), cost / least);
    std::fflush(stdout);
}

// One kind of stream, in turn with the bare copy of the agent's plain messages of that size.
void MeasureStream(const Setting& setting, const Proxy& proxy, Layer layer, bool output,
                   size_t size) {
    Vm vm(proxy.socket(), setting.directory, "streams", layer);
    const auto session = vm.StartProcess();
    std::vector<Lane> lanes{MakeLane(vm, *session, layer, output, size)};
    Cost hub;
    Cost bare;
    for (int round = 0; round < setting.rounds; ++round) {
        MeasureOnce(proxy.pid(), lanes, setting.seconds, hub);
        const CopyLoop copy(CopyLoop::Way::kForth);
        std::vector<Lane> beside{
            {copy.from(),
             std::make_shared<Repeating>(EncodeIo(session->base, std::string(size, 'x')), size),
             copy.to(), std::make_shared<PayloadCounter>(Framing::kAgent)}};
        MeasureOnce(copy.pid(), beside, setting.seconds, bare);
    }
    vm.Unregister();
    PrintRow(output ? "output" : "input", size, hub, bare);
}

void MeasureLayer(const Setting& setting, const Proxy& proxy, Layer layer, const char* what) {
    std::printf(
        "| %s | CPU (ms/MB) | MB/s | calls/MB | bare copy: CPU | MB/s | calls/MB | times its CPU "
        "|\n",
        what);
    std::puts("|---|--:|--:|--:|--:|--:|--:|--:|");
    // 3.0's agent takes messages of 10 KB at most, its shim sends frames of 8 KiB.
    for (const bool output : {true, false})
        for (const size_t size : {size_t{1024}, size_t{8192}, size_t{32768}})
            MeasureStream(setting, proxy, layer, output, size);
    std::puts("");
}

}  // namespace

void MeasureStreams(const Setting& setting) {
    const Proxy proxy(setting.proxy(), setting.directory);
    MeasureLayer(setting, proxy, Layer::kOurs, "version 3, extension 2");
    MeasureLayer(setting, proxy, Layer::k30, "3.0's protocols");
}

}  // namespace cc::bench
