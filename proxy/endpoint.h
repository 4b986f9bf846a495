// SPDX-License-Identifier: Apache-2.0
// One end of a connection that the router holds: to a client, or to one of a VM's two agent ports.
// What is sent in the course of one event leaves in one write when the event has been dealt with;
// a large payload leaves from where the event's bytes were read to, without having been copied.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "proxy/outgoing.h"
#include "proxy/stream.h"

namespace cc::proxy {

class Router;

class Endpoint : private StreamHandler {
  public:
    explicit Endpoint(Router& router) : router_(router) {}
    virtual ~Endpoint();
    Endpoint(const Endpoint&) = delete;
    Endpoint& operator=(const Endpoint&) = delete;

    void Open(std::unique_ptr<Stream> stream);
    void Send(std::string_view bytes);
    // Sends what `append_header` puts at the end of the string that it is given, then the payload.
    template <class AppendHeader>
    void SendFrame(const AppendHeader& append_header, std::string_view payload) {
        if (!BeginSending()) return;
        append_header(out_.own());
        out_.AppendPayload(payload, lent());
    }
    void SetReading(bool on);
    void IgnoreDescriptors() {
        if (stream_) stream_->IgnoreDescriptors();
    }
    // Closes at once; what is queued is lost.
    void Shut();
    std::unique_ptr<PeerProcess> peer_process() {
        return stream_ ? stream_->peer_process() : nullptr;
    }
    bool open() const { return stream_ != nullptr; }
    size_t queued() const { return out_.size() + (stream_ ? stream_->queued() : 0); }

  protected:
    virtual void Data(std::string_view bytes) = 0;
    virtual void Descriptor(Fd) {}  // who does not ask for it closes it
    virtual void Ended(const Result<void>& how) = 0;
    // The peer has gone, but what it sent has not all been read, because reading is paused.
    virtual void HungUp() = 0;
    // Something was written, or what was queued has been taken: queued() has changed.
    virtual void Written() = 0;

    Router& router_;

  private:
    friend class Router;
    void OnData(std::string_view bytes) override;
    void OnDescriptor(Fd descriptor) override { Descriptor(std::move(descriptor)); }
    void OnEnd(const Result<void>& how) override;
    void OnDrained() override;
    void OnHangup() override;
    bool BeginSending();
    std::string_view lent() const;
    void Flush();

    std::unique_ptr<Stream> stream_;
    Outgoing out_;
    bool reading_ = true;
};

}  // namespace cc::proxy
