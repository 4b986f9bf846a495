// SPDX-License-Identifier: Apache-2.0
// Hardware virtualisation or emulation: decided by evidence (design.md, decision 8). That /dev/kvm
// opens and answers its API version proves nothing by itself: there are hosts where it does and no
// stock guest kernel runs, and there the CPU shows neither vmx nor svm.
#pragma once

#include <functional>
#include <string>

#include "protocol/vm_config.h"

namespace cc {

// Where the evidence is; tests point these at recorded hosts.
struct AccelerationEvidence {
    std::string kvm_device = "/dev/kvm";
    std::string cpuinfo = "/proc/cpuinfo";
    // KVM_GET_API_VERSION on the open device; -1 with errno when it fails.
    std::function<int(int fd)> api_version;  // absent: the real ioctl(2)
};

struct AccelerationChoice {
    Acceleration engine = Acceleration::kTcg;  // kKvm or kTcg
    std::string reason;                        // one sentence, for the log and VmStatus
};

// An error only when KVM is demanded and cannot be had; it says why.
Result<AccelerationChoice> ChooseAcceleration(Acceleration wanted,
                                              const AccelerationEvidence& evidence = {});

}  // namespace cc
