// SPDX-License-Identifier: Apache-2.0
// Starting cc-proxy when nobody listens on its socket: by the first client that misses it, under a
// lock that keeps the others from doing the same.
#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "base/fd.h"
#include "base/file.h"
#include "base/process.h"
#include "protocol/proxy_address.h"

namespace cc {

// Whether connecting failed because there is no proxy, rather than one that is busy.
bool NobodyListens(const Error& error);

// A proxy on its way up. The lock is held until it is up or this object goes.
class ProxyStart {
  public:
    // Waits for the lock up to `patience`, which may be zero: ETIMEDOUT says that somebody else is
    // starting one. Nothing when somebody listens by now.
    static Result<std::optional<ProxyStart>> Begin(const ProxyAddress& address,
                                                   std::chrono::milliseconds patience);
    ProxyStart(ProxyStart&&) noexcept = default;
    ProxyStart& operator=(ProxyStart&&) = delete;
    ~ProxyStart();  // ends a proxy that is not up

    // Readable when there is something to hear.
    int ready_fd() const { return ready_.get(); }
    // Does not wait. True: it listens; false: to be asked again; an error: why it does not, and it
    // has ended (ECONNRESET: without saying why).
    Result<bool> Listens();
    // The child, for a caller that lives long enough to reap it.
    Process TakeProcess() { return std::move(process_); }

  private:
    ProxyStart(FileLock lock, Process process, Fd ready)
        : lock_(std::move(lock)), process_(std::move(process)), ready_(std::move(ready)) {}

    std::optional<FileLock> lock_;
    Process process_;
    Fd ready_;
    std::string words_;  // heard so far, no end of line yet
    enum class State { kStarting, kUp, kFailed } state_ = State::kStarting;
};

// For a client that may wait: connects, after starting a proxy if there is none.
Result<Fd> ConnectOrStart(const ProxyAddress& address, std::chrono::milliseconds deadline);

}  // namespace cc
