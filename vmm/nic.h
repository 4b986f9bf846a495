// SPDX-License-Identifier: Apache-2.0
// The host's end of a network device of the machine's: a tap, and where the host's kernel can carry
// its frames to the guest and back (vhost-net), one end of that. It begins in the keeper's own
// network namespace, where nothing else is, and is moved to where its frames shall go once that is
// known. There it ends with the last descriptor of it, which is the VMM's. One that was never moved
// ends with the keeper's namespace, which the kernel takes apart on its own time: a VMM that closes
// the last descriptor would wait for it, 15 ms of 20. A macvtap is made where its frames go, above
// a link, and ends with this object.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "base/fd.h"

namespace cc {

// The calling process gets an empty network namespace, and so does the VMM that it starts.
Result<void> LeaveNetwork();

constexpr const char* kVhostNetDevice = "/dev/vhost-net";

// Of a machine with several processors each has a queue of its own, up to so many.
constexpr int kMostQueues = 8;

struct NicBackEnd {
    std::vector<Fd> taps;    // one a queue
    std::vector<Fd> vhosts;  // likewise; none: the VMM carries the frames
};

// None where the host has no such device, or we may not use it.
Fd OpenVhostNet(const std::string& device = kVhostNetDevice);

class Nic {
  public:
    // In the caller's network namespace. Frames carry virtio-net's header, so that the guest may
    // leave checksums and segmentation to whoever needs them. `queues`: 1 to kMostQueues; a kernel
    // that cannot do several makes one.
    static Result<Nic> Make(int number, int queues, bool vhost);

    // Above the link `below` of another namespace, under the name of this device's tap.
    static Result<Nic> MakeMacvtap(int number, Fd network_namespace, const std::string& below,
                                   int queues, bool vhost);
    Nic(Nic&&) = default;
    Nic& operator=(Nic&&) = delete;
    ~Nic();

    const NicBackEnd& back_end() const { return back_end_; }
    // The VMM has it from now on.
    NicBackEnd Release() { return std::exchange(back_end_, {}); }
    // Moves it, once; repeated with the same namespace it does nothing. The namespace lives as long
    // as this object: who is left in it sees its links go when the machine goes, not before.
    Result<void> Attach(Fd network_namespace);

  private:
    Nic(std::string name, NicBackEnd end) : name_(std::move(name)), back_end_(std::move(end)) {}
    std::string name_;
    NicBackEnd back_end_;
    Fd persistent_;  // the tap, while it would outlive its last descriptor
    Fd namespace_;
    bool macvtap_ = false;
};

}  // namespace cc
