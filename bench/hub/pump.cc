// SPDX-License-Identifier: Apache-2.0
#include "bench/hub/pump.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <csignal>
#include <thread>

#include <poll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/text.h"
#include "bench/hub/must.h"

namespace cc::bench {

namespace {

constexpr size_t kCopySize = 64 * 1024;
constexpr size_t kSinkSize = 256 * 1024;
constexpr int kWritesPerTurn = 32;  // of one lane, so that one does not starve the others
constexpr int kTick = 20;           // milliseconds

class Source {
  public:
    explicit Source(const std::vector<Lane>& lanes)
        : lanes_(lanes), rest_(lanes.size()), sent_(lanes.size()) {
        for (const auto& lane : lanes)
            set_.push_back({lane.from, 0, 0});
    }

    void Run() {
        while (!stop) {
            Poll();
            for (size_t i = 0; i < set_.size(); ++i) {
                if ((set_[i].revents & POLLIN) != 0) Hear(i);
                if ((set_[i].revents & POLLOUT) != 0) Fill(i);
            }
        }
        for (size_t i = 0; i < lanes_.size(); ++i)
            while (lanes_[i].to >= 0 && !rest_[i].empty()) {
                pollfd one{lanes_[i].from, POLLOUT, 0};
                Must(::poll(&one, 1, kTick), "polling a writing end");
                WriteOnce(i);
            }
        done = true;
    }
    uint64_t sent(size_t lane) const { return sent_[lane]; }
    std::atomic<bool> stop = false;
    std::atomic<bool> done = false;

  private:
    // A lane whose window is closed waits for the next.
    void Poll() {
        for (size_t i = 0; i < set_.size(); ++i) {
            if (rest_[i].empty()) rest_[i] = lanes_[i].sender->Next();
            set_[i].events = static_cast<short>((lanes_[i].sender->hears() ? POLLIN : 0) |
                                                (rest_[i].empty() ? 0 : POLLOUT));
        }
        Must(::poll(set_.data(), set_.size(), kTick), "polling the writing ends");
    }
    void Hear(size_t i) {
        const ssize_t count =
            Must(::read(lanes_[i].from, heard_.data(), heard_.size()), "reading a window");
        if (count == 0) Die("a stream was closed under load");
        lanes_[i].sender->Hear({heard_.data(), static_cast<size_t>(count)});
    }
    void Fill(size_t i) {
        for (int turn = 0; turn < kWritesPerTurn && WriteOnce(i); ++turn) {
            rest_[i] = lanes_[i].sender->Next();
            if (rest_[i].empty()) return;
        }
    }
    bool WriteOnce(size_t i) {
        const ssize_t count = ::write(lanes_[i].from, rest_[i].data(), rest_[i].size());
        if (count < 0 && errno == EAGAIN) return false;
        rest_[i].remove_prefix(static_cast<size_t>(Must(count, "writing")));
        if (!rest_[i].empty()) return false;
        sent_[i] += lanes_[i].sender->payload();
        return true;
    }

    const std::vector<Lane>& lanes_;
    std::vector<pollfd> set_;
    std::vector<std::string_view> rest_;  // of the message that is being written
    std::vector<uint64_t> sent_;
    std::array<char, 4096> heard_{};
};

class Sink {
  public:
    explicit Sink(const std::vector<Lane>& lanes) : lanes_(lanes), buffer_(kSinkSize, '\0') {
        for (const auto& lane : lanes) {
            set_.push_back({lane.to, POLLIN, 0});
            before_.push_back(lane.receiver->payload());
        }
    }

    void ReadSome() {
        Must(::poll(set_.data(), set_.size(), kTick), "polling the reading ends");
        for (size_t i = 0; i < set_.size(); ++i) {
            if (set_[i].revents == 0) continue;
            const ssize_t count =
                Must(::read(set_[i].fd, buffer_.data(), buffer_.size()), "reading");
            if (count == 0) Die("a stream was closed under load");
            Receiver& receiver = *lanes_[i].receiver;
            receiver.Push({buffer_.data(), static_cast<size_t>(count)});
            const std::string answer = receiver.Answer();
            if (!answer.empty() && Must(::write(set_[i].fd, answer.data(), answer.size()),
                                        "answering") != static_cast<ssize_t>(answer.size()))
                Die("the proxy does not read windows");
        }
    }
    uint64_t payload(size_t lane) const { return lanes_[lane].receiver->payload() - before_[lane]; }

  private:
    const std::vector<Lane>& lanes_;
    std::vector<pollfd> set_;
    std::vector<uint64_t> before_;
    std::string buffer_;
};

[[noreturn]] void Copy(int from, int to, CopyLoop::Way way) {
    std::array<char, kCopySize> buffer;
    while (true) {
        const ssize_t count = ::read(from, buffer.data(), buffer.size());
        if (count <= 0 || !WriteAll(to, {buffer.data(), static_cast<size_t>(count)})) _exit(0);
        if (way == CopyLoop::Way::kForthAndBack) std::swap(from, to);
    }
}

}  // namespace

Flow Pump(std::vector<Lane>& lanes, double seconds) {
    for (const auto& lane : lanes) {
        Must(SetNonBlocking(lane.from));
        if (lane.to >= 0) Must(SetNonBlocking(lane.to));
    }
    Source source(lanes);
    Sink sink(lanes);
    const auto begin = Clock::now();
    std::thread writer([&source] { source.Run(); });
    while (SecondsSince(begin) < seconds)
        sink.ReadSome();
    for (size_t i = 0; i < lanes.size(); ++i)
        lanes[i].received = sink.payload(i);
    source.stop = true;
    while (!source.done)  // it may be in the middle of a message
        sink.ReadSome();
    writer.join();
    Flow flow;
    for (size_t i = 0; i < lanes.size(); ++i) {
        if (lanes[i].to < 0) continue;
        while (sink.payload(i) < source.sent(i))
            sink.ReadSome();
        flow.payload += sink.payload(i);
    }
    flow.seconds = SecondsSince(begin);
    return flow;
}

CopyLoop::CopyLoop(Way way) {
    FdPair into = Must(MakeSocketPair(SOCK_STREAM));
    FdPair out = Must(MakeSocketPair(SOCK_STREAM));
    pid_ = Must(::fork(), "forking the copy loop");
    if (pid_ == 0) {
        ::prctl(PR_SET_PDEATHSIG, SIGKILL);
        into.first.Reset();
        out.first.Reset();
        Copy(into.second.get(), out.second.get(), way);
    }
    near_ = std::move(into.first);
    far_ = std::move(out.first);
}

CopyLoop::~CopyLoop() {
    near_.Reset();
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
}

}  // namespace cc::bench
