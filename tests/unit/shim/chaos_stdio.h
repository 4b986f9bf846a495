// SPDX-License-Identifier: Apache-2.0
// The far ends of a shim's standard streams, and the signals it must not take from its tester.
#pragma once

#include <algorithm>
#include <array>
#include <csignal>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/fd.h"

namespace cc::shim {

// The byte at this place of a stream; a lost, doubled or moved one shows.
inline char ByteAt(uint64_t stream, uint64_t offset) {
    return static_cast<char>((offset * 2654435761U >> 13) ^ stream);
}
inline std::string BytesAt(uint64_t stream, uint64_t offset, size_t size) {
    std::string bytes(size, '\0');
    for (size_t i = 0; i < size; ++i)
        bytes[i] = ByteAt(stream, offset + i);
    return bytes;
}

// A pair of small sockets, or a small pipe; the far end does not block.
struct ChaosStream {
    Fd shims, far;

    ChaosStream(bool pipe, bool input) {
        if (!pipe) {
            FdPair pair = MakeSocketPair(SOCK_STREAM).value();
            const int size = 4096;
            for (const int fd : {pair.first.get(), pair.second.get()})
                ::setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
            shims = std::move(pair.first), far = std::move(pair.second);
        } else {
            FdPair pair = MakePipe().value();
            ::fcntl(pair.first.get(), F_SETPIPE_SZ, 4096);
            shims = std::move(input ? pair.first : pair.second);
            far = std::move(input ? pair.second : pair.first);
        }
        (void)SetNonBlocking(far.get());
    }
};

// A reader of the shim's output.
struct ChaosReader {
    static constexpr size_t kEverything = 1 << 20;
    Fd fd;
    size_t appetite = kEverything;  // of each turn
    uint64_t got = 0;

    // Written by the shim so far.
    uint64_t written() const {
        int waiting = 0;
        (void)::ioctl(fd.get(), FIONREAD, &waiting);
        return got + static_cast<uint64_t>(waiting);
    }
    std::string Read(size_t most) {
        std::string bytes(std::min<size_t>(most, 65536), '\0');
        const ssize_t count = fd ? ::read(fd.get(), bytes.data(), bytes.size()) : 0;
        bytes.resize(count > 0 ? static_cast<size_t>(count) : 0);
        got += bytes.size();
        return bytes;
    }
};

// A shim takes almost all signals of its process. Some are the test's own: a fuzzer's clock, its
// crashes, whoever ends it. Those are given back once the shim watches; all are at the end.
class KeptSignals {
  public:
    KeptSignals() {
        for (int signal = 1; signal < 32; ++signal)
            ::sigaction(signal, nullptr, &before_[static_cast<size_t>(signal)]);
        ::signal(SIGPIPE, SIG_IGN);  // as main.cc does
        Hold();
    }
    void ShimWatches() {
        for (const int signal : kOurs)
            Restore(signal);
        LetGo();
    }
    void ShimEnds() { Hold(); }
    ~KeptSignals() {
        for (int signal = 1; signal < 32; ++signal)
            if (signal != SIGKILL && signal != SIGSTOP) Restore(signal);
        LetGo();
    }
    KeptSignals(const KeptSignals&) = delete;
    KeptSignals& operator=(const KeptSignals&) = delete;

  private:
    static constexpr int kOurs[] = {SIGALRM, SIGABRT, SIGINT, SIGTERM};
    void Restore(int signal) const {
        ::sigaction(signal, &before_[static_cast<size_t>(signal)], nullptr);
    }
    // While they are nobody's. A clock must not strike either: a thread that blocks nothing would
    // hear it.
    void Hold() {
        const itimerval none{};
        ::setitimer(ITIMER_REAL, &none, &clock_);
        Block(SIG_BLOCK);
    }
    void LetGo() {
        Block(SIG_UNBLOCK);
        ::setitimer(ITIMER_REAL, &clock_, nullptr);
    }
    static void Block(int how) {
        sigset_t set;
        sigemptyset(&set);
        for (const int signal : {SIGINT, SIGTERM})
            sigaddset(&set, signal);
        ::pthread_sigmask(how, &set, nullptr);
    }

    std::array<struct sigaction, 32> before_{};
    itimerval clock_{};
};

}  // namespace cc::shim
