// SPDX-License-Identifier: Apache-2.0
// Version 3 of the client protocol: its frames, its messages, and that version 2 is left alone.
#include <doctest/doctest.h>

#include "base/text.h"
#include "protocol/client_frame.h"
#include "protocol/client_messages.h"
#include "protocol/msgpack.h"

namespace cc {
namespace {

constexpr uint16_t k3 = kClientVersion3;

std::string MsgpackBytes(std::string_view hex) {
    return HexDecode(hex).value();
}

// Decodes one frame from a decoder that outlives it.
ClientFrame DecodeClient(ClientFrameDecoder& decoder, std::string_view bytes) {
    decoder.Push(bytes);
    const auto frame = decoder.Next();
    REQUIRE_MESSAGE(frame, frame.error().message);
    REQUIRE(*frame);
    return **frame;
}

bool IsNoFrame(std::string_view bytes) {
    ClientFrameDecoder decoder;
    decoder.Push(bytes);
    return !decoder.Next();
}

template <class Message>
std::string Again(Result<Message> (*parse)(std::string_view, uint16_t), const Message& message) {
    const auto parsed = parse(Encode(message, k3), k3);
    REQUIRE_MESSAGE(parsed, parsed.error().message);
    CHECK(Encode(*parsed, k3) == Encode(message, k3));
    return Encode(*parsed, kClientVersion2);
}

}  // namespace

TEST_CASE("the example of the documentation is what it says") {
    const std::string bytes = MsgpackBytes("00030500000022010000000300000000000000056869 0a");
    CHECK(EncodeStreamAt(StreamKind::kStdout, 5, "hi\n", true) == bytes);
    ClientFrameDecoder decoder;
    const ClientFrame frame = DecodeClient(decoder, bytes);
    CHECK(frame.Is(StreamKind::kStdout));
    CHECK(frame.version == k3);
    CHECK(frame.offset == 5);
    CHECK(frame.end);
    CHECK_FALSE(frame.error);
    CHECK(frame.payload == "hi\n");
}

TEST_CASE("a connection that AttachVM brings is announced as the documentation says") {
    const std::string token = std::string(43, 'A') + "=";
    AttachVm request{"web", 1, true};
    CHECK(EncodeCommand(ClientCommand::kAttachVm, Encode(request)) ==
          MsgpackBytes("000203000000000200000038") +
              R"({"containerId":"web","numIOStreams":1,"connection":true})");
    const IoResponse answer{"unix:///p", {token}, AgentInfo{1180, 1195, 3}, true};
    CHECK(EncodeResponse(ClientCommand::kAttachVm, Encode(answer)) ==
          MsgpackBytes("00020300000001020000009e") + R"({"io":{"URL":"unix:///p","tokens":[")" +
              token +
              R"("]},"agent":{"startedMs":1180,"readyMs":1195,"extension":3},"connection":true})");
    for (const uint16_t version : {kClientVersion2, k3}) {
        CHECK(ParseAttachVm(Encode(request, version), version)->connection);
        CHECK(ParseIoResponse(Encode(answer, version), version)->connection);
    }
    CHECK(ParseShimConnected(Encode(ShimConnected{{1, 2}, token}))->token == token);
    // Where there is none, the bytes are 3.0's.
    request.connection = false;
    CHECK(Encode(request) == R"({"containerId":"web","numIOStreams":1})");
}

TEST_CASE("frames of version 3 decode at every split, and not before their last byte") {
    const std::vector<std::string> frames = {
        EncodeCommand(ClientCommand::kHello, Encode(Hello{"cc-shim", "4", {"resume"}}), k3),
        EncodeCommand(ClientCommand::kConnectShim, Encode(ConnectShim{"t", {1, 2}, {3, 4}}, k3),
                      k3),
        EncodeResponse(ClientCommand::kConnectShim, Encode(ShimConnected{{7, 9}}), false, k3),
        EncodeResponse(ClientCommand::kHyper, EncodeError(ErrorCode::kAgent, "no", k3), true, k3),
        EncodeStreamAt(StreamKind::kStdin, UINT64_MAX, "", true),
        EncodeStreamAt(StreamKind::kStderr, 1ULL << 40, std::string(300, 'e'), false),
        EncodeStream(StreamKind::kLog, Encode(LogEntry{"shim", "c", "info", "m"}, k3), k3),
        EncodeNotification(Notification::kWindow,
                           Encode(WindowUpdate{StreamKind::kStdout, {5, 6}})),
        EncodeNotification(Notification::kProcessExited, Encode(ProcessEnd{1, 0}))};
    for (const auto& bytes : frames) {
        ClientFrameDecoder whole;
        const ClientFrame expected = DecodeClient(whole, bytes);
        for (size_t cut = 1; cut < bytes.size(); ++cut) {
            ClientFrameDecoder decoder;
            decoder.Push(std::string_view(bytes).substr(0, cut));
            const auto early = decoder.Next();
            REQUIRE(early);
            REQUIRE_FALSE(*early);
            const ClientFrame frame = DecodeClient(decoder, std::string_view(bytes).substr(cut));
            CHECK(frame.offset == expected.offset);
            CHECK(frame.end == expected.end);
            CHECK(frame.error == expected.error);
            CHECK(frame.payload == expected.payload);
            CHECK(decoder.buffered() == 0);
        }
    }
}

