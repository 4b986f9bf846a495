// SPDX-License-Identifier: Apache-2.0
#include "host/acceleration.h"

#include <fcntl.h>
#include <linux/kvm.h>
#include <sys/ioctl.h>

#include "base/file.h"
#include "base/text.h"
#include "host/host_cpu.h"

namespace cc {

namespace {

// The only version there is since Linux 2.6.22 (Documentation/virt/kvm/api.rst).
constexpr int kKvmApiVersion = 12;

// Success when a stock guest can run under KVM, else why not.
Result<void> KvmUsable(const AccelerationEvidence& evidence) {
    CC_ASSIGN(const Fd device, OpenFile(evidence.kvm_device, O_RDWR));
    const int version = evidence.api_version ? evidence.api_version(device.get())
                                             : ::ioctl(device.get(), KVM_GET_API_VERSION, 0);
    if (version < 0) return FailErrno(Cat("asking ", evidence.kvm_device, " for its API version"));
    if (version != kKvmApiVersion)
        return Fail(
            Cat(evidence.kvm_device, " speaks API version ", version, ", not ", kKvmApiVersion));
    CC_ASSIGN(const HostCpu cpu, ReadHostCpu(evidence.cpuinfo));
    if (!cpu.Has("vmx") && !cpu.Has("svm"))
        return Fail(Cat(evidence.kvm_device, " opens, but the CPU flags in ", evidence.cpuinfo,
                        " show neither vmx nor svm"));
    return {};
}

}  // namespace

Result<AccelerationChoice> ChooseAcceleration(Acceleration wanted,
                                              const AccelerationEvidence& evidence) {
    if (wanted == Acceleration::kTcg)
        return AccelerationChoice{Acceleration::kTcg, "the configuration asks for it"};
    const auto usable = KvmUsable(evidence);
    if (wanted == Acceleration::kKvm) {
        if (!usable)
            return Fail(Cat("acceleration kvm is not possible here: ", usable.error().message,
                            "; use auto or tcg"),
                        usable.error().code);
        return AccelerationChoice{Acceleration::kKvm, "the configuration asks for it"};
    }
    if (usable) return AccelerationChoice{Acceleration::kKvm, Cat(evidence.kvm_device, " works")};
    return AccelerationChoice{Acceleration::kTcg, usable.error().message};
}

}  // namespace cc
