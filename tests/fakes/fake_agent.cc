// SPDX-License-Identifier: Apache-2.0
#include "tests/fakes/fake_agent.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <map>
#include <mutex>
#include <set>
#include <thread>

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/text.h"
#include "protocol/agent_messages.h"

namespace cc::test {

namespace {

constexpr size_t kFloodQueue = 512 * 1024;  // a flood pauses when this much is on its way
constexpr size_t kDefaultMessage = 1024;    // 3.0's agent reads its pipes in such pieces
constexpr uint64_t kHashStart = 0xcbf29ce484222325;
constexpr uint64_t kHashPrime = 0x100000001b3;

template <class T>
T Must(Result<T> result) {
    if (result) return std::move(*result);
    std::fprintf(stderr, "fake agent: %s\n", result.error().message.c_str());
    std::abort();
}

struct FakeProcess {
    std::string container;
    std::string program;
    int status = 0;
    uint64_t stdio = 0;
    bool first = false;  // of its container
    uint64_t flood_left = 0;
    uint64_t flooded = 0;
    size_t message = kDefaultMessage;
    uint64_t eaten = 0;
    uint64_t hash = kHashStart;
};

// One port: listens, serves one connection at a time, queues what is to be written.
struct Port {
    Fd listener;
    Fd connection;
    std::string out;

    explicit Port(const std::string& path)
        : listener(Must(ListenUnix(path, SOCK_STREAM | SOCK_NONBLOCK, 0600))) {}

    bool Accept() {
        connection =
            Fd::Adopt(::accept4(listener.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
        out.clear();
        return static_cast<bool>(connection);
    }
    void Flush() {
        if (out.empty() || !connection) return;
        const ssize_t count = ::send(connection.get(), out.data(), out.size(), MSG_NOSIGNAL);
        if (count > 0) out.erase(0, static_cast<size_t>(count));
    }
};

}  // namespace

class FakeAgent::Impl {
  public:
    Impl(const std::string& directory, FakeAgentOptions options)
        : control_path(Cat(directory, "/", options.control_name)),
          io_path(Cat(directory, "/", options.io_name)),
          options_(std::move(options)),
          answering_(options_.answer),
          control_(control_path),
          io_(io_path),
          wake_(Must(MakePipe())),
          thread_([this] { Run(); }) {}

    ~Impl() {
        Tell([this] { stop_ = true; });
        thread_.join();
        ::unlink(control_path.c_str());
        ::unlink(io_path.c_str());
    }

    // Runs this in the agent's thread.
    void Tell(std::function<void()> what) {
        {
            const std::lock_guard lock(mutex);
            told_.push_back(std::move(what));
        }
        (void)!::write(wake_.second.get(), "x", 1);
    }

    const std::string control_path;
    const std::string io_path;
    mutable std::mutex mutex;
    mutable std::condition_variable changed;
    std::vector<Command> commands;  // by mutex
    std::atomic<uint64_t> stdin_bytes{0};

    void SetAnswering(bool on) { answering_ = on; }
    void SetReadingStdin(bool on) { reading_stdin_ = on; }
    void QueueControl(const std::string& bytes) { control_.out += bytes; }
    void QueueIo(const std::string& bytes) { io_.out += bytes; }
    void HangUp() {
        control_.connection.Reset();
        io_.connection.Reset();
        control_.listener.Reset();
        io_.listener.Reset();
        processes_.clear();
    }

  private:
    void Run() {
        while (!stop_) {
            control_.Flush();
            // The socket may take a whole round at once; nothing would wake us for the next one.
            do {
                Flood();
                io_.Flush();
            } while (io_.connection && io_.out.empty() && Flooding());
            Wait();
        }
    }

    bool Flooding() const {
        return std::any_of(processes_.begin(), processes_.end(),
                           [](const auto& entry) { return entry.second.flood_left > 0; });
    }

