// SPDX-License-Identifier: Apache-2.0
#include "vmm/template/saved_machine.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/text.h"

namespace cc {

namespace {

Result<Fd> MakeMemoryFile(const char* name) {
    Fd fd = Fd::Adopt(::memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING));
    if (!fd) return FailErrno("making a file in memory");
    return fd;
}

int64_t BytesOf(const Fd& fd) {
    struct stat status {};
    constexpr int64_t kBlock = 512;
    return ::fstat(fd.get(), &status) == 0 ? status.st_blocks * kBlock : 0;
}

}  // namespace

Result<SavedMachine> SavedMachine::Make(int64_t memory_mib) {
    CC_ASSIGN(Fd memory, MakeMemoryFile("cc-template-memory"));
    CC_ASSIGN(Fd state, MakeMemoryFile("cc-template-state"));
    CC_ASSIGN(Fd translations, MakeMemoryFile("cc-template-translations"));
    if (::ftruncate(memory.get(), memory_mib << 20) < 0)
        return FailErrno(Cat("making a file of ", memory_mib, " MiB in memory"));
    return SavedMachine(std::move(memory), std::move(state), std::move(translations));
}

Result<void> SavedMachine::Seal() {
    constexpr int seals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL;
    for (const auto* fd : {&memory_, &state_, &translations_})
        if ((::fcntl(fd->get(), F_GET_SEALS) & seals) != seals &&
            ::fcntl(fd->get(), F_ADD_SEALS, seals) < 0)
            return FailErrno("sealing the template");
    return {};
}

Result<Fd> SavedMachine::OpenState() const {
    return OpenFile(Cat("/proc/self/fd/", state_.get()), O_RDONLY);
}

int64_t SavedMachine::Bytes() const {
    return BytesOf(memory_) + BytesOf(state_) + BytesOf(translations_);
}

}  // namespace cc