TEST_CASE("a connection keeps to the version of its first frame") {
    const std::string old_frame = EncodeStream(StreamKind::kStdin, "x");
    const std::string new_frame = EncodeStreamAt(StreamKind::kStdin, 0, "x", false);
    for (const bool old_first : {false, true}) {
        ClientFrameDecoder decoder;
        CHECK(decoder.version() == 0);
        DecodeClient(decoder, old_first ? old_frame : new_frame);
        CHECK(decoder.version() == (old_first ? kClientVersion2 : k3));
        DecodeClient(decoder, old_first ? old_frame : new_frame);
        decoder.Push(old_first ? new_frame : old_frame);
        CHECK_FALSE(decoder.Next());
    }
}

TEST_CASE(
    "frames of version 3 that no peer may send are refused, and what is new is not in version 2") {
    std::string no_offset = EncodeStream(StreamKind::kStdout, "12345678", k3);
    CHECK(IsNoFrame(no_offset));
    no_offset[2] = 4;
    CHECK(IsNoFrame(no_offset));
    CHECK(IsNoFrame(EncodeCommand(static_cast<ClientCommand>(8), "", k3)));
    CHECK(IsNoFrame(EncodeNotification(static_cast<Notification>(3), "")));
    CHECK(IsNoFrame(EncodeStream(static_cast<StreamKind>(4), "", k3)));
    CHECK(IsNoFrame(EncodeCommand(ClientCommand::kHello, "")));
    std::string window = EncodeNotification(Notification::kWindow, "");
    window[1] = 2;
    CHECK(IsNoFrame(window));
    std::string huge = EncodeStreamAt(StreamKind::kStdout, 0, "", false);
    huge[9] = 1;
    huge[11] = 1;  // 65537
    CHECK(IsNoFrame(huge));
}

TEST_CASE("version 2 knows no offsets and no ends: its frames are as they were") {
    CHECK(EncodeStream(StreamKind::kStdout, "hi\n") ==
          MsgpackBytes("0002030000000201 00000003 68690a"));
    CHECK(EncodeProcessExited(7) == MsgpackBytes("0002030000000300 00000001 07"));
    CHECK(Encode(ConnectShim{"t", {1, 2}, {3, 4}}) == R"({"token":"t"})");
    CHECK(Encode(HyperMessage{"ping", {}, "", 0}) == R"({"hyperName":"ping","tokens":null})");
    CHECK(Encode(HyperMessage{"ping", {"t"}, "[1 ]", 5}) ==
          R"({"hyperName":"ping","tokens":["t"],"requestId":5,"data":[1 ]})");
    CHECK(EncodeError(ErrorCode::kVmLost, "gone", kClientVersion2) == R"({"msg":"gone"})");
    // The end flag and a longer header mean nothing there.
    std::string frame = EncodeStream(StreamKind::kStdin, "x");
    frame[6] = 0x22;
    frame[2] = 5;
    frame.insert(kClientHeaderSize, "\0\0\0\0\0\0\0\5", 8);
    ClientFrameDecoder decoder;
    const ClientFrame decoded = DecodeClient(decoder, frame);
    CHECK_FALSE(decoded.end);
    CHECK(decoded.offset == 0);
    CHECK(decoded.payload == "x");
}

TEST_CASE("the messages of version 2 say the same in version 3") {
    const RegisterVm vm{"c", "/ctl", "/io", "/console", 2};
    CHECK(Again(ParseRegisterVm, vm) == Encode(vm));
    const AttachVm attach{"c", 1};
    CHECK(Again(ParseAttachVm, attach) == Encode(attach));
    const UnregisterVm gone{"c"};
    CHECK(Again(ParseUnregisterVm, gone) == Encode(gone));
    const SignalMessage size{28, 80, 24};
    CHECK(Again(ParseSignal, size) == Encode(size));
    const LogEntry entry{"runtime", "c", "warn", "m"};
    CHECK(Again(ParseLogEntry, entry) == Encode(entry));
    const IoResponse io{"unix:///p", {"a", "b"}, AgentInfo{3, 4, 2}};
    CHECK(Again(ParseIoResponse, io) == Encode(io));
    const HyperMessage hyper{"startpod", {"t"}, R"({"a":1})", 1ULL << 63};
    CHECK(Again(ParseHyper, hyper) == Encode(hyper));
    CHECK_FALSE(ParseAttachVm(Encode(attach), k3));
    CHECK_FALSE(ParseAttachVm(Encode(attach, k3)));
}

