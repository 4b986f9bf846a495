// SPDX-License-Identifier: Apache-2.0
// What a shim has to make of a proxy's bytes: what its readers get, and how it ends. Told from the
// protocol (docs/protocol.md), without loops, descriptors or windows.
#pragma once

#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <string_view>

#include "protocol/client_frame.h"
#include "protocol/client_messages.h"

namespace cc::shim {

class ShimModel {
  public:
    // A connection that the shim has begun in this version.
    void Connect(uint16_t version) {
        decoder_ = {};
        version_ = version;
        heard_ = introduced_ = owes_goodbye_ = false;
        alive_ = true;
    }
    // Bytes that the shim reads on it.
    void Take(std::string_view bytes) {
        heard_ = heard_ || !bytes.empty();
        decoder_.Push(bytes);
        while (alive_ && !lost_) {
            const auto frame = decoder_.Next();
            if (!frame) return Disconnect();
            if (!*frame) return;
            if ((*frame)->version != version_) return Disconnect();
            TakeFrame(**frame);
        }
    }
    // It ended, or what it brought ends it. The first one decides about the shim, but for a proxy
    // that says nothing at all: that may be one of version 2.
    void Disconnect() {
        alive_ = introduced_ = owes_goodbye_ = false;
        if (!ever_ && (version_ == kClientVersion2 || heard_)) lost_ = true;
    }

    const std::string& printed(size_t stream) const { return printed_[stream]; }
    std::optional<int> ended() const { return ended_; }
    std::optional<int> exited() const { return exited_; }
    bool ever() const { return ever_; }              // on any connection
    bool introduced() const { return introduced_; }  // on this one
    bool alive() const { return alive_; }
    // One that knew of the end before it was introduced may be gone already.
    bool owes_goodbye() const { return owes_goodbye_; }
    bool lost() const { return lost_; }  // refused for good
    bool in_a_frame() const { return decoder_.buffered() > 0; }
    // Of standard input: what the proxy ever claimed to have, and what it takes.
    uint64_t input_claimed() const { return input_claimed_; }
    uint64_t input_limit() const { return input_limit_; }

  private:
    void TakeFrame(const ClientFrame& frame) {
        const bool answer = frame.type == FrameType::kResponse &&
                            frame.opcode == static_cast<uint8_t>(ClientCommand::kConnectShim);
        if (answer) return frame.error ? Refuse(frame) : Introduce(frame);
        if (exited_) return;
        if (frame.Is(StreamKind::kStdout)) return Print(0, frame);
        if (frame.Is(StreamKind::kStderr)) return Print(1, frame);
        if (frame.type == FrameType::kNotification) Notify(frame);
    }
    void Refuse(const ClientFrame& frame) {
        const ErrorCode code = ParseError(frame.payload, version_).code;
        if (ever_ && (code == ErrorCode::kTokenInUse || code == ErrorCode::kTimeout))
            return Disconnect();
        introduced_ = owes_goodbye_ = false;
        lost_ = true;
    }
    void Introduce(const ClientFrame& frame) {
        if (introduced_) return;
        if (version_ == kClientVersion3) {
            const auto connected = ParseShimConnected(frame.payload);
            if (!connected) return Disconnect();
            input_limit_ = connected->standard_input.limit;
            Claim(connected->standard_input.offset);
        }
        introduced_ = ever_ = true;
        owes_goodbye_ = !exited_;
    }
    void Print(size_t stream, const ClientFrame& frame) {
        std::string_view bytes = frame.payload;
        if (version_ == kClientVersion3) {
            if (frame.offset > received_[stream]) return;
            const uint64_t known = received_[stream] - frame.offset;
            bytes.remove_prefix(std::min<uint64_t>(known, bytes.size()));
            received_[stream] += bytes.size();
        }
        printed_[stream] += bytes;
    }
    void Notify(const ClientFrame& frame) {
        if (version_ == kClientVersion2) {
            if (!frame.payload.empty()) exited_ = static_cast<unsigned char>(frame.payload[0]);
        } else if (frame.Is(Notification::kWindow)) {
            const auto update = ParseWindowUpdate(frame.payload);
            if (!update || update->stream != StreamKind::kStdin) return;
            input_limit_ = std::max(input_limit_, update->window.limit);
            Claim(update->window.offset);
        } else if (const auto end = ParseProcessEnd(frame.payload)) {
            ended_ = end->code;
            if (frame.Is(Notification::kProcessExited)) exited_ = end->code;
        }
    }
    void Claim(uint64_t offset) { input_claimed_ = std::max(input_claimed_, offset); }

    ClientFrameDecoder decoder_;
    uint16_t version_ = 0;
    std::array<std::string, 2> printed_;
    std::array<uint64_t, 2> received_{};
    uint64_t input_claimed_ = 0, input_limit_ = 0;
    std::optional<int> ended_, exited_;
    bool heard_ = false, introduced_ = false, owes_goodbye_ = false, ever_ = false;
    bool alive_ = false, lost_ = false;
};

}  // namespace cc::shim
