// SPDX-License-Identifier: Apache-2.0
// The real cc-shim, with the program itself in the proxy's place: time from its start to its
// ConnectShim, and its memory.
#include <array>
#include <csignal>
#include <cstdio>
#include <memory>

#include <sys/socket.h>
#include <unistd.h>

#include "base/text.h"
#include "bench/hub/measured.h"
#include "bench/hub/must.h"
#include "bench/hub/peers.h"
#include "bench/hub/sections.h"
#include "bench/hub/statistics.h"
#include "protocol/client_frame.h"
#include "protocol/client_messages.h"

namespace cc::bench {

namespace {

constexpr int kStarts = 50;
constexpr int kTogether = 10;

class Shim {
  public:
    Shim(const Setting& setting, const std::string& socket, const Fd& listener)
        : input_(Must(MakePipe())), output_(Must(MakePipe())) {
        SpawnOptions options;
        options.executable = setting.shim();
        options.arguments = {
            "cc-shim", "--container-id",      "bench", "--token", Must(MakeToken()),
            "--uri",   Cat("unix://", socket)};
        options.fds = {{input_.first.get(), 0}, {output_.second.get(), 1}, {2, 2}};
        options.parent_death_signal = SIGKILL;
        const auto begin = Clock::now();
        process_ = Must(Spawn(options));
        connection_ = Fd::Adopt(
            Must(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC), "accepting a shim"));
        std::array<char, 4096> buffer;
        if (Must(::read(connection_.get(), buffer.data(), buffer.size()), "reading") == 0)
            Die("cc-shim hung up");
        start_seconds_ = SecondsSince(begin);
        // A byte that comes out of it shows that it has come to rest.
        Must(WriteAll(connection_.get(),
                      EncodeResponse(ClientCommand::kConnectShim, Encode(ShimConnected{}), false,
                                     kClientVersion3) +
                          EncodeStreamAt(StreamKind::kStdout, 0, "x", false)));
        if (Must(::read(output_.first.get(), buffer.data(), 1), "reading") != 1)
            Die("cc-shim printed nothing");
    }
    ~Shim() {
        connection_.Reset();
        process_.Kill();
    }
    Shim(const Shim&) = delete;
    Shim& operator=(const Shim&) = delete;

    double start_seconds() const { return start_seconds_; }
    Memory memory() const { return MemoryOf(process_.pid()); }

  private:
    FdPair input_;
    FdPair output_;
    Process process_;
    Fd connection_;
    double start_seconds_ = 0;
};

void PrintRow(const char* what, const Memory& memory) {
    std::printf("| %s | %ld | %ld | %ld | %ld |\n", what, memory.rss, memory.pss, memory.private_,
                memory.anonymous);
}

}  // namespace

void MeasureShim(const Setting& setting) {
    const std::string socket = Cat(setting.directory, "/shim.sock");
    const Fd listener = Must(ListenUnix(socket, SOCK_STREAM, kSocketMode));
    std::vector<double> starts;
    for (int i = 0; i < kStarts; ++i)
        starts.push_back(Shim(setting, socket, listener).start_seconds() * kMilli);
    std::puts("| cc-shim | RSS (KiB) | PSS | private | anonymous |");
    std::puts("|---|--:|--:|--:|--:|");
    std::vector<std::unique_ptr<Shim>> shims;
    shims.push_back(std::make_unique<Shim>(setting, socket, listener));
    PrintRow("alone, no other program of ours", shims[0]->memory());
    while (shims.size() < kTogether)
        shims.push_back(std::make_unique<Shim>(setting, socket, listener));
    PrintRow("one of ten", shims[0]->memory());
    std::printf(
        "\ncc-shim from fork to its ConnectShim: fastest %.2f ms, median %.2f ms, p90 %.2f ms of "
        "%d "
        "starts.\n",
        Quantile(starts, 0), Median(starts), Quantile(starts, 0.9), kStarts);
    ::unlink(socket.c_str());
}

}  // namespace cc::bench
