// SPDX-License-Identifier: Apache-2.0
#include "vmm/qemu/preload.h"

#include <fcntl.h>
#include <sys/mman.h>

#include "base/file.h"

// CC_PRELOAD is the path of the library that the build has made of preload/.
__asm__(
    ".pushsection .rodata\n"
    "cc_preload_begin: .incbin \"" CC_PRELOAD
    "\"\n"
    "cc_preload_end:\n"
    ".popsection\n");
extern "C" {
__attribute__((visibility("hidden"))) extern const char cc_preload_begin[];
__attribute__((visibility("hidden"))) extern const char cc_preload_end[];
}

namespace cc::qemu {

Result<Fd> PreloadLibrary() {
    Fd file = Fd::Adopt(::memfd_create("cc-preload", MFD_CLOEXEC | MFD_ALLOW_SEALING));
    if (!file) return FailErrno("making a file in memory");
    const auto size = static_cast<size_t>(cc_preload_end - cc_preload_begin);
    CC_TRY(WriteAll(file.get(), std::string_view(cc_preload_begin, size)));
    constexpr int kSeals = F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL;
    if (::fcntl(file.get(), F_ADD_SEALS, kSeals) < 0) return FailErrno("sealing a file in memory");
    return file;
}

}  // namespace cc::qemu
