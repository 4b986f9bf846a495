// SPDX-License-Identifier: Apache-2.0
// Changes page sharing and puts it back. Every call may take seconds (see KsmFiles): not for the
// event loop, which has KsmThread.
//
// Nothing is changed that could not be put back: the values found are written down before the first
// change. They stand in the record exactly as long as the kernel's are ours.
#pragma once

#include <string>

#include "base/fd.h"
#include "base/result.h"
#include "proxy/ksm.h"

namespace cc::proxy {

struct KsmPaths {
    std::string root = "/sys/kernel/mm/ksm";
    std::string record;  // beside the proxy's socket
    std::string meminfo = "/proc/meminfo";
    std::string boot_id = "/proc/sys/kernel/random/boot_id";
};
std::string KsmRecordOf(const std::string& socket_path);

class KsmTuner {
  public:
    // Reads the values to go back to; those that a killed proxy has left behind are put right
    // first. The error code is ENOENT when the kernel has no page sharing, EWOULDBLOCK when another
    // proxy has it in hand.
    static Result<KsmTuner> Begin(const KsmPaths& paths, KsmMode mode);
    // After an error everything is as it was found, as far as that can be done.
    Result<void> Apply(KsmPace pace);
    const KsmValues& initial() const { return initial_; }

  private:
    explicit KsmTuner(const KsmPaths& paths) : paths_(paths), files_(paths.root) {}
    Result<void> Lock();
    Result<void> Recover();
    Result<void> Change(KsmPace pace);
    Result<void> Remember();
    Result<void> PutBack();

    KsmPaths paths_;
    KsmFiles files_;
    Fd lock_;
    std::string boot_;
    KsmValues initial_;
    bool changed_ = false;  // and in the record
};

}  // namespace cc::proxy
