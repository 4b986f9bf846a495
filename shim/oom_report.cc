// SPDX-License-Identifier: Apache-2.0
#include "shim/oom_report.h"

#include <algorithm>
#include <csignal>

#include <fcntl.h>
#include <linux/sched.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/process.h"
#include "base/text.h"
#include "base/undo.h"

namespace cc::shim {

namespace {

constexpr size_t kSacrifice = 16 << 20;
// Between what is in use and the lowered limit: for the child's first steps, and so that version 2
// kills nobody at the moment when the limit is written.
constexpr uint64_t kHeadroom = 1 << 20;
// Whom to kill the kernel decides by the memory that each has, and oom_score_adj thousandths of the
// limit on top, which it counts in whole thousands of pages. Two thousand are more than a shim has;
// below one thousand oom_score_adj weighs nothing.
constexpr uint64_t kLeastLimit = 8 << 20, kLeastOfAll = 4 << 20;
constexpr int kDeadlineMs = 1000;
// Version 1 writes "no limit" as the highest number of whole pages.
constexpr uint64_t kNoLimit = uint64_t{1} << 60;
constexpr size_t kMaxNumber = 64;

struct MemoryFiles {
    std::string limit, usage;
    std::string group_kill;  // version 2
};

Result<MemoryFiles> FilesOf(const std::string& cgroup) {
    const auto in = [&](std::string_view name) { return Cat(cgroup, "/", name); };
    if (Exists(in("memory.limit_in_bytes")))
        return MemoryFiles{in("memory.limit_in_bytes"), in("memory.usage_in_bytes"), ""};
    if (Exists(in("memory.max")))
        return MemoryFiles{in("memory.max"), in("memory.current"), in("memory.oom.group")};
    return Fail(Cat(cgroup, " is no memory cgroup"));
}

Result<uint64_t> ReadNumber(const std::string& path) {
    CC_ASSIGN(const std::string text, ReadFile(path, kMaxNumber));
    const auto number = ParseNumber<uint64_t>(Trim(text));
    if (!number) return Fail(Cat(path, " holds no number: ", Quoted(Trim(text))));
    return *number;
}

// System calls only: this may be the copy of one thread of several.
[[noreturn]] void TakeMemory(int go) {
    char byte = 0;
    if (::read(go, &byte, 1) != 1) ::_exit(1);  // the shim has given it up, or has ended
    // By itself: its pid is another one in the host's /proc.
    const int preference = ::open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    if (::write(preference, "1000", 4) != 4) ::_exit(1);
    void* memory =
        ::mmap(nullptr, kSacrifice, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) ::_exit(1);
    // Locked, it cannot go to the swap instead. Where that is not allowed it is taken all the same.
    (void)::mlock(memory, kSacrifice);
    for (size_t at = 0; at < kSacrifice; at += 4096)
        static_cast<volatile char*>(memory)[at] = 1;
    ::_exit(0);
}

struct Sacrifice {
    pid_t pid = 0;
    Fd pidfd;
    FdPair go;  // both ends: without a reader, a word to a child that has ended would be SIGPIPE
};

// It has no exit signal: a SIGCHLD would be forwarded to the guest.
Result<Sacrifice> StartChild() {
    CC_ASSIGN(FdPair go, MakePipe());
    int pidfd = -1;
    clone_args args{};
    args.flags = CLONE_PIDFD;
    args.pidfd = reinterpret_cast<uintptr_t>(&pidfd);
    const auto pid = static_cast<pid_t>(::syscall(SYS_clone3, &args, sizeof args));
    if (pid < 0) return FailErrno("making a child that takes memory");
    if (pid == 0) {
        ::close(go.second.get());
        TakeMemory(go.first.get());
    }
    return Sacrifice{pid, Fd::Adopt(pidfd), std::move(go)};
}

// Whether the kernel has killed it.
Result<void> Await(const Sacrifice& child) {
    pollfd ended{child.pidfd.get(), POLLIN, 0};
    const bool in_time = ::poll(&ended, 1, kDeadlineMs) == 1;
    if (!in_time) ::syscall(SYS_pidfd_send_signal, child.pidfd.get(), SIGKILL, nullptr, 0);
    int status = 0;
    if (::waitpid(child.pid, &status, __WALL) != child.pid)
        return FailErrno("waiting for the child that takes memory");
    if (!in_time) return Fail("the child that takes memory has not ended in time");
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) return {};
    if (ExitCodeOf(status) != 0) return Fail("the child that takes memory could not");
    return Fail("the child got all the memory that it wanted");
}

}  // namespace

Result<void> ReportOutOfMemory(const std::string& cgroup) {
    CC_ASSIGN(const MemoryFiles files, FilesOf(cgroup));
    CC_ASSIGN(const uint64_t limit, ReadNumber(files.limit));  // "max" is none
    if (limit >= kNoLimit) return Fail(Cat(files.limit, " sets no limit"));
    if (limit < kLeastOfAll)
        return Fail(Cat(files.limit, " is too low for a child to be preferred"));
    // Of the child, too, until it is told otherwise; it waits until then. Not every shim may.
    (void)WriteExisting("/proc/self/oom_score_adj", "-1000");
    Undo restore;
    if (const auto group = ReadFile(files.group_kill, kMaxNumber); group && Trim(*group) == "1") {
        CC_TRY(WriteExisting(files.group_kill, "0"));
        restore.Push([&] { (void)WriteExisting(files.group_kill, "1"); });
    }
    CC_ASSIGN(Sacrifice child, StartChild());
    const auto begun = [&]() -> Result<void> {
        CC_ASSIGN(const uint64_t usage, ReadNumber(files.usage));
        const uint64_t lowered = std::max(usage + kHeadroom, kLeastLimit);
        if (lowered < limit) {
            restore.Push([&] { (void)WriteExisting(files.limit, Cat(limit)); });
            CC_TRY(WriteExisting(files.limit, Cat(lowered)));
        }
        return WriteAll(child.go.second.get(), "g");
    }();
    child.go.second.Reset();  // without a word it ends by itself
    const auto ended = Await(child);
    return begun ? ended : begun;
}

}  // namespace cc::shim
