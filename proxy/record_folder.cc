// SPDX-License-Identifier: Apache-2.0
#include "proxy/record_folder.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/text.h"

namespace cc::proxy {

namespace {

constexpr unsigned kDirectoryMode = 0700, kFileMode = 0600;
constexpr std::string_view kSuffix = ".json";
constexpr std::string_view kBootName = "boot";
constexpr size_t kMaxFile = 16 * 1024 * 1024;

Result<std::string> BootId() {
    return ReadFile("/proc/sys/kernel/random/boot_id", 64);
}

}  // namespace

// A directory that somebody else could write would let them choose which sockets we connect to.
Result<void> RecordFolder::Make() {
    if (made_ || path_.empty()) return {};
    CC_TRY(MakeDirectories(path_, kDirectoryMode));
    struct stat status {};
    if (::lstat(path_.c_str(), &status) < 0) return FailErrno(Cat("looking at ", path_));
    if (!S_ISDIR(status.st_mode) || status.st_uid != ::geteuid() || (status.st_mode & 077) != 0)
        return Fail(Cat(path_, " is not a directory of mode 0700 that belongs to user ",
                        ::geteuid(), "; remove it"));
    CC_ASSIGN(const std::string boot, BootId());
    CC_TRY(WriteFileAtomic(Cat(path_, "/", kBootName), boot, kFileMode));
    made_ = true;
    return {};
}

Result<void> RecordFolder::Save(const std::string& name, std::string_view text) {
    if (path_.empty()) return {};
    CC_TRY(Make());
    return WriteFileAtomic(Cat(path_, "/", name, kSuffix), text, kFileMode);
}

Result<void> RecordFolder::Append(const std::string& name, std::string_view text) {
    if (path_.empty()) return {};
    const std::string path = Cat(path_, "/", name, kSuffix);
    CC_ASSIGN(const Fd fd, OpenFile(path, O_WRONLY | O_APPEND | O_NOFOLLOW));
    return Context(Cat("writing ", path), WriteAll(fd.get(), text));
}

void RecordFolder::Remove(const std::string& name) {
    if (!path_.empty()) ::unlink(Cat(path_, "/", name, kSuffix).c_str());
}

std::vector<VmRecord> RecordFolder::Load() {
    std::vector<VmRecord> records;
    if (path_.empty() || !Exists(path_)) return records;
    const auto boot = ReadFile(Cat(path_, "/", kBootName), 64);
    const auto now = BootId();
    if (!boot || !now || *boot != *now) {
        (void)RemoveTree(path_);
        return records;
    }
    if (auto made = Make(); !made) {
        Log(LogLevel::kError, "VMs of an earlier proxy are not adopted",
            {{"error", made.error().message}});
        return records;
    }
    const auto names = ListDirectory(path_);
    if (!names) return records;
    for (const auto& file : *names) {
        const std::string path = Cat(path_, "/", file);
        if (file != kBootName && !file.ends_with(kSuffix)) ::unlink(path.c_str());  // half written
        if (!file.ends_with(kSuffix)) continue;
        auto record = [&]() -> Result<VmRecord> {
            CC_ASSIGN(const std::string text, ReadFile(path, kMaxFile));
            return ParseVmRecord(text);
        }();
        if (!record) {
            Log(LogLevel::kError, "a VM of an earlier proxy is not adopted: its record is damaged",
                {{"file", path}, {"error", record.error().message}});
            ::unlink(path.c_str());
            continue;
        }
        record->name = file.substr(0, file.size() - kSuffix.size());
        records.push_back(std::move(*record));
    }
    return records;
}

}  // namespace cc::proxy
