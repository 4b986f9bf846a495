// SPDX-License-Identifier: Apache-2.0
#include "agent/agent.h"

#include <csignal>

#include "agent/control_channel.h"
#include "agent/device_events.h"
#include "agent/processors.h"
#include "agent/task.h"
#include "base/log.h"

namespace cc::agent {

namespace {

// The kernel is busy with each for some time.
constexpr std::chrono::seconds kProcessorsDeadline{15};

void TakeProcessors(uv::Loop& loop, Reaper& reaper) {
    const auto work = []() -> Result<void> {
        CC_TRY(UseProcessors());
        return {};
    };
    RunInChild(loop, reaper, "taking processors into use", kProcessorsDeadline, work,
               [](const Result<void>& done) {
                   if (!done) Log(LogLevel::kWarn, done.error().message);
               });
}

}  // namespace

Result<void> RunAgent(const AgentOptions& options) {
    CC_TRY(Context("containers' cgroups", PrepareCgroupParent(options.cgroup_parent)));
    uv::Loop loop;
    Reaper reaper(loop);
    CC_TRY(reaper.Start());
    uv::SignalWatch terminate(loop, [&loop](int) { loop.Stop(); });
    if (options.stop_at_sigterm) CC_TRY(terminate.Start(SIGTERM));
    IoChannel io(loop);
    NetworkDevice device;
    const Surroundings surroundings{
        loop, reaper, io, device, options.share, options.cgroup_parent, options.shm};
    Pod pod(surroundings, options.pod);
    ControlChannel control(pod, io, options.started_ms);
    std::unique_ptr<ProcessorWatch> processors;
    if (options.takes_processors) {
        CC_ASSIGN(processors, ProcessorWatch::Start(loop, [&] { TakeProcessors(loop, reaper); }));
    }
    // The I/O port first: whoever gets READY may send input at once.
    CC_ASSIGN(auto io_port, options.open_io(loop, io.PortCallbacks()));
    io.Use(std::move(io_port));
    CC_ASSIGN(auto control_port, options.open_control(loop, control.PortCallbacks()));
    control.Use(std::move(control_port));
    loop.Run();
    return {};
}

}  // namespace cc::agent
