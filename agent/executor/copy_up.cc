// SPDX-License-Identifier: Apache-2.0
#include "agent/executor/copy_up.h"

#include <memory>
#include <string>

#include <dirent.h>
#include <fcntl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/text.h"

namespace cc::agent {

namespace {

constexpr int kMaxDepth = 128;

struct CloseDirectory {
    void operator()(DIR* directory) const { ::closedir(directory); }
};

Result<Fd> OpenAt(int parent, const char* name, int flags, mode_t mode = 0) {
    const int fd = ::openat(parent, name, flags | O_CLOEXEC | O_NOFOLLOW, mode);
    if (fd < 0) return FailErrno(Cat("copying ", name));
    return Fd::Adopt(fd);
}

Result<void> CopyFile(int from, int to, const char* name, mode_t mode) {
    CC_ASSIGN(const Fd source, OpenAt(from, name, O_RDONLY | O_NONBLOCK));
    CC_ASSIGN(const Fd target, OpenAt(to, name, O_WRONLY | O_CREAT | O_EXCL, mode));
    constexpr size_t kAtOnce = 1 << 20;
    while (true) {
        const ssize_t count = ::sendfile(target.get(), source.get(), nullptr, kAtOnce);
        if (count < 0 && errno != EINTR) return FailErrno(Cat("copying ", name));
        if (count == 0) return {};
    }
}

Result<void> CopyLink(int from, int to, const char* name) {
    std::string target(4096, '\0');
    const ssize_t length = ::readlinkat(from, name, target.data(), target.size());
    if (length < 0) return FailErrno(Cat("copying ", name));
    target.resize(static_cast<size_t>(length));
    if (::symlinkat(target.c_str(), to, name) < 0) return FailErrno(Cat("copying ", name));
    return {};
}

Result<void> CopyTree(int from, int to, int depth);

Result<void> CopyEntry(int from, int to, const char* name, int depth) {
    struct stat status {};
    if (::fstatat(from, name, &status, AT_SYMLINK_NOFOLLOW) < 0)
        return FailErrno(Cat("copying ", name));
    const mode_t mode = status.st_mode & 07777;
    if (S_ISDIR(status.st_mode)) {
        if (::mkdirat(to, name, mode) < 0) return FailErrno(Cat("copying ", name));
        CC_ASSIGN(const Fd source, OpenAt(from, name, O_RDONLY | O_DIRECTORY));
        CC_ASSIGN(const Fd target, OpenAt(to, name, O_RDONLY | O_DIRECTORY));
        CC_TRY(CopyTree(source.get(), target.get(), depth + 1));
    } else if (S_ISREG(status.st_mode)) {
        CC_TRY(CopyFile(from, to, name, mode));
    } else if (S_ISLNK(status.st_mode)) {
        CC_TRY(CopyLink(from, to, name));
    } else if (::mknodat(to, name, status.st_mode, status.st_rdev) < 0) {
        return FailErrno(Cat("copying ", name));
    }
    if (::fchownat(to, name, status.st_uid, status.st_gid, AT_SYMLINK_NOFOLLOW) < 0)
        return FailErrno(Cat("copying ", name));
    // A change of owner takes the set-user-id bits away.
    if (!S_ISLNK(status.st_mode) && ::fchmodat(to, name, mode, 0) < 0)
        return FailErrno(Cat("copying ", name));
    return {};
}

Result<void> CopyTree(int from, int to, int depth) {
    if (depth > kMaxDepth) return Fail("copying a directory: nested too deep");
    const int fd = ::openat(from, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return FailErrno("copying a directory");
    const std::unique_ptr<DIR, CloseDirectory> directory(::fdopendir(fd));
    if (!directory) {
        ::close(fd);
        return FailErrno("copying a directory");
    }
    while (const dirent* entry = ::readdir(directory.get())) {
        const std::string_view name = entry->d_name;
        if (name == "." || name == "..") continue;
        CC_TRY(CopyEntry(from, to, entry->d_name, depth));
    }
    return {};
}

}  // namespace

Result<void> CopyUp(int from, int to) {
    return CopyTree(from, to, 0);
}

}  // namespace cc::agent
