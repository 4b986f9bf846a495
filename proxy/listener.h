// SPDX-License-Identifier: Apache-2.0
// Accepts connections on a listening UNIX socket. When the process is out of descriptors the
// listener rests for a moment instead of spinning, and callers wait in its backlog.
#pragma once

#include <functional>
#include <memory>

#include <sys/types.h>

#include "base/fd.h"
#include "base/uv/loop.h"

namespace cc::proxy {

class Listener {
  public:
    using Accepted = std::function<void(Fd connection, uid_t user)>;
    static Result<std::unique_ptr<Listener>> Open(uv::Loop& loop, Fd socket, Accepted accepted);
    // Somebody has connected and is not accepted yet.
    bool HasCaller() const;

  private:
    Listener(uv::Loop& loop, Fd socket, Accepted accepted);
    void Accept();

    Fd socket_;
    Accepted accepted_;
    uv::Poll poll_;
    uv::Timer rest_;
    bool resting_logged_ = false;
};

}  // namespace cc::proxy
