// SPDX-License-Identifier: Apache-2.0
// Disks that are plugged into a machine that runs, and taken out again.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>

#include "protocol/vm_config.h"
#include "vmm/qemu/qmp.h"

namespace cc::qemu {

// `number`: its place is free. The device is open for reading, and for writing unless `read_only`;
// it is duplicated before this returns. The client outlives the wait. After a failure nothing of it
// is left in the VMM.
void PlugDisk(QmpClient& qmp, MachineType machine, int number, const Fd& device, bool read_only,
              std::chrono::milliseconds deadline, std::function<void(Result<void>)> done);

// The way out takes the guest, which has to let go of the disk first.
class DiskExits {
  public:
    using Done = std::function<void(Result<void>)>;
    // `on_gone`: told of each disk that is out and whose device is closed, before `done` is.
    DiskExits(uv::Loop& loop, std::function<void(int number)> on_gone)
        : loop_(loop), on_gone_(std::move(on_gone)) {}

    // When the deadline has passed `done` gets an error; should the guest let go later, the disk
    // goes then. The client outlives this object.
    void Begin(QmpClient& qmp, int number, std::chrono::milliseconds deadline, Done done);
    void OnEvent(const QmpEvent& event);

  private:
    struct Exit {
        QmpClient* qmp;
        std::chrono::milliseconds deadline;
        Done done;
        std::unique_ptr<uv::Timer> timer;
    };
    void Finish(int number, Result<void> how);
    void Close(int number);
    void Gone(int number);

    uv::Loop& loop_;
    std::function<void(int number)> on_gone_;
    std::map<int, Exit> exits_;
};

}  // namespace cc::qemu
