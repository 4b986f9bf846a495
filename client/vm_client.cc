// SPDX-License-Identifier: Apache-2.0
#include "client/vm_client.h"

#include <algorithm>
#include <array>
#include <csignal>

#include <sys/socket.h>
#include <unistd.h>

#include "base/text.h"
#include "client/wait_readable.h"

namespace cc {

namespace {

using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

// The keeper has a deadline of its own for the VMM; this is what everything around it may take.
constexpr milliseconds kKeeperGrace{5000};
// The keeper answers pause and resume within 5 s, stop within 2 s of SIGKILL.
constexpr milliseconds kVerbDeadline{10000};

// Everything up to end of file.
Result<std::string> ReadReady(int fd, milliseconds deadline) {
    const auto end = Clock::now() + deadline;
    std::string text;
    std::array<char, 4096> buffer{};
    while (true) {
        CC_TRY(WaitReadable(fd, end, deadline, "the VM's keeper"));
        const ssize_t count = ::read(fd, buffer.data(), buffer.size());
        if (count < 0) return FailErrno("reading from the VM's keeper");
        if (count == 0) return text;
        text.append(buffer.data(), static_cast<size_t>(count));
        if (text.size() > kMaxVmMessage) return Fail("the VM's keeper sent too long a message");
    }
}

Result<VmStatus> WaitReady(const Fd& ready, const VmConfig& config) {
    CC_ASSIGN(const std::string text,
              ReadReady(ready.get(), milliseconds(config.start_deadline_ms) + kKeeperGrace));
    if (text.empty())
        return Fail(Cat("the VM's keeper ended without a word; see ", config.directory, "/",
                        kKeeperLogName),
                    ECONNRESET);
    CC_ASSIGN(VmReply reply, ParseVmReply(text));
    if (!reply.error.empty()) return Fail(std::move(reply.error), reply.killed ? ECONNRESET : 0);
    return reply.status;
}

}  // namespace

Result<KeeperHandle> StartKeeper(const std::string& executable, const VmConfig& config,
                                 std::function<Result<void>()> in_child, const SavedFiles& files) {
    CC_ASSIGN(FdPair text, MakePipe());
    CC_ASSIGN(FdPair ready, MakePipe());
    SpawnOptions options;
    options.executable = executable;
    options.arguments = {"cc-vmm", "--config-fd", "3", "--ready-fd", "4"};
    options.fds = {{text.first.get(), 3}, {ready.second.get(), 4}};
    if (config.origin != VmOrigin::kBoot) PassSavedFiles(files, options);
    options.new_session = true;
    options.in_child = std::move(in_child);
    KeeperHandle keeper;
    CC_ASSIGN(keeper.process, Context("starting the VM's keeper", Spawn(options)));
    text.first.Reset();
    ready.second.Reset();
    auto started = [&]() -> Result<void> {
        CC_ASSIGN(keeper.start_time, StartTimeOf(keeper.process.pid()));
        // One that cannot be told has ended, and its last words say more than a broken pipe does.
        auto sent = WriteAll(text.second.get(), Encode(config));
        if (!sent && sent.error().code != EPIPE)
            return Context("sending the VM's configuration", std::move(sent));
        text.second.Reset();
        CC_ASSIGN(keeper.status, WaitReady(ready.first, config));
        return {};
    }();
    if (!started) {
        // The VM dies with its keeper; one that answered with an error is ending by itself and
        // cleans up.
        if (!keeper.process.WaitEnd(milliseconds(1000)).value_or(false))
            (void)keeper.process.Signal(SIGKILL);
        (void)keeper.process.Reap();
        return Failure(std::move(started.error()));
    }
    return keeper;
}

Result<VmClient> VmClient::Connect(const std::string& vm_directory) {
    CC_ASSIGN(Fd fd, ConnectUnix(Cat(vm_directory, "/", kVerbSocketName), SOCK_SEQPACKET));
    return VmClient(std::move(fd));
}

Result<VmReply> VmClient::Call(const VmRequest& request, int fd, milliseconds deadline) {
    const auto end = Clock::now() + deadline;
    CC_TRY(SendWithFds(fd_.get(), Encode(request),
                       fd >= 0 ? std::span<const int>(&fd, 1) : std::span<const int>()));
    CC_TRY(WaitReadable(fd_.get(), end, deadline, "the VM's keeper"));
    CC_ASSIGN(const Received received, ReceiveWithFds(fd_.get(), kMaxVmMessage));
    if (received.bytes.empty()) return Fail("the VM's keeper has ended", ECONNRESET);
    CC_ASSIGN(VmReply reply, ParseVmReply(received.bytes));
    if (!reply.error.empty()) return Fail(std::move(reply.error));
    return reply;
}

Result<VmStatus> VmClient::Status() {
    CC_ASSIGN(VmReply reply, Call({.verb = VmVerb::kStatus, .path = {}}, -1, kVerbDeadline));
    return reply.status;
}

Result<void> VmClient::ShareAdd(const std::string& path, const Fd& mount) {
    CC_TRY(Call({.verb = VmVerb::kShareAdd, .path = path}, mount.get(), kVerbDeadline));
    return {};
}

Result<void> VmClient::ShareRemove(const std::string& path) {
    CC_TRY(Call({.verb = VmVerb::kShareRemove, .path = path}, -1, kVerbDeadline));
    return {};
}

Result<void> VmClient::AttachNetwork(int nic, const Fd& network_namespace) {
    CC_TRY(Call({.verb = VmVerb::kAttachNetwork, .card = {.number = nic}}, network_namespace.get(),
                kVerbDeadline));
    return {};
}

Result<void> VmClient::AttachCard(const Card& card, const Fd& network_namespace) {
    CC_TRY(Call({.verb = VmVerb::kAttachNetwork, .card = card}, network_namespace.get(),
                kVerbDeadline));
    return {};
}

Result<void> VmClient::WatchNetwork(const Fd& network_namespace, const std::string& root,
                                    const std::string& sandbox) {
    CC_TRY(Call({.verb = VmVerb::kWatchNetwork, .path = root, .sandbox = sandbox},
                network_namespace.get(), kVerbDeadline));
    return {};
}

Result<int> VmClient::AddDisk(const std::string& owner, const Fd& device, bool read_only) {
    CC_ASSIGN(const VmReply reply,
              Call({.verb = VmVerb::kAddDisk, .owner = owner, .read_only = read_only}, device.get(),
                   kVerbDeadline));
    return reply.disk;
}

Result<void> VmClient::RemoveDisks(const std::string& owner) {
    CC_TRY(Call({.verb = VmVerb::kRemoveDisks, .owner = owner}, -1, kVerbDeadline));
    return {};
}

Result<void> VmClient::Grow(const VmGrowth& growth) {
    CC_TRY(Call({.verb = VmVerb::kGrow, .growth = growth}, -1, kVerbDeadline));
    return {};
}

Result<std::string> VmClient::Console() {
    CC_ASSIGN(VmReply reply, Call({.verb = VmVerb::kConsole, .path = {}}, -1, kVerbDeadline));
    return std::move(reply.console);
}

Result<void> VmClient::Pause() {
    CC_TRY(Call({.verb = VmVerb::kPause, .path = {}}, -1, kVerbDeadline));
    return {};
}

Result<void> VmClient::Resume() {
    CC_TRY(Call({.verb = VmVerb::kResume, .path = {}}, -1, kVerbDeadline));
    return {};
}

Result<void> VmClient::Stop() {
    CC_TRY(Call({.verb = VmVerb::kStop, .path = {}}, -1, kVerbDeadline));
    return {};
}

}  // namespace cc
