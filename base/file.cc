// SPDX-License-Identifier: Apache-2.0
#include "base/file.h"

#include <algorithm>
#include <memory>
#include <thread>

#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/text.h"

namespace cc {

Result<std::string> ReadFile(const std::string& path, size_t limit) {
    CC_ASSIGN(const Fd fd, OpenFile(path, O_RDONLY));
    return Context(Cat("reading ", path), ReadAll(fd.get(), limit));
}

Result<void> WriteExisting(const std::string& path, std::string_view text) {
    CC_ASSIGN(const Fd fd, OpenFile(path, O_WRONLY));
    const ssize_t count = ::write(fd.get(), text.data(), text.size());
    if (count < 0) return FailErrno(Cat("writing ", Quoted(text), " to ", path));
    if (static_cast<size_t>(count) != text.size())
        return Fail(Cat("writing to ", path, ": cut short"));
    return {};
}

Result<void> WriteFileAtomic(const std::string& path, std::string_view content, unsigned mode) {
    const std::string temporary = Cat(path, ".new.", ::getpid());
    auto written = [&]() -> Result<void> {
        CC_ASSIGN(const Fd fd,
                  OpenFile(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, mode));
        CC_TRY(Context(Cat("writing ", temporary), WriteAll(fd.get(), content)));
        // No fsync: all state lives under /run, which a crash of the machine empties anyway.
        if (::rename(temporary.c_str(), path.c_str()) < 0)
            return FailErrno(Cat("renaming to ", path));
        return {};
    }();
    if (!written) ::unlink(temporary.c_str());
    return written;
}

bool Exists(const std::string& path) {
    return ::access(path.c_str(), F_OK) == 0;
}

Result<void> MakeDirectories(const std::string& path, unsigned mode) {
    for (size_t slash = path.find('/', 1); slash != std::string::npos;
         slash = path.find('/', slash + 1)) {
        const std::string parent = path.substr(0, slash);
        if (::mkdir(parent.c_str(), mode) < 0 && errno != EEXIST)
            return FailErrno(Cat("making directory ", parent));
    }
    if (::mkdir(path.c_str(), mode) == 0) return {};
    if (errno != EEXIST) return FailErrno(Cat("making directory ", path));
    struct stat status {};
    if (::lstat(path.c_str(), &status) < 0) return FailErrno(Cat("making directory ", path));
    if (!S_ISDIR(status.st_mode)) return Fail(Cat(path, " exists and is not a directory"), ENOTDIR);
    return {};
}

namespace {

struct CloseDirectory {
    void operator()(DIR* directory) const { ::closedir(directory); }
};

Result<std::vector<std::string>> EntriesOf(DIR* directory, std::string_view path) {
    std::vector<std::string> names;
    errno = 0;
    while (const dirent* entry = ::readdir(directory)) {
        const std::string_view name = entry->d_name;
        if (name != "." && name != "..") names.emplace_back(name);
        errno = 0;
    }
    if (errno != 0) return FailErrno(Cat("listing ", path));
    std::sort(names.begin(), names.end());
    return names;
}

// Opens directory `name` of `parent` unless it is a symbolic link or something is mounted on it. A
// device number would not show the bind mount of another directory of the same file system.
int OpenUnmounted(int parent, const std::string& name) {
    open_how how{};
    how.flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
    how.resolve = RESOLVE_NO_XDEV;
    return static_cast<int>(::syscall(SYS_openat2, parent, name.c_str(), &how, sizeof how));
}

// Removes `name` in `parent`. `path` is for messages only.
Result<void> RemoveAt(int parent, const std::string& name, const std::string& path) {
    struct stat status {};
    if (::fstatat(parent, name.c_str(), &status, AT_SYMLINK_NOFOLLOW) < 0) {
        if (errno == ENOENT) return {};
        return FailErrno(Cat("removing ", path));
    }
    if (!S_ISDIR(status.st_mode)) {
        if (::unlinkat(parent, name.c_str(), 0) < 0 && errno != ENOENT)
            return FailErrno(Cat("removing ", path));
        return {};
    }
    {
        const int fd = OpenUnmounted(parent, name);
        if (fd < 0 && errno == EXDEV)
            return Fail(Cat("removing ", path, ": something is mounted on it"), EBUSY);
        if (fd < 0 && errno == ENOENT) return {};  // somebody else is at it, too
        if (fd < 0) return FailErrno(Cat("removing ", path));
        const std::unique_ptr<DIR, CloseDirectory> directory(::fdopendir(fd));
        if (!directory) {
            ::close(fd);
            return FailErrno(Cat("removing ", path));
        }
        CC_ASSIGN(const auto names, EntriesOf(directory.get(), path));
        for (const auto& child : names)
            CC_TRY(RemoveAt(fd, child, Cat(path, "/", child)));
    }
    if (::unlinkat(parent, name.c_str(), AT_REMOVEDIR) < 0 && errno != ENOENT)
        return FailErrno(Cat("removing ", path));
    return {};
}

}  // namespace

Result<void> RemoveTree(const std::string& path) {
    const size_t end = path.find_last_not_of('/');
    if (end == std::string::npos) return Fail(Cat("removing ", Quoted(path), ": refused"), EINVAL);
    const size_t slash = path.rfind('/', end);
    const std::string parent = slash == std::string::npos ? "." : path.substr(0, slash + 1);
    const std::string name = path.substr(slash + 1, end - slash);
    if (name == "." || name == "..") return Fail(Cat("removing ", path, ": refused"), EINVAL);
    const int fd = ::open(parent.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT) return {};
    if (fd < 0) return FailErrno(Cat("removing ", path));
    const Fd owned = Fd::Adopt(fd);
    return RemoveAt(owned.get(), name, path);
}

Result<std::vector<std::string>> ListDirectory(const std::string& path) {
    const std::unique_ptr<DIR, CloseDirectory> directory(::opendir(path.c_str()));
    if (!directory) return FailErrno(Cat("listing ", path));
    return EntriesOf(directory.get(), path);
}

Result<std::string> ReadLink(const std::string& path) {
    std::string target(4096, '\0');
    const ssize_t length = ::readlink(path.c_str(), target.data(), target.size());
    if (length < 0) return FailErrno(Cat("reading the link ", path));
    target.resize(static_cast<size_t>(length));
    return target;
}

Result<std::string> SelfPath() {
    return ReadLink("/proc/self/exe");
}

namespace {

// Whether the file that is open is still the one at the path: whoever held the lock may have
// removed it with its directory, and then it keeps nobody out any more.
bool IsStillAt(const Fd& fd, const std::string& path) {
    struct stat open {};
    struct stat there {};
    return ::fstat(fd.get(), &open) == 0 && ::lstat(path.c_str(), &there) == 0 &&
           open.st_dev == there.st_dev && open.st_ino == there.st_ino;
}

}  // namespace

Result<FileLock> FileLock::Acquire(const std::string& path, Mode mode,
                                   std::chrono::milliseconds deadline) {
    const int operation = mode == Mode::kShared ? LOCK_SH : LOCK_EX;
    const auto end = std::chrono::steady_clock::now() + deadline;
    auto pause = std::chrono::milliseconds(1);
    // flock has no timeout of its own; the pauses double up to 50 ms.
    while (true) {
        CC_ASSIGN(Fd fd, OpenFile(path, O_RDWR | O_CREAT | O_NOFOLLOW, 0600));
        if (::flock(fd.get(), operation | LOCK_NB) == 0) {
            if (IsStillAt(fd, path)) return FileLock(std::move(fd));
            continue;
        }
        if (errno != EWOULDBLOCK && errno != EINTR) return FailErrno(Cat("locking ", path));
        if (std::chrono::steady_clock::now() >= end)
            return Fail(
                Cat("another command has held the lock ", path, " for ", deadline.count(), " ms"),
                ETIMEDOUT);
        std::this_thread::sleep_for(pause);
        pause = std::min(pause * 2, std::chrono::milliseconds(50));
    }
}

}  // namespace cc
