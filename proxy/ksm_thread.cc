// SPDX-License-Identifier: Apache-2.0
#include "proxy/ksm_thread.h"

#include <csignal>
#include <system_error>

#include "base/file.h"
#include "base/log.h"
#include "base/text.h"

namespace cc::proxy {

namespace {

// What is no fault of anybody's is not worth a warning.
LogLevel LevelOf(const Error& error) {
    return error.code == ENOENT || error.code == EWOULDBLOCK ? LogLevel::kInfo : LogLevel::kWarn;
}

void LogUnmanaged(const Error& error) {
    Log(LevelOf(error), "page sharing is not managed", {{"why", error.message}});
}

}  // namespace

KsmThread::KsmThread(const KsmPaths& paths, KsmMode mode) : paths_(paths), mode_(mode) {
    // The loop's thread gets the signals.
    sigset_t all, before;
    ::sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, &before);
    try {
        thread_ = std::thread([this] { Run(); });
    } catch (const std::system_error& e) {
        LogUnmanaged({Cat("starting a thread: ", e.what()), e.code().value()});
    }
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

void KsmThread::Apply(KsmPace pace) {
    {
        const std::lock_guard lock(mutex_);
        wanted_ = pace;
    }
    changed_.notify_one();
}

void KsmThread::End() {
    {
        const std::lock_guard lock(mutex_);
        ending_ = true;
    }
    changed_.notify_one();
    if (thread_.joinable()) thread_.join();
}

std::optional<KsmPace> KsmThread::NextPace() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return ending_ || wanted_; });
    if (ending_) return std::nullopt;
    return std::exchange(wanted_, std::nullopt);
}

void KsmThread::Run() {
    auto tuner = KsmTuner::Begin(paths_, mode_);
    if (!tuner) return LogUnmanaged(tuner.error());
    Log(LogLevel::kInfo, "page sharing is managed",
        {{"mode", std::string(KsmModeName(mode_))}, {"run", Cat(tuner->initial().run)}});
    while (const auto pace = NextPace())
        Report(tuner->Apply(*pace));
    Report(tuner->Apply(KsmPace::kInitial));
}

void KsmThread::Report(const Result<void>& done) {
    if (!done && !complained_)
        Log(LogLevel::kWarn, "page sharing cannot be changed", {{"why", done.error().message}});
    complained_ = !done;
}

std::unique_ptr<KsmThread> StartKsm(const KsmPaths& paths, KsmMode mode) {
    if (mode == KsmMode::kInitial && !Exists(paths.record)) return nullptr;
    return std::make_unique<KsmThread>(paths, mode);
}

}  // namespace cc::proxy
