// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/agent/link_host.h"

#include <unistd.h>

#include "tests/unit/agent/messages.h"

namespace cc::agent {

LinkHost::LinkHost(const HostAgent& agent, char marker)
    : control_path_(agent.control()), io_path_(agent.io()), marker_(kMarkerSize, marker) {
    Reconnect();
    const Answer ready = ReceivePlain();
    REQUIRE(ready.code == ControlCode::kReady);
    REQUIRE(ParseReadyOffer(ready.payload).extension >= kLinkExtension);
    WriteControl(
        EncodeControl(ControlCode::kVersion, Encode(VersionAccept{kLinkExtension, marker_})));
    Acknowledged(ReceivePlain());
    SayHello(1);
    AwaitHello();
}

LinkHost LinkHost::WithPod(const HostAgent& agent) {
    LinkHost host(agent);
    Acknowledged(host.Call(ControlCode::kStartPod, Encode(cc::StartPod{"pod", "hyperShared"})));
    return host;
}

void LinkHost::Reconnect() {
    Disconnect();
    control_ = test::ConnectEventually(control_path_);
    io_ = test::ConnectEventually(io_path_);
    plain_.Clear();
    control_frames_ = LinkDecoder(marker_);
    io_frames_ = LinkDecoder(marker_);
}

void LinkHost::Disconnect() {
    control_.Reset();
    io_.Reset();
}

Answer LinkHost::ReceivePlain() {
    while (true) {
        const auto message = plain_.Next();
        REQUIRE(message);
        if (*message) return {(*message)->code, std::string((*message)->payload)};
        plain_.Push(ReadSome(control_.get()));
    }
}

void LinkHost::Adopt(uint32_t epoch) {
    Reconnect();
    SayHello(epoch);
    AwaitHello();
}

void LinkHost::SayHello(uint32_t epoch) {
    epoch_ = epoch;
    control_greeted_ = io_greeted_ = false;
    WriteControl(Frame({.type = LinkType::kHello}));
    WriteIo(Frame({.type = LinkType::kHello}));
}

void LinkHost::AwaitHello() {
    while (!control_greeted_)
        PumpControl();
    while (!io_greeted_)
        PumpIo();
}

std::string LinkHost::Frame(LinkFrame frame) const {
    if (frame.epoch == 0) frame.epoch = epoch_;
    return cc::Encode(frame, marker_);
}

void LinkHost::WriteControl(std::string_view bytes) {
    REQUIRE(WriteAll(control_.get(), bytes));
}
void LinkHost::WriteIo(std::string_view bytes) {
    REQUIRE(WriteAll(io_.get(), bytes));
}

uint64_t LinkHost::Request(ControlCode code, std::string_view payload) {
    const uint64_t id = uint64_t{epoch_} << 32 | ++counter_;
    RequestAs(id, code, payload);
    return id;
}

void LinkHost::RequestAs(uint64_t id, ControlCode code, std::string_view payload) {
    WriteControl(Frame({.type = LinkType::kRequest,
                        .stream = id,
                        .offset = static_cast<uint64_t>(code),
                        .payload = payload}));
}

Answer LinkHost::Reply(uint64_t id) {
    auto& answers = answers_[id];
    while (answers.empty())
        PumpControl();
    Answer answer = std::move(answers.front());
    answers.pop_front();
    return answer;
}

void LinkHost::PumpControl() {
    control_frames_.Push(ReadSome(control_.get()));
    while (const auto frame = control_frames_.Next()) {
        if (frame->epoch < first_epoch_) continue;
        CHECK(frame->epoch == epoch_);
        if (frame->type == LinkType::kHello) {
            control_greeted_ = true;
            continue;
        }
        REQUIRE(frame->type == LinkType::kReply);
        ++replies_;
        answers_[frame->stream].push_back(
            {static_cast<ControlCode>(frame->offset), std::string(frame->payload)});
    }
}

std::vector<AgentSession> LinkHost::Sessions() {
    const Answer answer = Call(ControlCode::kListSessions);
    REQUIRE(answer.code == ControlCode::kAck);
    const auto sessions = ParseAgentSessions(answer.payload);
    REQUIRE(sessions);
    return *sessions;
}

void LinkHost::Run(const std::string& id, const std::string& script, uint64_t base) {
    Acknowledged(Call(ControlCode::kNewContainer, NewContainerOf(id, Shell(script, base))));
}

void LinkHost::Window(uint64_t sequence, uint64_t acknowledged, uint64_t limit, bool rewind) {
    std::string payload;
    AppendBigEndian<8>(payload, limit);
    WriteIo(Frame({.type = LinkType::kWindow,
                   .flags = rewind ? kLinkRewind : uint8_t{0},
                   .stream = sequence,
                   .offset = acknowledged,
                   .payload = payload}));
}

void LinkHost::Input(uint64_t base, uint64_t offset, std::string_view bytes, bool end) {
    WriteIo(Frame({.type = LinkType::kData,
                   .flags = end ? kLinkEnd : uint8_t{0},
                   .stream = base,
                   .offset = offset,
                   .payload = bytes}));
}

void LinkHost::Forget(uint64_t base) {
    WriteIo(Frame({.type = LinkType::kForget, .stream = base}));
}

void LinkHost::PumpIo() {
    io_frames_.Push(ReadSome(io_.get()));
    while (const auto frame = io_frames_.Next()) {
        if (frame->epoch < first_epoch_) continue;
        CHECK(frame->epoch == epoch_);
        CHECK(kLinkHeaderSize + frame->payload.size() <= kAgentIoChunk);
        const auto byte = [&](size_t at) { return static_cast<unsigned char>(frame->payload[at]); };
        switch (frame->type) {
            case LinkType::kHello:
                io_greeted_ = true;
                break;
            case LinkType::kData:
                TakeData(*frame);
                break;
            case LinkType::kWindow:
                REQUIRE(frame->payload.size() == 8);
                windows_[frame->stream] = {frame->offset, LoadBigEndian<8>(frame->payload, 0)};
                break;
            case LinkType::kExit:
                REQUIRE(frame->payload.size() == 2);
                exits_.push_back(
                    {frame->stream, byte(0), byte(1), (frame->flags & kLinkEarly) != 0});
                break;
            default:
                FAIL("a frame of type ", static_cast<int>(frame->type), " on the I/O port");
        }
    }
}

// What is new of it; what is not has to be the same as before.
void LinkHost::TakeData(const LinkFrame& frame) {
    data_.push_back(frame);
    data_.back().payload = {};
    std::string& have = output_[frame.stream];
    REQUIRE(frame.offset <= have.size());
    const size_t old = std::min(frame.payload.size(), have.size() - frame.offset);
    CHECK((frame.payload.substr(0, old) ==
           std::string_view(have).substr(static_cast<size_t>(frame.offset), old)));
    have += frame.payload.substr(old);
    if ((frame.flags & kLinkEnd) != 0) ++ends_[frame.stream];
}

void LinkHost::WaitOutput(uint64_t sequence, size_t size) {
    while (output_[sequence].size() < size)
        PumpIo();
}

void LinkHost::WaitEnds(uint64_t sequence, size_t count) {
    while (ends_[sequence] < count)
        PumpIo();
}

void LinkHost::WaitTaken(uint64_t base, uint64_t offset) {
    while (taken(base) < offset)
        PumpIo();
}

const Exit& LinkHost::WaitExit() {
    for (const size_t before = exits_.size(); exits_.size() == before;)
        PumpIo();
    return exits_.back();
}

Exit LinkHost::RunToEnd(uint64_t base) {
    constexpr uint64_t kAhead = 1 << 20;
    bool rewind = true;
    while (true) {
        for (const uint64_t sequence : {base, base + 1})
            Window(sequence, output_[sequence].size(), output_[sequence].size() + kAhead, rewind);
        rewind = false;
        const size_t before = exits_.size();
        PumpIo();
        for (size_t i = before; i < exits_.size(); ++i)
            if (exits_[i].base == base && !exits_[i].early) return exits_[i];
    }
}

}  // namespace cc::agent
