// SPDX-License-Identifier: Apache-2.0
#include "proxy/ksm_tuner.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/text.h"
#include "proxy/ksm_record.h"

namespace cc::proxy {

namespace {
constexpr size_t kMaxProcFile = 64 * 1024;
}  // namespace

std::string KsmRecordOf(const std::string& socket_path) {
    return socket_path + ".ksm";
}

Result<KsmTuner> KsmTuner::Begin(const KsmPaths& paths, KsmMode mode) {
    KsmTuner tuner(paths);
    CC_TRY(tuner.Lock());
    CC_ASSIGN(tuner.boot_, ReadFile(paths.boot_id, kMaxProcFile));
    tuner.boot_ = Trim(tuner.boot_);
    CC_TRY(tuner.Recover());
    CC_ASSIGN(tuner.initial_, tuner.files_.Read());
    if (mode == KsmMode::kOff) CC_TRY(tuner.Apply(KsmPace::kOff));
    return tuner;
}

// One a machine: a second one would take the first one's values for those to go back to. The file
// is opened for writing, so that missing rights show now.
Result<void> KsmTuner::Lock() {
    CC_ASSIGN(lock_, OpenFile(files_.RunPath(), O_RDWR));
    if (::flock(lock_.get(), LOCK_EX | LOCK_NB) == 0) return {};
    if (errno == EWOULDBLOCK)
        return Fail(Cat("another process has locked ", files_.RunPath()), EWOULDBLOCK);
    return FailErrno(Cat("locking ", files_.RunPath()));
}

Result<void> KsmTuner::Recover() {
    const auto left = ReadKsmRecord(paths_.record, boot_);
    if (left && *left) {
        initial_ = **left;
        changed_ = true;
        Log(LogLevel::kInfo, "page sharing is put back to what it was before another proxy ended",
            {{"run", Cat(initial_.run)},
             {"pages_to_scan", Cat(initial_.pages_to_scan)},
             {"sleep_millisecs", Cat(initial_.sleep_millisecs)}});
        return PutBack();
    }
    if (!left) Log(LogLevel::kWarn, Cat(left.error().message, ": not used"));
    ::unlink(paths_.record.c_str());
    return {};
}

Result<void> KsmTuner::Apply(KsmPace pace) {
    if (pace == KsmPace::kInitial) return PutBack();
    auto changed = Change(pace);
    if (!changed) (void)PutBack();
    return changed;
}

Result<void> KsmTuner::Change(KsmPace pace) {
    if (pace == KsmPace::kOff) {
        CC_TRY(Remember());
        return files_.Stop();
    }
    CC_ASSIGN(const std::string meminfo, ReadFile(paths_.meminfo, kMaxProcFile));
    const auto page_size = static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));
    CC_ASSIGN(const uint64_t pages, Context(paths_.meminfo, AnonymousPages(meminfo, page_size)));
    CC_TRY(Remember());
    return files_.Write(ValuesFor(pace, pages));
}

Result<void> KsmTuner::Remember() {
    if (changed_) return {};
    CC_TRY(WriteKsmRecord(paths_.record, initial_, boot_));
    changed_ = true;
    return {};
}

Result<void> KsmTuner::PutBack() {
    if (!changed_) return {};
    CC_TRY(files_.PutBack(initial_));
    ::unlink(paths_.record.c_str());
    changed_ = false;
    return {};
}

}  // namespace cc::proxy
