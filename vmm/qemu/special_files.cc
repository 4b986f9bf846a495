// SPDX-License-Identifier: Apache-2.0
#include "vmm/qemu/special_files.h"

#include <fcntl.h>
#include <sys/mman.h>

#include "base/file.h"

// CC_SPECIAL_FILES is the path of the library that the build has made of preload/special_files.c.
__asm__(
    ".pushsection .rodata\n"
    "cc_special_files_begin: .incbin \"" CC_SPECIAL_FILES
    "\"\n"
    "cc_special_files_end:\n"
    ".popsection\n");
extern "C" {
__attribute__((visibility("hidden"))) extern const char cc_special_files_begin[];
__attribute__((visibility("hidden"))) extern const char cc_special_files_end[];
}

namespace cc::qemu {

Result<Fd> SpecialFilesLibrary() {
    Fd file = Fd::Adopt(::memfd_create("cc-special-files", MFD_CLOEXEC | MFD_ALLOW_SEALING));
    if (!file) return FailErrno("making a file in memory");
    const auto size = static_cast<size_t>(cc_special_files_end - cc_special_files_begin);
    CC_TRY(WriteAll(file.get(), std::string_view(cc_special_files_begin, size)));
    constexpr int kSeals = F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL;
    if (::fcntl(file.get(), F_ADD_SEALS, kSeals) < 0) return FailErrno("sealing a file in memory");
    return file;
}

}  // namespace cc::qemu
