// SPDX-License-Identifier: Apache-2.0
#include "vmm/template/memory_pressure.h"

#include <fcntl.h>

namespace cc {

namespace {
// Microseconds: some process waited for 200 ms within 2 s. Without CAP_SYS_RESOURCE the window must
// be a multiple of these.
constexpr std::string_view kTrigger("some 200000 2000000\0", 20);
}  // namespace

Result<std::unique_ptr<MemoryPressure>> MemoryPressure::Watch(uv::Loop& loop,
                                                              std::function<void()> on_pressure,
                                                              const std::string& file) {
    CC_ASSIGN(Fd fd, OpenFile(file, O_RDWR | O_NONBLOCK));
    CC_TRY(WriteAll(fd.get(), kTrigger));
    auto watch = std::unique_ptr<MemoryPressure>(
        new MemoryPressure(loop, std::move(fd), std::move(on_pressure)));
    CC_TRY(watch->poll_.Open(watch->fd_.get()));
    watch->poll_.Start(UV_PRIORITIZED);
    return watch;
}

MemoryPressure::MemoryPressure(uv::Loop& loop, Fd fd, std::function<void()> on_pressure)
    : fd_(std::move(fd)), poll_(loop, [tell = std::move(on_pressure)](int) { tell(); }) {}

}  // namespace cc
