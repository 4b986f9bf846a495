// SPDX-License-Identifier: Apache-2.0
#include "vmm/rehearsal_root.h"

#include <string>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/text.h"
#include "protocol/rehearsal.h"
#include "vmm/rehearsal_program.h"

namespace cc {

namespace {

const std::string kImage(kRehearsalImage);
const std::string kRoot = Cat(kRehearsalImage, "/", kRehearsalRoot);
const std::string kProgram = Cat(kRoot, "/", kRehearsalProgram);

Result<void> MakeDirectory(int directory, const std::string& path) {
    if (::mkdirat(directory, path.c_str(), 0755) < 0 && errno != EEXIST)
        return FailErrno(Cat("making the directory ", path, " to rehearse with"));
    return {};
}

}  // namespace

Result<void> MakeRehearsalRoot(int directory) {
    CC_TRY(MakeDirectory(directory, kImage));
    CC_TRY(MakeDirectory(directory, kRoot));
    for (const auto name : kRehearsalDirectories)
        CC_TRY(MakeDirectory(directory, Cat(kRoot, "/", name)));
    const Fd program = Fd::Adopt(
        ::openat(directory, kProgram.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0755));
    if (!program) return FailErrno("making a program to rehearse with");
    // Whatever the umask is.
    if (::fchmod(program.get(), 0755) < 0) return FailErrno("making a program to rehearse with");
    return WriteAll(program.get(), RehearsalProgram());
}

void RemoveRehearsalRoot(int directory) {
    ::unlinkat(directory, kProgram.c_str(), 0);
    for (const auto name : kRehearsalDirectories)
        ::unlinkat(directory, Cat(kRoot, "/", name).c_str(), AT_REMOVEDIR);
    for (const auto& path : {kRoot, kImage})
        ::unlinkat(directory, path.c_str(), AT_REMOVEDIR);
}

}  // namespace cc
