// SPDX-License-Identifier: Apache-2.0
#include "agent/rehearsal_host.h"

namespace cc::agent {

namespace {

const std::string kMarker(kMarkerSize, 'R');  // nobody else is on these channels
constexpr uint32_t kEpoch = 1;
constexpr uint64_t kWindow = 64 * 1024;

}  // namespace

Result<std::unique_ptr<RehearsalHost>> RehearsalHost::Start(uv::Loop& loop, Fd control, Fd io,
                                                            std::vector<Step> steps, Done done) {
    auto host =
        std::unique_ptr<RehearsalHost>(new RehearsalHost(std::move(steps), std::move(done)));
    CC_ASSIGN(host->control_, host->Open(loop, std::move(control), &RehearsalHost::OnControl));
    CC_ASSIGN(host->io_, host->Open(loop, std::move(io), &RehearsalHost::OnIo));
    return host;
}

RehearsalHost::RehearsalHost(std::vector<Step> steps, Done done)
    : steps_(std::move(steps)),
      control_frames_(kMarker),
      io_frames_(kMarker),
      done_(std::move(done)) {}

Result<std::unique_ptr<uv::Channel>> RehearsalHost::Open(
    uv::Loop& loop, Fd fd, void (RehearsalHost::*take)(std::string_view)) {
    return uv::Channel::Open(
        loop, std::move(fd),
        {.on_data = [this, take](std::string_view bytes) { (this->*take)(bytes); },
         .on_end = [this](const Result<void>&) { Finish(Fail("the agent hung up")); },
         .on_drained = nullptr});
}

void RehearsalHost::OnControl(std::string_view bytes) {
    if (plain_) {
        messages_.Push(bytes);
        while (plain_) {
            const auto message = messages_.Next();
            if (!message) return Finish(Failure(message.error()));
            if (!*message) return;
            OnPlain(**message);
        }
        return;
    }
    control_frames_.Push(bytes);
    while (const auto frame = control_frames_.Next()) {
        if (frame->type == LinkType::kHello) {
            OnHello();
        } else if (frame->offset != static_cast<uint64_t>(ControlCode::kAck)) {
            return Finish(Fail(std::string(frame->payload)));
        } else {
            Next();
        }
    }
}

void RehearsalHost::OnPlain(const ControlMessage& message) {
    if (message.code == ControlCode::kReady)
        return control_->Write(
            EncodeControl(ControlCode::kVersion, Encode(VersionAccept{kAgentExtension, kMarker})));
    if (message.code != ControlCode::kAck) return Finish(Fail(std::string(message.payload)));
    plain_ = false;
    for (auto* channel : {control_.get(), io_.get()})
        channel->Write(Frame({.type = LinkType::kHello}));
}

void RehearsalHost::OnHello() {
    if (++hellos_ == 2) Next();  // of both channels
}

void RehearsalHost::Next() {
    if (step_ == steps_.size()) return Finish({});
    const Step& step = steps_[step_++];
    if (step.process != 0) return EndInput(step.process);
    control_->Write(Frame({.type = LinkType::kRequest,
                           .stream = step_,
                           .offset = static_cast<uint64_t>(step.code),
                           .payload = step.payload}));
}

void RehearsalHost::EndInput(uint64_t process) {
    for (const uint64_t stream : {process, process + 1})
        Grant(stream, 0, kLinkRewind);  // nothing is sent before
    io_->Write(Frame({.type = LinkType::kData, .flags = kLinkEnd, .stream = process}));
    awaited_ = process;
    GoOnIfEnded(process);
}

void RehearsalHost::GoOnIfEnded(uint64_t process) {
    if (awaited_ != process || !ended_.contains(process)) return;
    awaited_ = 0;
    Next();
}

void RehearsalHost::Grant(uint64_t stream, uint64_t received, uint8_t flags) {
    std::string limit;
    AppendBigEndian<8>(limit, received + kWindow);
    io_->Write(Frame({.type = LinkType::kWindow,
                      .flags = flags,
                      .stream = stream,
                      .offset = received,
                      .payload = limit}));
}

void RehearsalHost::OnIo(std::string_view bytes) {
    io_frames_.Push(bytes);
    while (const auto frame = io_frames_.Next()) {
        const uint64_t stream = frame->stream;
        if (frame->type == LinkType::kHello) OnHello();
        if (frame->type == LinkType::kData) Grant(stream, frame->offset + frame->payload.size());
        if (frame->type != LinkType::kExit || (frame->flags & kLinkEarly) != 0) continue;
        io_->Write(Frame({.type = LinkType::kForget, .stream = stream}));
        ended_.insert(stream);
        GoOnIfEnded(stream);
    }
}

void RehearsalHost::Finish(Result<void> how) {
    if (const auto done = std::exchange(done_, nullptr)) done(std::move(how));
}

std::string RehearsalHost::Frame(const LinkFrame& frame) const {
    LinkFrame stamped = frame;
    stamped.epoch = kEpoch;
    return cc::Encode(stamped, kMarker);
}

}  // namespace cc::agent
