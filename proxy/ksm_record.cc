// SPDX-License-Identifier: Apache-2.0
#include "proxy/ksm_record.h"

#include <limits>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/json_full.h"
#include "base/text.h"

namespace cc::proxy {

namespace {

constexpr size_t kMaxRecord = 4096;
constexpr unsigned kRecordMode = 0600;
constexpr const char* kBoot = "boot_id";
constexpr const char* kRunKey = "run";
constexpr const char* kPagesToScanKey = "pages_to_scan";
constexpr const char* kSleepKey = "sleep_millisecs";

Result<uint64_t> NumberOf(const Json& record, const char* key) {
    constexpr int64_t kMostValue = std::numeric_limits<unsigned>::max();
    if (Member(record, key) == nullptr) return Fail(Cat(key, " is missing"));
    CC_ASSIGN(const int64_t value, IntMember(record, key, 0, 0, kMostValue));
    return static_cast<uint64_t>(value);
}

Result<std::optional<KsmValues>> ParseRecord(const std::string& text, const std::string& boot) {
    CC_ASSIGN(const Json record, ParseJson(text));
    CC_ASSIGN(const std::string of_boot, StringMember(record, kBoot));
    if (of_boot.empty()) return Fail(Cat(kBoot, " is missing"));
    if (of_boot != boot) return std::nullopt;
    KsmValues values;
    CC_ASSIGN(values.run, NumberOf(record, kRunKey));
    CC_ASSIGN(values.pages_to_scan, NumberOf(record, kPagesToScanKey));
    CC_ASSIGN(values.sleep_millisecs, NumberOf(record, kSleepKey));
    if (!Plausible(values)) return Fail("these are no values of the kernel's");
    return values;
}

// The socket may be in a directory where others can make files: /tmp.
Result<void> CheckOwner(int fd) {
    struct stat status {};
    if (::fstat(fd, &status) < 0) return FailErrno("looking at it");
    if (!S_ISREG(status.st_mode)) return Fail("it is no file");
    if (status.st_uid != ::geteuid() || (status.st_mode & (S_IWGRP | S_IWOTH)) != 0)
        return Fail("others can write it");
    return {};
}

}  // namespace

Result<void> WriteKsmRecord(const std::string& path, const KsmValues& values,
                            const std::string& boot) {
    Json record;
    record[kBoot] = boot;
    record[kRunKey] = values.run;
    record[kPagesToScanKey] = values.pages_to_scan;
    record[kSleepKey] = values.sleep_millisecs;
    return WriteFileAtomic(path, DumpJson(record) + "\n", kRecordMode);
}

Result<std::optional<KsmValues>> ReadKsmRecord(const std::string& path, const std::string& boot) {
    // Without waiting, should it be a pipe.
    auto fd = OpenFile(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
    if (!fd && fd.error().code == ENOENT) return std::nullopt;
    if (!fd) return Failure(fd.error());
    const std::string what = Cat("the values remembered in ", path);
    CC_TRY(Context(what, CheckOwner(fd->get())));
    CC_ASSIGN(const std::string text, Context(what, ReadAll(fd->get(), kMaxRecord)));
    return Context(what, ParseRecord(text, boot));
}

}  // namespace cc::proxy