    static short Events(const Port& port, bool reading) {
        return static_cast<short>((reading ? POLLIN : 0) | (port.out.empty() ? 0 : POLLOUT));
    }

    void Wait() {
        std::array<pollfd, 5> polled{{{wake_.first.get(), POLLIN, 0},
                                      {control_.listener.get(), POLLIN, 0},
                                      {io_.listener.get(), POLLIN, 0},
                                      {control_.connection.get(), Events(control_, true), 0},
                                      {io_.connection.get(), Events(io_, reading_stdin_), 0}}};
        // As a chardev: the next caller waits in the backlog until this one has gone.
        if (control_.connection) polled[1].fd = -1;
        if (io_.connection) polled[2].fd = -1;
        if (::poll(polled.data(), polled.size(), -1) < 0) return;
        if (polled[0].revents != 0) Listen();
        if (stop_) return;
        if (polled[1].revents != 0 && control_.Accept()) Connected();
        if (polled[2].revents != 0 && io_.Accept()) io_decoder_.Clear();
        if ((polled[3].revents & (POLLIN | POLLHUP | POLLERR)) != 0) Read(control_, true);
        if ((polled[4].revents & (POLLHUP | POLLERR)) != 0 ||
            ((polled[4].revents & POLLIN) != 0 && reading_stdin_))
            Read(io_, false);
    }

    void Listen() {
        std::array<char, 64> bytes{};
        (void)!::read(wake_.first.get(), bytes.data(), bytes.size());
        std::vector<std::function<void()>> told;
        {
            const std::lock_guard lock(mutex);
            told.swap(told_);
        }
        for (const auto& what : told)
            what();
    }

    void Connected() {
        control_decoder_.Clear();
        extended_ = false;
        if (!options_.say_ready) return;
        const bool offers = options_.extension > 0;
        control_.out += EncodeControl(
            ControlCode::kReady, offers ? Encode(ReadyOffer{options_.extension, 900, 950}) : "");
    }

    void Read(Port& port, bool control) {
        static thread_local std::array<char, 65536> bytes;
        const ssize_t count = ::read(port.connection.get(), bytes.data(), bytes.size());
        if (count < 0 && (errno == EAGAIN || errno == EINTR)) return;
        if (count <= 0) {
            port.connection.Reset();
            port.out.clear();
            return;
        }
        const std::string_view text(bytes.data(), static_cast<size_t>(count));
        if (control) {
            control_decoder_.Push(text);
            while (const auto message = Must(control_decoder_.Next()))
                Handle(*message);
        } else {
            io_decoder_.Push(text);
            while (const auto message = Must(io_decoder_.Next()))
                Stdin(*message);
        }
    }

    void Handle(const ControlMessage& message) {
        const std::string payload(message.payload);
        {
            const std::lock_guard lock(mutex);
            commands.push_back({message.code, payload});
        }
        changed.notify_all();
        if (message.code == ControlCode::kVersion && options_.extension > 0) {
            extended_ = true;
            return Reply(ControlCode::kAck, "");
        }
        if (!answering_) return;
        auto answer = Serve(message.code, payload);
        if (answer)
            Reply(ControlCode::kAck, *answer);
        else
            Reply(ControlCode::kError, answer.error().message);
        // Only now: output may come before the answer, but need not.
        for (auto& after : std::exchange(after_answer_, {}))
            after();
    }

    void Reply(ControlCode code, std::string_view payload) {
        control_.out += EncodeControl(code, payload);
    }

