// SPDX-License-Identifier: Apache-2.0
// Ten thousand callers who mean no good, in crowds as large as the limit on descriptors allows,
// beside one VM whose users must not notice.
#include <algorithm>

#include <sys/resource.h>

#include "proxy/status.h"
#include "tests/fakes/fake_agent.h"
#include "tests/footprint.h"
#include "tests/unit/proxy/real_server.h"

namespace cc::proxy {
namespace {

using test::FakeAgent;

constexpr size_t kCallers = 10'000;
constexpr size_t kLargestCrowd = 2'500;
// Of descriptors, for everything but the crowd.
constexpr size_t kSpare = 200;
// What a crowd may cost: some kilobytes of each caller, and what the allocator keeps of it.
constexpr int64_t kMostGrowthKib = (test::kFreedMemoryIsKept ? 512 : 64) * 1024;

// Also the proxy's: a child inherits it.
size_t RaiseDescriptorLimit() {
    rlimit limit{};
    REQUIRE(::getrlimit(RLIMIT_NOFILE, &limit) == 0);
    limit.rlim_cur = limit.rlim_max;
    REQUIRE(::setrlimit(RLIMIT_NOFILE, &limit) == 0);
    return static_cast<size_t>(limit.rlim_cur);
}

// What each kind of caller sends; the first says nothing.
std::vector<std::string> Sayings() {
    const std::string attach = EncodeCommand(ClientCommand::kAttachVm, Encode(AttachVm{"vm", 0}));
    const std::string endless = attach.substr(0, 8) + "\xff\xff\xff\xff";
    const std::string long_one = attach.substr(0, 8) + std::string("\0\x40\0\0", 4);
    std::string bad_opcode = attach;
    bad_opcode[7] = 99;
    std::string answers_unread;
    for (int i = 0; i < 50; ++i)
        answers_unread += attach;
    const std::string token(43, 'A');
    std::string garbage(200, '\0');
    for (size_t i = 0; i < garbage.size(); ++i)
        garbage[i] = FakeAgent::FloodByte(i * 977);
    const auto two = ClientCommand::kAttachVm;
    return {
        "",
        garbage,
        attach.substr(0, 6),
        attach.substr(0, attach.size() - 3),
        endless,
        long_one + "{\"container",
        bad_opcode,
        EncodeCommand(two, "{"),
        EncodeCommand(two, std::string(20'000, '[')),
        EncodeCommand(two, "\xc1", kClientVersion3),
        EncodeCommand(two, std::string(20'000, '\x91'), kClientVersion3),
        EncodeCommand(ClientCommand::kConnectShim, Encode(ConnectShim{token + "="})),
        EncodeCommand(ClientCommand::kConnectShim,
                      Encode(ConnectShim{token + "="}, kClientVersion3), kClientVersion3),
        EncodeCommand(ClientCommand::kSignal, Encode(SignalMessage{9, 0, 0})),
        EncodeCommand(ClientCommand::kHyper, Encode(HyperMessage{"newcontainer", {token}, "{}"})),
        EncodeCommand(ClientCommand::kUnregisterVm, Encode(UnregisterVm{"another"})),
        EncodeStream(StreamKind::kStdout, "text"),
        EncodeStreamAt(StreamKind::kStdin, UINT64_MAX, "text", true),
        EncodeProcessExited(0),
        EncodeCommand(two, Encode(AttachVm{"vm", 0}, kClientVersion3), kClientVersion3) + attach,
        answers_unread,
    };
}

// Until the proxy has taken so many connections.
void AwaitConnections(const std::string& socket, size_t count) {
    const std::string taken = Cat("\"connections\":", count, ",");
    std::string status;
    for (int i = 0; i < kPatience / 10; ++i) {
        status = AskStatus(socket).value();
        if (status.find(taken) != std::string::npos) return;
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    FAIL("not ", count, " connections: ", status);
}

struct Usage {
    size_t descriptors = 0;
    int64_t resident_kib = 0, peak_kib = 0;
};
Usage UsageOf(pid_t pid) {
    Usage usage;
    usage.descriptors = ListDirectory(Cat("/proc/", pid, "/fd")).value().size();
    for (const auto& line : Split(ReadFile(Cat("/proc/", pid, "/status"), 65536).value(), '\n')) {
        const auto number = [&] {
            const size_t from = line.find_first_of("0123456789");
            return *ParseNumber<int64_t>(line.substr(from, line.find(' ', from) - from));
        };
        if (line.starts_with("VmRSS:")) usage.resident_kib = number();
        if (line.starts_with("VmHWM:")) usage.peak_kib = number();
    }
    return usage;
}

// A container that prints without end, and how much of it has come.
class Stream {
  public:
    Stream(const std::string& socket, RealClient& runtime) : shim_(socket) {
        const std::string token = runtime.NewToken("vm");
        REQUIRE(shim_.Ask(ClientCommand::kConnectShim, Encode(ConnectShim{token})) == "");
        const auto forever = ContainerOf("c", {"flood", Cat(int64_t{1} << 40), "1024"});
        REQUIRE(runtime.Hyper("newcontainer", {token}, forever) == "");
    }
    void TakeMore(size_t bytes) {
        for (const uint64_t enough = taken_ + bytes; taken_ < enough;)
            REQUIRE(Take() == -1);
    }
    int TakeToTheEnd() {
        int status = -1;
        while (status < 0)
            status = Take();
        return status;
    }

  private:
    // The next frame; the exit status when it is that.
    int Take() {
        const auto frame = shim_.Next();
        REQUIRE(frame);
        if (frame->type == FrameType::kNotification)
            return static_cast<unsigned char>(frame->payload.at(0));
        REQUIRE(frame->Is(StreamKind::kStdout));
        size_t wrong = 0;
        for (const char byte : frame->payload)
            wrong += byte != FakeAgent::FloodByte(taken_++);
        REQUIRE(wrong == 0);
        return -1;
    }

    RealClient shim_;
    uint64_t taken_ = 0;
};

// Nobody reads what he is told, and every third one is gone again at once.
std::vector<Fd> Crowd(const std::string& socket, size_t size,
                      const std::vector<std::string>& sayings) {
    std::vector<Fd> crowd;
    for (size_t i = 0; i < size; ++i) {
        Fd caller = ConnectUnix(socket, SOCK_STREAM).value();
        const std::string& saying = sayings[i % sayings.size()];
        (void)::send(caller.get(), saying.data(), saying.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
        if (i % 3 != 0) crowd.push_back(std::move(caller));
    }
    return crowd;
}

TEST_CASE("ten thousand hostile callers cost the others nothing and leave nothing") {
    const size_t crowd_size = std::min(kLargestCrowd, RaiseDescriptorLimit() - kSpare);
    TemporaryFolder folder;
    const std::string socket = folder.path + "/proxy.sock", log = folder.path + "/log";
    RealProcess process(
        {"-socket-path", socket, "-log", "info", "-log-file", log, "-ksm", "initial"});
    process.WaitForSocket(socket);
    FakeAgent agent(folder.path);
    RealClient runtime(socket);
    REQUIRE(runtime.Ask(ClientCommand::kRegisterVm,
                        Encode(RegisterVm{"vm", agent.control_path(), agent.io_path(), "", 0})) ==
            "");
    Stream stream(socket, runtime);
    stream.TakeMore(kMaxStreamPayload);
    const Usage before = UsageOf(process.pid);

    const auto sayings = Sayings();
    for (size_t callers = 0; callers < kCallers;) {
        const size_t size = std::min(crowd_size, kCallers - callers);
        const auto crowd = Crowd(socket, size, sayings);
        callers += size;
        // The others are the runtime, the shim, and the one who waited for the socket.
        AwaitConnections(socket, callers + 3);
        CHECK(runtime.Hyper("ping", {}, "") == "");
        stream.TakeMore(1 << 20);
        CHECK(runtime.Ask(ClientCommand::kAttachVm, Encode(AttachVm{"vm", 0})) == "");
    }

    CHECK(runtime.Hyper("killcontainer", {}, Encode(KillContainer{"c", 9, false, 0})) == "");
    CHECK(stream.TakeToTheEnd() == 137);
    CHECK(UsageOf(process.pid).peak_kib - before.resident_kib < kMostGrowthKib);
    for (int i = 0; i < kPatience / 10 && UsageOf(process.pid).descriptors > before.descriptors;
         ++i)
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
    CHECK(UsageOf(process.pid).descriptors == before.descriptors);
    const std::string status = AskStatus(socket).value();
    CHECK_MESSAGE(status.find("\"clients\":2,") != std::string::npos, status);
    CHECK(Split(ReadFile(log, 1 << 20).value(), '\n').size() < 100);
    ::kill(process.pid, SIGTERM);
    CHECK(process.WaitExit() == 0);
}

}  // namespace
}  // namespace cc::proxy
