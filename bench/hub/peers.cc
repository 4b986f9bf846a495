// SPDX-License-Identifier: Apache-2.0
#include "bench/hub/peers.h"

#include <array>

#include <sys/socket.h>
#include <unistd.h>

#include "base/text.h"
#include "bench/hub/must.h"
#include "protocol/agent_messages.h"
#include "protocol/client_messages.h"

namespace cc::bench {

namespace {

constexpr size_t kReadSize = 64 * 1024;
constexpr std::string_view kContainer = "bench";

std::string_view ReadSome(int fd, std::string_view whose) {
    static std::array<char, kReadSize> buffer;
    const ssize_t count = Must(::read(fd, buffer.data(), buffer.size()), Cat("reading ", whose));
    if (count == 0) Die(Cat(whose, " was closed"));
    return {buffer.data(), static_cast<size_t>(count)};
}

Fd Accept(const Fd& listener) {
    return Fd::Adopt(
        Must(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC), "accepting the proxy"));
}

AgentProcess ProcessOf(std::string_view program) {
    AgentProcess process;
    process.user = "0";
    process.group = "0";
    process.args = {std::string(program)};
    process.envs = {{"PATH", "/bin"}};
    process.workdir = "/";
    return process;
}

}  // namespace

Client::Client(const std::string& socket, Layer layer)
    : version_(layer == Layer::k30 ? kClientVersion2 : kClientVersion3),
      fd_(Must(ConnectUnix(socket, SOCK_STREAM))) {}

void Client::Write(std::string_view bytes) {
    Must(WriteAll(fd_.get(), bytes));
}

Client::Frame Client::Receive() {
    while (true) {
        if (const auto frame = Must(decoder_.Next())) return {*frame, std::string(frame->payload)};
        decoder_.Push(ReadSome(fd_.get(), "a client's connection"));
    }
}

std::string Client::AwaitAnswer(ClientCommand command) {
    auto frame = Receive();
    if (frame.header.type != FrameType::kResponse ||
        frame.header.opcode != static_cast<uint8_t>(command))
        Die("the proxy sent something else than the answer");
    if (frame.header.error) Die(Cat("the proxy refuses: ", ParseErrorText(frame.payload)));
    return std::move(frame.payload);
}

std::string Client::Call(ClientCommand command, std::string_view payload) {
    Send(EncodeCommand(command, payload, version_));
    return AwaitAnswer(command);
}

uint8_t Client::AwaitExit() {
    while (true) {
        const auto frame = Receive();
        if (frame.header.type == FrameType::kNotification)
            return static_cast<uint8_t>(frame.payload.at(0));
    }
}

Vm::Vm(std::string proxy_socket, const std::string& directory, std::string id, Layer layer)
    : proxy_socket_(std::move(proxy_socket)), id_(std::move(id)), layer_(layer) {
    const std::string control = Cat(directory, "/", id_, ".ctl");
    const std::string io = Cat(directory, "/", id_, ".io");
    const Fd control_listener = Must(ListenUnix(control, SOCK_STREAM, kSocketMode));
    const Fd io_listener = Must(ListenUnix(io, SOCK_STREAM, kSocketMode));
    ConnectRuntime();
    const uint16_t version = runtime_->version();
    runtime_->Send(EncodeCommand(ClientCommand::kRegisterVm,
                                 Encode(RegisterVm{id_, control, io, "", 1}, version), version));
    control_ = Accept(control_listener);
    io_ = Accept(io_listener);
    if (layer_ == Layer::k30)
        Must(WriteAll(control_.get(), EncodeControl(ControlCode::kReady, "")));
    else
        Greet();
    const auto answer =
        Must(ParseIoResponse(runtime_->AwaitAnswer(ClientCommand::kRegisterVm), version));
    tokens_.assign(answer.tokens.begin(), answer.tokens.end());
    ::unlink(control.c_str());
    ::unlink(io.c_str());
}

Vm::~Vm() = default;

// READY with the extension, VERSION, and Hello on both ports.
void Vm::Greet() {
    Must(WriteAll(control_.get(),
                  EncodeControl(ControlCode::kReady, Encode(ReadyOffer{kLinkExtension, 0, 0}))));
    std::optional<ControlMessage> version;
    while (!(version = Must(decoder_.Next())))
        decoder_.Push(ReadSome(control_.get(), "an agent's control port"));
    link_.marker = Must(ParseVersionAccept(version->payload)).marker;
    Must(WriteAll(control_.get(), EncodeControl(ControlCode::kAck, "")));
    link_decoder_.SetMarker(link_.marker);
    LinkDecoder io(link_.marker);
    link_.epoch = NextFrame(control_, link_decoder_).epoch;
    NextFrame(io_, io);
    const std::string hello =
        Encode(LinkFrame{link_.epoch, LinkType::kHello, 0, 0, 0, {}}, link_.marker);
    Must(WriteAll(control_.get(), hello));
    Must(WriteAll(io_.get(), hello));
}