TEST_CASE("the data of a Hyper command is a byte string, which may hold anything") {
    const HyperMessage hyper{"x", {}, std::string("\0\xff{", 3), 1};
    const std::string bytes = Encode(hyper, k3);
    CHECK(bytes.find(MsgpackBytes("c403 00ff7b")) != std::string::npos);
    CHECK(ParseHyper(bytes, k3)->data == hyper.data);
    CHECK(ParseHyper(bytes, k3)->request_id == 1);
}

TEST_CASE("a shim's introduction and its answer carry windows of 64 bits") {
    const ConnectShim shim{"token", {1ULL << 60, UINT64_MAX}, {3, 4}};
    const auto parsed = ParseConnectShim(Encode(shim, k3), k3);
    REQUIRE(parsed);
    CHECK(parsed->token == "token");
    CHECK(parsed->standard_output.offset == 1ULL << 60);
    CHECK(parsed->standard_output.limit == UINT64_MAX);
    CHECK(parsed->standard_error.limit == 4);
    const auto answer = ParseShimConnected(Encode(ShimConnected{{8, 9}}));
    REQUIRE(answer);
    CHECK(answer->standard_input.offset == 8);
    CHECK(answer->standard_input.limit == 9);
    // Without windows nothing may be sent.
    CHECK(ParseConnectShim(DumpMsgpack({{"token", "t"}}), k3)->standard_output.limit == 0);
    for (const Json& wrong : {Json(-1), Json("x"), Json(1.5)})
        CHECK_FALSE(ParseShimConnected(DumpMsgpack({{"stdin", {{"offset", wrong}}}})));
    CHECK_FALSE(ParseShimConnected(DumpMsgpack({{"stdin", 1}})));
    CHECK_FALSE(ParseConnectShim(DumpMsgpack({{"token", "t"}, {"stdout", {{"limit", -1}}}}), k3));
}

TEST_CASE("windows are of the three streams of a process") {
    for (const auto stream : {StreamKind::kStdin, StreamKind::kStdout, StreamKind::kStderr}) {
        const auto update = ParseWindowUpdate(Encode(WindowUpdate{stream, {5, UINT64_MAX}}));
        REQUIRE(update);
        CHECK(update->stream == stream);
        CHECK(update->window.offset == 5);
        CHECK(update->window.limit == UINT64_MAX);
    }
    CHECK_FALSE(ParseWindowUpdate(Encode(WindowUpdate{StreamKind::kLog, {}})));
    CHECK_FALSE(ParseWindowUpdate(DumpMsgpack({{"stream", -1}})));
    CHECK_FALSE(ParseWindowUpdate(""));
}

TEST_CASE("a process ends with a code of a byte and a signal, or not at all") {
    const auto end = ParseProcessEnd(Encode(ProcessEnd{137, 9}));
    REQUIRE(end);
    CHECK(end->code == 137);
    CHECK(end->signal == 9);
    CHECK_FALSE(end->out_of_memory);
    const auto killed = ParseProcessEnd(Encode(ProcessEnd{137, 9, true}));
    REQUIRE(killed);
    CHECK(killed->out_of_memory);
    CHECK_FALSE(ParseProcessEnd(DumpMsgpack({{"code", 1}, {"signal", 0}, {"outOfMemory", 1}})));
    for (const ProcessEnd& wrong :
         {ProcessEnd{256, 0}, ProcessEnd{-1, 0}, ProcessEnd{0, 128}, ProcessEnd{0, -1}})
        CHECK_FALSE(ParseProcessEnd(Encode(wrong)));
}

TEST_CASE("Hello says who is there and what it can do") {
    const auto hello = ParseHello(Encode(Hello{"cc-shim", "4.0.0", {"a", "b"}}));
    REQUIRE(hello);
    CHECK(hello->program == "cc-shim");
    CHECK(hello->program_version == "4.0.0");
    CHECK(hello->capabilities == std::vector<std::string>{"a", "b"});
    CHECK(ParseHello(Encode(Hello{}))->capabilities.empty());
    CHECK_FALSE(ParseHello(DumpMsgpack({{"capabilities", "a"}})));
}

TEST_CASE("errors have a code for programs and words for people") {
    for (const auto code : {ErrorCode::kFailed, ErrorCode::kBadRequest, ErrorCode::kUnknownVm,
                            ErrorCode::kVmLost, ErrorCode::kUnknownToken, ErrorCode::kTokenInUse,
                            ErrorCode::kTimeout, ErrorCode::kTooMany, ErrorCode::kAgent}) {
        const ErrorAnswer answer = ParseError(EncodeError(code, "words", k3), k3);
        CHECK(answer.code == code);
        CHECK(answer.message == "words");
    }
    CHECK(Name(ErrorCode::kTokenInUse) == "token_in_use");
    CHECK(ParseError(DumpMsgpack({{"code", "of the future"}, {"msg", "m"}}), k3).code ==
          ErrorCode::kFailed);
    CHECK(ParseError("nonsense", k3).code == ErrorCode::kFailed);
    CHECK(ParseError(R"({"msg":"m"})", kClientVersion2).message == "m");
}

}  // namespace cc
