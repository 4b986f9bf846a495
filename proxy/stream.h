// SPDX-License-Identifier: Apache-2.0
// What the router needs of the world outside: byte streams, a clock, randomness. proxy/server.cc
// gives it sockets; tests and fuzzers give it memory.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include <sys/types.h>
#include <sys/uio.h>

#include "base/fd.h"
#include "base/result.h"

namespace cc::proxy {

class StreamHandler {
  public:
    // Bytes that arrived; valid during the call only.
    virtual void OnData(std::string_view bytes) = 0;
    // A descriptor that the peer has sent beside the bytes that OnData gets next. Nothing is to be
    // closed from within.
    virtual void OnDescriptor(Fd descriptor) = 0;
    // End of file (success) or a broken stream. Called once, nothing comes after it; may come from
    // within Write().
    virtual void OnEnd(const Result<void>& how) = 0;
    // What was queued has been taken.
    virtual void OnDrained() = 0;
    // The peer has gone while it was not being read; OnEnd() would come only after it has been.
    virtual void OnHangup() = 0;

  protected:
    ~StreamHandler() = default;
};

// The process at the other end of a connection.
class PeerProcess {
  public:
    virtual ~PeerProcess() = default;
    // Calls `ended` once when it has ended, and not from within this call; never when that cannot
    // be watched. Destroying this object ends the watch, also from within the call.
    virtual void Watch(std::function<void()> ended) = 0;
    virtual pid_t pid() const = 0;
};

// A connection. Destroying it closes it, which is allowed from within the handler's calls; bytes
// still queued are lost then.
class Stream {
  public:
    virtual ~Stream() = default;
    virtual void SetHandler(StreamHandler* handler) = 0;
    // All slices, one after the other; they need not outlive the call.
    virtual void Write(std::span<const iovec> slices) = 0;
    virtual size_t queued() const = 0;  // bytes not yet taken by the other side
    virtual void SetReading(bool on) = 0;
    // Descriptors that come from now on are closed unseen.
    virtual void IgnoreDescriptors() = 0;
    // Null when it cannot be known, such as one of another pid namespace.
    virtual std::unique_ptr<PeerProcess> peer_process() = 0;
};

class World {
  public:
    // Connects to a UNIX socket without waiting; the error code EAGAIN means "later, perhaps".
    virtual Result<std::unique_ptr<Stream>> Connect(const std::string& path) = 0;
    // Makes a descriptor that a client has sent a connection; an error if it is none.
    virtual Result<std::unique_ptr<Stream>> TakeConnection(Fd descriptor) = 0;
    // Whether the keeper of the VM with this control socket says that it is paused.
    virtual bool VmPaused(const std::string& ctl_socket) = 0;
    virtual std::chrono::milliseconds Now() = 0;  // of a clock that never goes back
    virtual Result<std::string> NewToken() = 0;
    virtual Result<std::string> NewRecordName() = 0;
    // What is to be known again after this process has gone, by name; the new text replaces the old
    // one as a whole.
    virtual Result<void> SaveRecord(const std::string& name, std::string_view text) = 0;
    // Adds to a text that was saved; after an error it must be saved again as a whole.
    virtual Result<void> AppendRecord(const std::string& name, std::string_view text) = 0;
    virtual void RemoveRecord(const std::string& name) = 0;
    // An event has been dealt with: deadlines and counts may have changed.
    virtual void Settled() = 0;

  protected:
    ~World() = default;
};

}  // namespace cc::proxy
