// SPDX-License-Identifier: Apache-2.0
#include "runtime/host/capture.h"

#include <chrono>

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/process.h"
#include "base/text.h"

namespace cc::runtime {

namespace {

constexpr std::chrono::milliseconds kDeadline{10000};
constexpr size_t kMaxOutput = 1 << 20;

// A file without a name: whatever a program writes there neither blocks it nor us.
Result<Fd> MakeSink(const char* name) {
    Fd sink = Fd::Adopt(::memfd_create(name, MFD_CLOEXEC));
    if (!sink) return FailErrno("making a memory file");
    return sink;
}

std::string Written(const Fd& sink) {
    if (::lseek(sink.get(), 0, SEEK_SET) < 0) return {};
    return ReadAll(sink.get(), kMaxOutput).value_or("");
}

}  // namespace

Result<std::string> Capture(const std::string& executable,
                            const std::vector<std::string>& arguments) {
    CC_ASSIGN(const Fd out, MakeSink("stdout"));
    CC_ASSIGN(const Fd err, MakeSink("stderr"));
    SpawnOptions options;
    options.executable = executable;
    options.arguments = {executable};
    options.arguments.insert(options.arguments.end(), arguments.begin(), arguments.end());
    options.fds = {{out.get(), 1}, {err.get(), 2}};
    CC_ASSIGN(const Process process, Spawn(options));
    CC_ASSIGN(const bool ended, process.WaitEnd(kDeadline));
    if (!ended) {
        process.Kill();
        return Fail(Cat(executable, " did not end within ", kDeadline.count() / 1000, " s"),
                    ETIMEDOUT);
    }
    CC_ASSIGN(const int status, process.Reap());
    if (const int code = ExitCodeOf(status); code != 0) {
        const std::string words = Written(err);
        const auto lines = Split(Trim(words), '\n');
        return Fail(Cat(executable, " ended with status ", code, ": ", Quoted(lines.back())));
    }
    return Written(out);
}

}  // namespace cc::runtime