    Result<std::string> Serve(ControlCode code, const std::string& payload) {
        switch (code) {
            case ControlCode::kPing:
            case ControlCode::kReady:
            case ControlCode::kWinSize:
                return "";
            case ControlCode::kStartPod:
                if (std::exchange(pod_, true))
                    return Fail("Pod already started, impossible to start again");
                return "";
            case ControlCode::kDestroyPod:
                pod_ = false;
                containers_.clear();
                processes_.clear();
                return "";
            case ControlCode::kNewContainer: {
                CC_ASSIGN(const NewContainer request, ParseNewContainer(payload));
                if (!containers_.insert(request.id).second)
                    return Fail(Cat("Container ", request.id, " already exists"));
                return Start(request.id, request.process, true);
            }
            case ControlCode::kExecCmd: {
                CC_ASSIGN(const ExecCommand request, ParseExecCommand(payload));
                if (!containers_.contains(request.container))
                    return Fail(Cat("Container ", request.container, " not found"));
                return Start(request.container, request.process, false);
            }
            case ControlCode::kKillContainer:
                return Kill(payload);
            case ControlCode::kRemoveContainer: {
                CC_ASSIGN(const RemoveContainer request, ParseRemoveContainer(payload));
                if (containers_.erase(request.container) == 0)
                    return Fail(
                        Cat("Container ", request.container, " not found, impossible to remove"));
                return "";
            }
            case ControlCode::kPsContainer:
                return "[1,7,42]";
            default:
                return Fail(Cat("No callback found for command \"", HyperName(code), "\""));
        }
    }

    Result<std::string> Start(const std::string& container, const AgentProcess& process,
                              bool first) {
        FakeProcess started;
        started.container = container;
        started.program = process.args.empty() ? "exit" : process.args[0];
        started.stdio = process.stdio;
        started.first = first;
        const auto number = [&](size_t i) {
            return process.args.size() > i ? ParseNumber<uint64_t>(process.args[i]).value_or(0) : 0;
        };
        started.status = static_cast<int>(number(1) & 0xff);
        if (started.program == "flood") {
            started.status = 0;
            started.flood_left = number(1);
            if (number(2) > 0) started.message = number(2);
        }
        const uint64_t stdio = started.stdio;
        processes_[stdio] = std::move(started);
        after_answer_.push_back([this, stdio] { Begin(stdio); });
        return "";
    }

    void Begin(uint64_t stdio) {
        const auto found = processes_.find(stdio);
        if (found == processes_.end()) return;
        const FakeProcess& process = found->second;
        if (process.program == "script") {
            Print(stdio, "stdout-data\n");
            Print(stdio + 1, "stderr-data\n");
        }
        if (process.program == "exit") Exit(stdio, process.status);
    }

    Result<std::string> Kill(const std::string& payload) {
        CC_ASSIGN(const KillContainer request, ParseKillContainer(payload));
        if (!containers_.contains(request.container))
            return Fail(Cat("Container ", request.container,
                            " not found, impossible to signal the container"));
        static const std::set<int64_t> deadly{SIGHUP, SIGINT, SIGQUIT, SIGKILL, SIGTERM};
        std::vector<uint64_t> killed;
        for (const auto& [stdio, process] : processes_) {
            const bool meant = request.process != 0 ? stdio == request.process : process.first;
            if (process.container == request.container && (meant || request.all_processes))
                killed.push_back(stdio);
        }
        if (deadly.contains(request.signal))
            for (const uint64_t stdio : killed)
                after_answer_.push_back(
                    [this, stdio, status = 128 + static_cast<int>(request.signal)] {
                        Exit(stdio, status);
                    });
        return "";
    }

    void Stdin(const IoMessage& message) {
        stdin_bytes += message.payload.size();
        const auto found = processes_.find(message.sequence);
        if (found == processes_.end()) return;
        FakeProcess& process = found->second;
        if (!message.payload.empty()) {
            for (const char c : message.payload)
                process.hash = (process.hash ^ static_cast<unsigned char>(c)) * kHashPrime;
            process.eaten += message.payload.size();
            if (process.program == "echo") Print(message.sequence, message.payload);
            return;
        }
        if (process.program == "sink")
            Print(message.sequence, Cat(process.eaten, " ", HexOf(process.hash), "\n"));
        if (process.program != "sleep" && process.program != "flood")
            Exit(message.sequence, process.status);
    }

