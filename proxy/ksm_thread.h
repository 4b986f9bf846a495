// SPDX-License-Identifier: Apache-2.0
// A KsmTuner in a thread of its own, because the kernel lets a writer wait for the end of its
// round. Failures are logged, one line until it works again, and are never fatal.
#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>

#include "proxy/ksm_tuner.h"

namespace cc::proxy {

class KsmThread {
  public:
    KsmThread(const KsmPaths& paths, KsmMode mode);
    ~KsmThread() { End(); }
    KsmThread(const KsmThread&) = delete;
    KsmThread& operator=(const KsmThread&) = delete;

    // Returns at once. A pace that was not reached yet is passed over for the newer one.
    void Apply(KsmPace pace);
    // Waits until everything is put back. Afterwards Apply() does nothing.
    void End();

  private:
    void Run();
    std::optional<KsmPace> NextPace();
    void Report(const Result<void>& done);

    const KsmPaths paths_;
    const KsmMode mode_;
    bool complained_ = false;  // the thread's

    std::mutex mutex_;
    std::condition_variable changed_;
    std::optional<KsmPace> wanted_;
    bool ending_ = false;

    std::thread thread_;  // behind what it uses
};

// Null where there is nothing to do: mode initial, and no killed proxy has left a record.
std::unique_ptr<KsmThread> StartKsm(const KsmPaths& paths, KsmMode mode);

}  // namespace cc::proxy
