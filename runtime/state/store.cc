// SPDX-License-Identifier: Apache-2.0
#include "runtime/state/store.h"

#include <algorithm>

#include <sys/stat.h>
#include <unistd.h>

#include "base/text.h"

namespace cc::runtime {

namespace {

constexpr size_t kMaxRecord = 8 << 20;
constexpr unsigned kDirectoryMode = 0700, kFileMode = 0600;
// Never part of an id: a directory that is on its way out.
constexpr std::string_view kDoomed = "~";

// Nobody else may put things, or links, where we keep what we believe.
Result<void> CheckDirectory(const std::string& path) {
    struct stat status {};
    if (::lstat(path.c_str(), &status) < 0) return FailErrno(path);
    if (S_ISLNK(status.st_mode)) return Fail(Cat(path, " is a symbolic link"), ELOOP);
    if (!S_ISDIR(status.st_mode)) return Fail(Cat(path, " is not a directory"), ENOTDIR);
    if (status.st_uid != ::geteuid())
        return Fail(Cat(path, " belongs to user ", status.st_uid, ", not to us"), EPERM);
    if ((status.st_mode & (S_IWGRP | S_IWOTH)) != 0)
        return Fail(Cat(path, " can be written by others; chmod go-w it"), EPERM);
    return {};
}

Result<void> MakePrivate(const std::string& path) {
    CC_TRY(MakeDirectories(path, kDirectoryMode));
    return CheckDirectory(path);
}

// Renamed first, so that a command that waits for its lock never finds it half gone.
Result<void> RemoveDirectory(const std::string& path) {
    const std::string doomed = Cat(path, kDoomed);
    CC_TRY(RemoveTree(doomed));
    if (::rename(path.c_str(), doomed.c_str()) < 0) {
        if (errno == ENOENT) return {};
        return FailErrno(Cat("removing ", path));
    }
    return RemoveTree(doomed);
}

ino_t InodeOf(const std::string& path) {
    struct stat status {};
    return ::lstat(path.c_str(), &status) < 0 ? 0 : status.st_ino;
}

}  // namespace

Result<void> CheckId(std::string_view id) {
    const auto good = [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               c == '_' || c == '+' || c == '-' || c == '.';
    };
    if (id.empty() || id == "." || id == ".." || !std::all_of(id.begin(), id.end(), good))
        return Fail(Cat("invalid container ID format: ", Quoted(id, 64),
                        " (letters, digits, _ + - . and at most 254 characters)"));
    // A directory's name on Linux.
    if (id.size() + kDoomed.size() > 255)
        return Fail(
            Cat("id ", Quoted(id, 64), " has ", id.size(), " characters, at most 254 are possible"),
            ENAMETOOLONG);
    return {};
}

Result<Store> Store::Open(const std::string& root) {
    if (!root.starts_with('/'))
        return Fail(Cat("--root ", Quoted(root), " must be an absolute path"));
    for (const std::string& path : {root, root + "/containers", root + "/sandboxes"})
        if (auto good = CheckDirectory(path); !good && good.error().code != ENOENT)
            return Context("state directory", Result<Store>(Failure(good.error())));
    return Store(root);
}

std::string Store::ContainerDirectory(const std::string& id) const {
    return Cat(root_, "/containers/", id);
}
std::string Store::SandboxDirectory(const std::string& id) const {
    return Cat(root_, "/sandboxes/", id);
}

Result<ContainerRecord> Store::LoadContainer(const std::string& id) const {
    CC_TRY(CheckId(id));
    const std::string path = ContainerDirectory(id) + "/container.json";
    auto text = ReadFile(path, kMaxRecord);
    if (!text && text.error().code == ENOENT)
        return Fail(Cat("container ", Quoted(id, 64), ": container does not exist"), ENOENT);
    CC_TRY(text);
    return Context(path, ParseContainerRecord(*text));
}

Result<SandboxRecord> Store::LoadSandbox(const std::string& id) const {
    CC_TRY(CheckId(id));
    const std::string path = SandboxDirectory(id) + "/sandbox.json";
    auto text = ReadFile(path, kMaxRecord);
    if (!text && text.error().code == ENOENT)
        return Fail(Cat("sandbox ", Quoted(id, 64), " does not exist"), ENOENT);
    CC_TRY(text);
    return Context(path, ParseSandboxRecord(*text));
}

Result<void> Store::Save(const ContainerRecord& record) const {
    return WriteFileAtomic(ContainerDirectory(record.id) + "/container.json", Encode(record),
                           kFileMode);
}
Result<void> Store::Save(const SandboxRecord& record) const {
    return WriteFileAtomic(SandboxDirectory(record.id) + "/sandbox.json", Encode(record),
                           kFileMode);
}
Result<void> Store::SaveConfig(const std::string& id, std::string_view text) const {
    return WriteFileAtomic(ContainerDirectory(id) + "/config.json", text, kFileMode);
}
Result<std::string> Store::LoadConfig(const std::string& id) const {
    return ReadFile(ContainerDirectory(id) + "/config.json", kMaxRecord);
}

Result<FileLock> Store::Make(const std::string& directory, const std::string& what) {
    if (::mkdir(directory.c_str(), kDirectoryMode) < 0) {
        if (errno == EEXIST) return Fail(what + " with given ID already exists", EEXIST);
        return FailErrno(Cat("making directory ", directory));
    }
    auto lock = FileLock::Acquire(directory + "/lock", FileLock::Mode::kExclusive, kLockPatience);
    if (!lock) (void)RemoveDirectory(directory);
    return lock;
}

Result<FileLock> Store::MakeContainer(const std::string& id) const {
    CC_TRY(CheckId(id));
    CC_TRY(MakePrivate(root_));
    CC_TRY(MakePrivate(root_ + "/containers"));
    return Make(ContainerDirectory(id), "container");
}

Result<FileLock> Store::MakeSandbox(const std::string& id) const {
    CC_TRY(CheckId(id));
    CC_TRY(MakePrivate(root_ + "/sandboxes"));
    return Make(SandboxDirectory(id), "sandbox");
}

Result<FileLock> Store::Lock(const std::string& directory, const std::string& missing,
                             std::chrono::milliseconds patience) {
    const std::string path = directory + "/lock";
    while (true) {
        const ino_t before = InodeOf(path);
        if (before == 0) return Fail(missing, ENOENT);
        auto lock = FileLock::Acquire(path, FileLock::Mode::kExclusive, patience);
        if (!lock && lock.error().code == ENOENT) continue;
        if (!lock) return lock;
        // While we waited, what it guards may have been deleted, and another one of its name been
        // made.
        if (InodeOf(path) == before) return lock;
    }
}

Result<FileLock> Store::LockContainer(const std::string& id,
                                      std::chrono::milliseconds patience) const {
    CC_TRY(CheckId(id));
    return Lock(ContainerDirectory(id),
                Cat("container ", Quoted(id, 64), ": container does not exist"), patience);
}

Result<FileLock> Store::LockSandbox(const std::string& id) const {
    CC_TRY(CheckId(id));
    return Lock(SandboxDirectory(id), Cat("sandbox ", Quoted(id, 64), " does not exist"),
                kLockPatience);
}

Result<void> Store::RemoveContainer(const std::string& id) const {
    CC_TRY(CheckId(id));
    return RemoveDirectory(ContainerDirectory(id));
}
Result<void> Store::RemoveSandbox(const std::string& id) const {
    CC_TRY(CheckId(id));
    return RemoveDirectory(SandboxDirectory(id));
}

Result<std::vector<std::string>> Store::Containers() const {
    auto names = ListDirectory(root_ + "/containers");
    if (!names && names.error().code == ENOENT) return std::vector<std::string>();
    CC_TRY(names);
    std::erase_if(*names, [](const std::string& name) { return !CheckId(name); });
    return names;
}

Result<std::vector<ContainerRecord>> Store::ContainersIn(const std::string& sandbox_id,
                                                         const std::string& except) const {
    CC_ASSIGN(const auto ids, Containers());
    std::vector<ContainerRecord> found;
    for (const auto& id : ids) {
        if (id == except) continue;
        auto container = LoadContainer(id);
        if (container && container->sandbox_id == sandbox_id)
            found.push_back(std::move(*container));
    }
    return found;
}

Status CurrentStatus(const ContainerRecord& container, const Store& store) {
    if (container.status == Status::kCreating)
        return IsAlive(container.creator) ? Status::kCreating : Status::kStopped;
    if (container.status == Status::kStopped || !IsAlive(container.shim)) return Status::kStopped;
    // The shim notices the end of its VM, but perhaps not yet.
    const auto sandbox = store.LoadSandbox(container.sandbox_id);
    return sandbox && IsAlive(sandbox->keeper) && IsAlive(sandbox->vmm) ? container.status
                                                                        : Status::kStopped;
}

bool IsInGuest(Status status, const ContainerRecord& container) {
    return status == Status::kRunning || status == Status::kPaused ||
           (status == Status::kCreated && container.held);
}

}  // namespace cc::runtime