LinkFrame Vm::NextFrame(const Fd& port, LinkDecoder& decoder) {
    while (true) {
        if (const auto frame = decoder.Next()) return *frame;
        decoder.Push(ReadSome(port.get(), "an agent's port"));
    }
}

void Vm::ConnectRuntime() {
    if (!runtime_) runtime_ = std::make_unique<Client>(proxy_socket_, layer_);
}

std::string Vm::Attach() {
    ConnectRuntime();
    if (tokens_.empty()) {
        const uint16_t version = runtime_->version();
        const auto answer = Must(ParseIoResponse(
            runtime_->Call(ClientCommand::kAttachVm, Encode(AttachVm{id_, 1}, version)), version));
        tokens_.assign(answer.tokens.begin(), answer.tokens.end());
    }
    std::string token = std::move(tokens_.front());
    tokens_.pop_front();
    return token;
}

std::unique_ptr<ShimSession> Vm::StartProcess() {
    const std::string token = Attach();
    auto session = std::make_unique<ShimSession>(ShimSession{Client(proxy_socket_, layer_), 0});
    const uint16_t version = runtime_->version();
    const StreamWindow window{0, kStreamWindow};
    session->shim.Call(ClientCommand::kConnectShim,
                       Encode(ConnectShim{token, window, window}, version));
    const std::string id(kContainer);
    HyperMessage hyper;
    hyper.tokens = {token};
    if (container_exists_) {
        hyper.hyper_name = "execcmd";
        hyper.data = Encode(ExecCommand{id, ProcessOf("/bin/true"), ""});
    } else {
        hyper.hyper_name = "newcontainer";
        hyper.data = Encode(NewContainer{.id = id,
                                         .rootfs = "rootfs",
                                         .image = "bench",
                                         .mounts = {},
                                         .process = ProcessOf("/bin/sh"),
                                         .oci = {}});
    }
    runtime_->Send(EncodeCommand(ClientCommand::kHyper, Encode(hyper, version), version));
    const Command command = NextCommand();
    session->base = container_exists_ ? Must(ParseExecCommand(command.payload)).process.stdio
                                      : Must(ParseNewContainer(command.payload)).process.stdio;
    container_exists_ = true;
    Acknowledge(command);
    if (layer_ == Layer::kOurs) Must(WriteAll(io_.get(), EncodeWindow(link_, session->base, 0)));
    runtime_->AwaitAnswer(ClientCommand::kHyper);
    return session;
}

void Vm::Print(uint64_t base, std::string_view output) {
    Must(WriteAll(io_.get(), EncodeIo(base, output)));
}

void Vm::EndProcess(ShimSession& session) {
    Print(session.base, "");
    Print(session.base, std::string_view("\0", 1));
    session.shim.AwaitExit();
    session.shim.Send(EncodeCommand(ClientCommand::kDisconnectShim, ""));
    char rest = 0;  // the proxy closes without an answer
    if (::read(session.shim.fd(), &rest, 1) != 0) Die("a shim was answered after its last word");
}

void Vm::Unregister() {
    ConnectRuntime();
    runtime_->Call(ClientCommand::kUnregisterVm, Encode(UnregisterVm{id_}, runtime_->version()));
}

Vm::Command Vm::NextCommand() {
    if (layer_ == Layer::kOurs) {
        const LinkFrame request = NextFrame(control_, link_decoder_);
        return {request.stream, std::string(request.payload)};
    }
    while (true) {
        if (const auto message = Must(decoder_.Next())) return {0, std::string(message->payload)};
        decoder_.Push(ReadSome(control_.get(), "an agent's control port"));
    }
}

void Vm::Acknowledge(const Command& command) {
    const auto code = static_cast<uint64_t>(ControlCode::kAck);
    Must(WriteAll(control_.get(),
                  layer_ == Layer::k30
                      ? EncodeControl(ControlCode::kAck, "")
                      : Encode(LinkFrame{link_.epoch, LinkType::kReply, 0, command.id, code, {}},
                               link_.marker)));
}

void Vm::Acknowledge() {
    Acknowledge(NextCommand());
}

}  // namespace cc::bench