    void Flood() {
        for (auto it = processes_.begin(); it != processes_.end();) {
            const auto next = std::next(it);
            FakeProcess& process = it->second;
            while (process.program == "flood" && io_.out.size() < kFloodQueue) {
                std::string bytes(std::min<uint64_t>(process.flood_left, process.message), '\0');
                for (char& c : bytes)
                    c = FloodByte(process.flooded++);
                process.flood_left -= bytes.size();
                Print(process.stdio, bytes);
                if (process.flood_left == 0) {
                    Exit(process.stdio, 0);
                    break;
                }
            }
            it = next;
        }
    }

    void Print(uint64_t sequence, std::string_view bytes) {
        if (!bytes.empty()) io_.out += EncodeIo(sequence, bytes);
    }

    void Exit(uint64_t stdio, int status) {
        if (processes_.erase(stdio) == 0) return;
        const char code = static_cast<char>(status);
        io_.out += EncodeIo(stdio, "") + EncodeIo(stdio, {&code, 1});
    }

  public:
    static std::string HexOf(uint64_t hash) {
        std::string bytes;
        AppendBigEndian<8>(bytes, hash);
        return HexEncode(bytes);
    }

  private:
    const FakeAgentOptions options_;
    bool stop_ = false;
    bool answering_;
    bool reading_stdin_ = true;
    bool extended_ = false;
    bool pod_ = false;
    Port control_;
    Port io_;
    ControlDecoder control_decoder_;
    IoDecoder io_decoder_;
    std::set<std::string> containers_;
    std::map<uint64_t, FakeProcess> processes_;  // by stdio
    std::vector<std::function<void()>> after_answer_;
    FdPair wake_;
    std::vector<std::function<void()>> told_;  // by mutex
    std::thread thread_;
};

FakeAgent::FakeAgent(const std::string& directory, FakeAgentOptions options)
    : impl_(std::make_unique<Impl>(directory, std::move(options))) {}

FakeAgent::~FakeAgent() = default;

const std::string& FakeAgent::control_path() const {
    return impl_->control_path;
}

const std::string& FakeAgent::io_path() const {
    return impl_->io_path;
}

std::vector<FakeAgent::Command> FakeAgent::commands() const {
    const std::lock_guard lock(impl_->mutex);
    return impl_->commands;
}

bool FakeAgent::WaitFor(ControlCode code, size_t count) const {
    std::unique_lock lock(impl_->mutex);
    return impl_->changed.wait_for(lock, std::chrono::seconds(10), [&] {
        return static_cast<size_t>(std::count_if(
                   impl_->commands.begin(), impl_->commands.end(),
                   [&](const Command& command) { return command.code == code; })) >= count;
    });
}

uint64_t FakeAgent::stdin_bytes() const {
    return impl_->stdin_bytes;
}

void FakeAgent::SetAnswering(bool on) {
    impl_->Tell([this, on] { impl_->SetAnswering(on); });
}

void FakeAgent::SetReadingStdin(bool on) {
    impl_->Tell([this, on] { impl_->SetReadingStdin(on); });
}

void FakeAgent::SendControl(std::string bytes) {
    impl_->Tell([this, bytes = std::move(bytes)] { impl_->QueueControl(bytes); });
}

void FakeAgent::SendIo(std::string bytes) {
    impl_->Tell([this, bytes = std::move(bytes)] { impl_->QueueIo(bytes); });
}

void FakeAgent::HangUp() {
    impl_->Tell([this] { impl_->HangUp(); });
}

// A pattern without a period that divides a buffer's size.
char FakeAgent::FloodByte(uint64_t offset) {
    return static_cast<char>((offset * 2654435761U >> 11) & 0xff);
}

std::string FakeAgent::HashOf(std::string_view bytes) {
    return Impl::HexOf(Fnv1a64(bytes));
}

}  // namespace cc::test
