// SPDX-License-Identifier: Apache-2.0
// What the two ends of a stream through the proxy say: in 3.0's framings, which have nothing but
// lengths, and in ours, with offsets, windows and checksums.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "protocol/client_frame.h"
#include "protocol/link_frame.h"
#include "protocol/window.h"

namespace cc::bench {

class Sender {
  public:
    explicit Sender(size_t payload) : payload_(payload) {}
    virtual ~Sender() = default;
    // The next message, valid until the next call; empty: the window is closed.
    virtual std::string_view Next() = 0;
    virtual void Hear(std::string_view) {}  // from the proxy
    virtual bool hears() const { return false; }
    size_t payload() const { return payload_; }  // of a message

  private:
    const size_t payload_;
};

class Receiver {
  public:
    virtual ~Receiver() = default;
    virtual void Push(std::string_view bytes) = 0;
    // What is to be said to what has come: a window, or nothing.
    virtual std::string Answer() { return {}; }
    uint64_t payload() const { return payload_; }

  protected:
    uint64_t payload_ = 0;
};

// Always the same message.
class Repeating final : public Sender {
  public:
    Repeating(std::string frame, size_t payload) : Sender(payload), frame_(std::move(frame)) {}
    std::string_view Next() override { return frame_; }

  private:
    const std::string frame_;
};

// Client frames of version 2 and 3.0's I/O messages are framed alike: 12 bytes, the last four of
// them a length.
enum class Framing { kClient, kAgent };  // the length without the header, and with it

class PayloadCounter final : public Receiver {
  public:
    explicit PayloadCounter(Framing framing) : framing_(framing) {}
    void Push(std::string_view bytes) override;

  private:
    const Framing framing_;
    std::string header_;
    uint64_t left_ = 0;  // of the payload that has begun
};

// How an agent of extension 2 and the proxy know each other.
struct Link {
    std::string marker;
    uint32_t epoch = 0;
};

// The agent has taken so much of this session's input.
std::string EncodeWindow(const Link& link, uint64_t base, uint64_t taken);

// Standard output of an agent of extension 2. One object a session: it counts.
class LinkSender final : public Sender {
  public:
    LinkSender(Link link, uint64_t base, size_t payload);
    std::string_view Next() override;
    void Hear(std::string_view bytes) override;
    bool hears() const override { return true; }

  private:
    const Link link_;
    const uint64_t base_;
    const std::string bytes_;
    uint64_t offset_ = 0, limit_ = 0;
    std::string frame_;
    LinkDecoder decoder_;
};

// Standard input as an agent of extension 2 takes it.
class LinkReceiver final : public Receiver {
  public:
    LinkReceiver(Link link, uint64_t base);
    void Push(std::string_view bytes) override;
    std::string Answer() override;

  private:
    const Link link_;
    const uint64_t base_;
    uint64_t told_ = 0;
    LinkDecoder decoder_;
};

// Standard input of a shim of version 3, and its standard output.
class ShimSender final : public Sender {
  public:
    explicit ShimSender(size_t payload);
    std::string_view Next() override;
    void Hear(std::string_view bytes) override;
    bool hears() const override { return true; }

  private:
    const std::string bytes_;
    uint64_t offset_ = 0, limit_ = 0;
    std::string frame_;
    ClientFrameDecoder decoder_;
};

class ShimReceiver final : public Receiver {
  public:
    void Push(std::string_view bytes) override;
    std::string Answer() override;

  private:
    uint64_t told_ = 0;
    ClientFrameDecoder decoder_;
};

}  // namespace cc::bench
