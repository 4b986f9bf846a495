// SPDX-License-Identifier: Apache-2.0
// Many busy VMs at once: what each gets, and what one whose reader has stopped takes from others.
#include <algorithm>
#include <cstdio>
#include <memory>
#include <numeric>

#include "base/text.h"
#include "bench/hub/measured.h"
#include "bench/hub/must.h"
#include "bench/hub/peers.h"
#include "bench/hub/pump.h"
#include "bench/hub/sections.h"
#include "bench/hub/statistics.h"
#include "protocol/agent_frame.h"

namespace cc::bench {

namespace {

constexpr size_t kMessage = 8192;
constexpr int kBusyVms = 64;
constexpr int kNeighbours = 7;

// A VM with one process and a lane for its output.
struct Busy {
    Busy(const Proxy& proxy, const std::string& directory, int number)
        : vm(proxy.socket(), directory, Cat("busy", number)), session(vm.StartProcess()) {}
    Lane lane(bool read) const {
        return {vm.io_fd(),
                std::make_shared<Repeating>(EncodeIo(session->base, std::string(kMessage, 'x')),
                                            kMessage),
                read ? session->shim.fd() : -1, std::make_shared<PayloadCounter>(Framing::kClient)};
    }
    Vm vm;
    std::unique_ptr<ShimSession> session;
};

using Fleet = std::vector<std::unique_ptr<Busy>>;

Fleet Launch(const Proxy& proxy, const std::string& directory, int count) {
    Fleet fleet;
    for (int i = 0; i < count; ++i)
        fleet.push_back(std::make_unique<Busy>(proxy, directory, i));
    return fleet;
}

void MeasureShares(const Setting& setting) {
    const Proxy proxy(setting.proxy(), setting.directory);
    const Fleet fleet = Launch(proxy, setting.directory, kBusyVms);
    std::vector<Lane> lanes;
    for (const auto& busy : fleet)
        lanes.push_back(busy->lane(true));
    const double before = proxy.ProcessorSeconds();
    const Flow flow = Pump(lanes, 2 * setting.seconds);
    const double used = proxy.ProcessorSeconds() - before;
    std::vector<double> shares;
    for (const auto& lane : lanes)
        shares.push_back(static_cast<double>(lane.received) / kMegabyte / (2 * setting.seconds));
    const double mean =
        std::accumulate(shares.begin(), shares.end(), 0.0) / static_cast<double>(shares.size());
    const double slowest = *std::min_element(shares.begin(), shares.end());
    const double fastest = *std::max_element(shares.begin(), shares.end());
    const double megabytes = static_cast<double>(flow.payload) / kMegabyte;
    std::puts(
        "| busy at once | MB/s in all | CPU (ms/MB) | slowest | mean | fastest | slowest / mean |");
    std::puts("|---|--:|--:|--:|--:|--:|--:|");
    std::printf("| %d VMs, 8 KiB messages | %.0f | %.2f | %.2f | %.2f | %.2f | %.2f |\n\n",
                kBusyVms, megabytes / flow.seconds, used * kMilli / megabytes, slowest, mean,
                fastest, slowest / mean);
}

double NeighboursSpeed(const Setting& setting, bool stopped_reader) {
    const Proxy proxy(setting.proxy(), setting.directory);
    const Fleet fleet = Launch(proxy, setting.directory, kNeighbours + 1);
    std::vector<Lane> lanes;
    for (int i = 0; i < kNeighbours; ++i)
        lanes.push_back(fleet[static_cast<size_t>(i)]->lane(true));
    if (stopped_reader) lanes.push_back(fleet.back()->lane(false));
    const Flow flow = Pump(lanes, setting.seconds);
    return static_cast<double>(flow.payload) / kMegabyte / flow.seconds;
}

void MeasureStoppedReader(const Setting& setting) {
    std::vector<double> without;
    std::vector<double> with;
    for (int round = 0; round < setting.rounds; ++round) {
        without.push_back(NeighboursSpeed(setting, false));
        with.push_back(NeighboursSpeed(setting, true));
    }
    std::puts("| 7 busy VMs beside one | MB/s of the seven |");
    std::puts("|---|--:|");
    std::printf("| that is quiet | %.0f |\n", Median(without));
    std::printf("| that prints, and whose reader has stopped | %.0f |\n\n", Median(with));
}

}  // namespace

void MeasureFairness(const Setting& setting) {
    MeasureShares(setting);
    MeasureStoppedReader(setting);
}

}  // namespace cc::bench
