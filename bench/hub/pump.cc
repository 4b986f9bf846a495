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
#include "protocol/frame_buffer.h"

namespace cc::bench {

namespace {

constexpr size_t kHeaderSize = 12;
constexpr size_t kLengthAt = 8;
constexpr size_t kCopySize = 64 * 1024;
constexpr size_t kSinkSize = 256 * 1024;
constexpr int kWritesPerTurn = 32;  // of one lane, so that one does not starve the others
constexpr int kTick = 20;           // milliseconds

std::vector<pollfd> PollSet(const std::vector<Lane>& lanes, int Lane::*fd, short events) {
    std::vector<pollfd> set;
    for (const auto& lane : lanes)
        set.push_back({lane.*fd, events, 0});
    return set;
}

class Source {
  public:
    explicit Source(const std::vector<Lane>& lanes)
        : lanes_(lanes), offsets_(lanes.size()), sent_(lanes.size()) {}

    void Run() {
        auto set = PollSet(lanes_, &Lane::from, POLLOUT);
        while (!stop) {
            Must(::poll(set.data(), set.size(), kTick), "polling the writing ends");
            for (size_t i = 0; i < set.size(); ++i)
                if (set[i].revents != 0) Fill(i);
        }
        for (size_t i = 0; i < lanes_.size(); ++i)
            while (lanes_[i].to >= 0 && offsets_[i] > 0) {
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
    void Fill(size_t i) {
        for (int turn = 0; turn < kWritesPerTurn && WriteOnce(i); ++turn) {
        }
    }
    bool WriteOnce(size_t i) {
        const std::string& frame = lanes_[i].frame;
        const ssize_t count =
            ::write(lanes_[i].from, frame.data() + offsets_[i], frame.size() - offsets_[i]);
        if (count < 0 && errno == EAGAIN) return false;
        offsets_[i] += static_cast<size_t>(Must(count, "writing"));
        if (offsets_[i] < frame.size()) return false;
        offsets_[i] = 0;
        sent_[i] += lanes_[i].payload;
        return true;
    }

    const std::vector<Lane>& lanes_;
    std::vector<size_t> offsets_;
    std::vector<uint64_t> sent_;
};

class Sink {
  public:
    explicit Sink(const std::vector<Lane>& lanes)
        : set_(PollSet(lanes, &Lane::to, POLLIN)), buffer_(kSinkSize, '\0') {
        for (const auto& lane : lanes)
            counters_.emplace_back(lane.framing);
    }

    void ReadSome() {
        Must(::poll(set_.data(), set_.size(), kTick), "polling the reading ends");
        for (size_t i = 0; i < set_.size(); ++i) {
            if (set_[i].revents == 0) continue;
            const ssize_t count =
                Must(::read(set_[i].fd, buffer_.data(), buffer_.size()), "reading");
            if (count == 0) Die("a stream was closed under load");
            counters_[i].Push({buffer_.data(), static_cast<size_t>(count)});
        }
    }
    uint64_t payload(size_t lane) const { return counters_[lane].payload(); }

  private:
    std::vector<pollfd> set_;
    std::string buffer_;
    std::vector<PayloadCounter> counters_;
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

void PayloadCounter::Push(std::string_view bytes) {
    while (!bytes.empty()) {
        if (left_ == 0) {
            const size_t part = std::min(bytes.size(), kHeaderSize - header_.size());
            header_.append(bytes.substr(0, part));
            bytes.remove_prefix(part);
            if (header_.size() < kHeaderSize) return;
            left_ = LoadBigEndian<4>(header_, kLengthAt);
            if (framing_ == Framing::kAgent) left_ -= kHeaderSize;
            header_.clear();
        }
        const size_t part = std::min(bytes.size(), left_);
        left_ -= part;
        payload_ += part;
        bytes.remove_prefix(part);
    }
}

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
