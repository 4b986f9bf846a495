// SPDX-License-Identifier: Apache-2.0
#include "base/run_to_end.h"

#include <csignal>

#include <poll.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/text.h"

namespace cc {

namespace {

using Clock = std::chrono::steady_clock;

constexpr size_t kShownOutput = 1024;

Result<Fd> FileOf(std::string_view text) {
    Fd file = Fd::Adopt(::memfd_create("input", MFD_CLOEXEC));
    if (!file) return FailErrno("making a file in memory");
    CC_TRY(WriteAll(file.get(), text));
    if (::lseek(file.get(), 0, SEEK_SET) < 0) return FailErrno("rewinding a file in memory");
    return file;
}

// Takes what is there, at most what a pipe holds (a writer may never stop), and keeps the last of
// it; false at end of file.
bool Drain(int fd, std::string& kept) {
    char bytes[4096];
    for (int i = 0; i < 16; ++i) {
        const ssize_t count = ::read(fd, bytes, sizeof bytes);
        if (count <= 0) return count < 0 && (errno == EAGAIN || errno == EINTR);
        kept.append(bytes, static_cast<size_t>(count));
        if (kept.size() > kShownOutput) kept.erase(0, kept.size() - kShownOutput);
    }
    return true;
}

// False when the deadline came first.
Result<bool> WaitAndDrain(const Process& process, int output, std::optional<Clock::time_point> end,
                          std::string& kept) {
    bool open = true;
    while (true) {
        int patience = -1;
        if (end) {
            const auto left = std::chrono::ceil<std::chrono::milliseconds>(*end - Clock::now());
            if (left.count() <= 0) return false;
            patience = static_cast<int>(std::min<int64_t>(left.count(), 1 << 30));
        }
        pollfd waiting[] = {{process.pidfd(), POLLIN, 0}, {open ? output : -1, POLLIN, 0}};
        // A signal that is handled here means that the caller shall come to an end.
        if (::poll(waiting, 2, patience) < 0)
            return FailErrno(Cat("waiting for process ", process.pid()));
        if (waiting[1].revents != 0) open = Drain(output, kept);
        if (waiting[0].revents == 0) continue;
        if (open) (void)Drain(output, kept);
        return true;
    }
}

std::string Ending(int wait_status) {
    return WIFSIGNALED(wait_status) ? Cat("was ended by signal ", WTERMSIG(wait_status))
                                    : Cat("ended with status ", WEXITSTATUS(wait_status));
}

}  // namespace

Result<void> RunToEnd(SpawnOptions options, std::string_view input,
                      std::optional<std::chrono::milliseconds> deadline) {
    CC_ASSIGN(const Fd in, FileOf(input));
    CC_ASSIGN(FdPair output, MakePipe());
    CC_TRY(SetNonBlocking(output.first.get()));
    options.fds = {{in.get(), 0}, {output.second.get(), 1}, {output.second.get(), 2}};
    options.new_process_group = true;
    std::optional<Clock::time_point> end;
    if (deadline) end = Clock::now() + *deadline;
    CC_ASSIGN(const Process process, Spawn(options));
    output.second.Reset();
    std::string said;
    const auto ended = WaitAndDrain(process, output.first.get(), end, said);
    std::string failure;
    if (!ended || !*ended) {
        ::kill(-process.pid(), SIGKILL);
        process.Kill();
        CC_TRY(ended);
        failure = Cat("did not end within ", deadline->count(), " ms and was killed");
    } else {
        CC_ASSIGN(const int status, process.Reap());
        if (status == 0) return {};
        failure = Ending(status);
    }
    const auto text = Trim(said);
    return Fail(text.empty() ? failure : Cat(failure, ", saying ", Quoted(text, kShownOutput)));
}

}  // namespace cc
