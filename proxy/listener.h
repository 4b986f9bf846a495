// SPDX-License-Identifier: Apache-2.0
// Accepts connections on a listening UNIX socket. When the process has few descriptors left the
// listener rests for a moment, and callers wait in its backlog: those who are here already need
// some for what they do.
#pragma once

#include <functional>
#include <memory>
#include <string_view>

#include <sys/resource.h>
#include <sys/types.h>

#include "base/fd.h"
#include "base/uv/loop.h"

namespace cc::proxy {

class Listener {
  public:
    using Accepted = std::function<void(Fd connection, uid_t user)>;
    // `spared`: so many descriptors are left to others, and never more than a quarter of all.
    static Result<std::unique_ptr<Listener>> Open(uv::Loop& loop, Fd socket, rlim_t spared,
                                                  Accepted accepted);
    // Somebody has connected and is not accepted yet.
    bool HasCaller() const;

  private:
    Listener(uv::Loop& loop, Fd socket, rlim_t spared, Accepted accepted);
    void Accept();
    bool FewDescriptorsLeft() const;
    void Rest(std::string_view why);

    Fd socket_;
    const rlim_t spared_;
    Accepted accepted_;
    uv::Poll poll_;
    uv::Timer rest_;
    bool resting_logged_ = false;
};

}  // namespace cc::proxy
