// SPDX-License-Identifier: Apache-2.0
// What the kernel says of its devices as they come, and waiting for what they bring.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string_view>

#include "base/fd.h"
#include "base/uv/loop.h"

namespace cc::agent {

// Looks at once, and after each event of a device, until `there` says true. False: the deadline has
// come first.
Result<bool> AwaitDevices(const std::function<Result<bool>()>& there,
                          std::chrono::milliseconds deadline);

// Whether the event says that a processor has been plugged in.
bool BringsProcessor(std::string_view event);

// Calls from the loop when a processor has been plugged in.
class ProcessorWatch {
  public:
    static Result<std::unique_ptr<ProcessorWatch>> Start(uv::Loop& loop,
                                                         std::function<void()> on_processor);

  private:
    ProcessorWatch(uv::Loop& loop, Fd events, std::function<void()> on_processor);
    void OnEvents();

    Fd events_;
    std::function<void()> on_processor_;
    uv::Poll poll_;
};

}  // namespace cc::agent
