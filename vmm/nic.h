// SPDX-License-Identifier: Apache-2.0
// The host's end of a network device of the machine's: a tap. It begins in the keeper's own network
// namespace, where nothing else is, and is moved to where its frames shall go once that is known.
// It ends with the last descriptor of it, which is the VMM's.
#pragma once

#include <string>

#include "base/fd.h"

namespace cc {

// The calling process gets an empty network namespace, and so does the VMM that it starts.
Result<void> LeaveNetwork();

class Nic {
  public:
    // In the caller's network namespace. Frames carry virtio-net's header, so that the guest may
    // leave checksums and segmentation to whoever needs them.
    static Result<Nic> Make(int number);

    const Fd& tap() const { return tap_; }
    // The VMM has it from now on.
    void Release() { tap_.Reset(); }
    // Moves it, once; repeated with the same namespace it does nothing. The namespace lives as long
    // as this object: who is left in it sees its links go when the machine goes, not before.
    Result<void> Attach(Fd network_namespace);

  private:
    Nic(std::string name, Fd tap) : name_(std::move(name)), tap_(std::move(tap)) {}
    std::string name_;
    Fd tap_;
    Fd namespace_;
};

}  // namespace cc
