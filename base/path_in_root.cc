// SPDX-License-Identifier: Apache-2.0
#include "base/path_in_root.h"

#include <deque>

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/text.h"

namespace cc {

namespace {

constexpr int kMaxLinks = 40;  // as the kernel's own limit

// The target of the link at `path`, which has no link before its last component; empty when it is
// not a link.
Result<std::string> LinkTarget(int root, const std::string& path) {
    std::string target(4096, '\0');
    const ssize_t length = ::readlinkat(root, path.c_str(), target.data(), target.size());
    if (length >= 0) {
        target.resize(static_cast<size_t>(length));
        return target;
    }
    if (errno == EINVAL || errno == ENOENT) return std::string();
    return FailErrno(path);
}

// The components that `path` stands for once all links are followed; the last ones need not exist.
Result<std::vector<std::string>> Resolve(int root, const std::string& path) {
    std::deque<std::string> todo;
    for (auto& part : Split(path, '/'))
        todo.push_back(std::move(part));
    std::vector<std::string> done;
    int links = 0;
    while (!todo.empty()) {
        const std::string part = std::move(todo.front());
        todo.pop_front();
        if (part.empty() || part == ".") continue;
        if (part == "..") {
            if (!done.empty()) done.pop_back();
            continue;
        }
        done.push_back(part);
        CC_ASSIGN(const std::string target, LinkTarget(root, Join(done, "/")));
        if (target.empty()) continue;
        if (++links > kMaxLinks) return FailErrno(path, ELOOP);
        done.pop_back();
        if (target.front() == '/') done.clear();
        const auto parts = Split(target, '/');
        todo.insert(todo.begin(), parts.begin(), parts.end());
    }
    return done;
}

// Opens one component, making it when it is missing. Links are not followed: Resolve has taken them
// away, so one that is there now was put there by somebody else meanwhile.
Result<Fd> StepInto(int parent, const std::string& name, PathKind kind) {
    const bool directory = kind == PathKind::kDirectory;
    const int flags = O_PATH | O_NOFOLLOW | O_CLOEXEC | (directory ? O_DIRECTORY : 0);
    int fd = ::openat(parent, name.c_str(), flags);
    if (fd < 0 && errno == ENOENT) {
        if (directory) {
            if (::mkdirat(parent, name.c_str(), 0755) < 0 && errno != EEXIST)
                return FailErrno(name);
        } else {
            const int made = ::openat(parent, name.c_str(),
                                      O_CREAT | O_EXCL | O_NOFOLLOW | O_WRONLY | O_CLOEXEC, 0644);
            if (made < 0 && errno != EEXIST) return FailErrno(name);
            if (made >= 0) ::close(made);
        }
        fd = ::openat(parent, name.c_str(), flags);
    }
    if (fd < 0) return FailErrno(name);
    Fd opened = Fd::Adopt(fd);
    struct stat status {};
    if (::fstat(fd, &status) < 0) return FailErrno(name);
    if (S_ISLNK(status.st_mode)) return FailErrno(name, ELOOP);
    return opened;
}

Result<Fd> Make(int root, const std::string& path, PathKind kind) {
    CC_ASSIGN(const auto parts, Resolve(root, path));
    const int start = ::openat(root, ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (start < 0) return FailErrno("opening the root");
    Fd at = Fd::Adopt(start);
    for (size_t i = 0; i < parts.size(); ++i) {
        const bool last = i + 1 == parts.size();
        CC_ASSIGN(at, StepInto(at.get(), parts[i], last ? kind : PathKind::kDirectory));
    }
    return at;
}

}  // namespace

Result<Fd> OpenInRoot(int root, const std::string& path, int flags) {
    open_how how{};
    how.flags = static_cast<uint64_t>(flags | O_CLOEXEC);
    how.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
    // The kernel gives up with EAGAIN when something was renamed under it.
    for (int attempt = 0; attempt < 64; ++attempt) {
        const auto fd = ::syscall(SYS_openat2, root, path.c_str(), &how, sizeof how);
        if (fd >= 0) return Fd::Adopt(static_cast<int>(fd));
        if (errno != EAGAIN && errno != EINTR) break;
    }
    return FailErrno(Cat("opening ", path, " in the container"));
}

Result<Fd> MakeInRoot(int root, const std::string& path, PathKind kind) {
    auto existing = OpenInRoot(root, path, O_PATH);
    if (existing || existing.error().code != ENOENT) return existing;
    return Context(Cat("making ", path, " in the container"), Make(root, path, kind));
}

std::string FdPath(int fd) {
    return Cat("/proc/self/fd/", fd);
}

}  // namespace cc
