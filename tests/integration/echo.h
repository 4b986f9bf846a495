// SPDX-License-Identifier: Apache-2.0
// Containers that give back what they are given, for tests of what streams survive.
#pragma once

#include <atomic>
#include <chrono>
#include <csignal>
#include <cstring>
#include <string>
#include <thread>

#include <unistd.h>

#include "tests/integration/house.h"
#include "tests/noise.h"

namespace cc::test {

// So much is written at once; some of it is always still to come.
constexpr size_t kEchoPiece = 64 * 1024;
constexpr int kEchoStatus = 7;
constexpr const char* kEchoScript = "cat; exit 7";

// When a test has failed before it waited for them.
inline void EndEcho(Shim& shim, std::thread& writer, std::thread& reader) {
    if (!writer.joinable()) return;
    (void)shim.process.Signal(SIGKILL);
    writer.join();
    reader.join();
}

// One that gets a text of known size, and what came of it.
struct Echo {
    Shim shim;
    std::string sent;
    std::string received;
    std::thread writer, reader;

    Echo(House& house, const std::string& name, size_t size, uint64_t seed,
         const ProcessOptions& options = {})
        : shim(house.Run(name, kEchoScript, options)), sent(Noise(size, seed)) {
        writer = std::thread([this] {
            for (size_t at = 0; at < sent.size(); at += kEchoPiece)
                if (!WriteAll(shim.in.get(), std::string_view(sent).substr(at, kEchoPiece))) return;
            shim.in.Reset();
        });
        reader = std::thread([this] { received = shim.Output(); });
    }
    ~Echo() { EndEcho(shim, writer, reader); }
    Echo(const Echo&) = delete;
    Echo& operator=(const Echo&) = delete;
    void Finish() {
        writer.join();
        reader.join();
        CHECK(shim.Errors() == "");
        CHECK(received.size() == sent.size());
        CHECK((received == sent));
        CHECK(shim.WaitExit() == kEchoStatus);
    }
};

// One that goes on until it is told to stop, and is compared as it goes: a container's first
// process or one more in it.
struct EndlessEcho {
    static constexpr std::chrono::milliseconds kPause{20};  // after each piece

    Shim shim;
    const uint64_t seed;
    std::atomic<bool> over = false;
    uint64_t sent = 0, received = 0;
    bool same = true;
    std::thread writer, reader;

    EndlessEcho(Shim process, uint64_t noise_seed) : shim(std::move(process)), seed(noise_seed) {
        writer = std::thread([this] {
            for (uint64_t piece = 0; !over; ++piece) {
                if (!WriteAll(shim.in.get(), Noise(kEchoPiece, seed + piece))) return;
                sent += kEchoPiece;
                std::this_thread::sleep_for(kPause);
            }
            shim.in.Reset();
        });
        reader = std::thread([this] {
            std::string expected;
            char bytes[kEchoPiece];
            while (true) {
                const ssize_t count = ::read(shim.out.get(), bytes, sizeof bytes);
                if (count <= 0) return;
                const auto size = static_cast<size_t>(count);
                while (expected.size() < size)
                    expected += Noise(kEchoPiece, seed + (received + expected.size()) / kEchoPiece);
                same = same && std::memcmp(expected.data(), bytes, size) == 0;
                expected.erase(0, size);
                received += size;
            }
        });
    }
    ~EndlessEcho() {
        over = true;
        EndEcho(shim, writer, reader);
    }
    EndlessEcho(const EndlessEcho&) = delete;
    EndlessEcho& operator=(const EndlessEcho&) = delete;
    void Finish() {
        over = true;
        writer.join();
        reader.join();
        CHECK(shim.Errors() == "");
        CHECK(received == sent);
        CHECK(same);
        CHECK(shim.WaitExit() == kEchoStatus);
    }
};

}  // namespace cc::test
