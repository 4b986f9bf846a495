// SPDX-License-Identifier: Apache-2.0
#include "vmm/template/memory_copy.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/text.h"

namespace cc {

namespace {

// Read through a mapping, one copy for each page: files in memory have no other way to copy from
// one to the next without going through a pipe page by page.
Result<void> CopyExtent(const Fd& from, const Fd& to, off_t begin, off_t end) {
    const auto length = static_cast<size_t>(end - begin);
    void* view = ::mmap(nullptr, length, PROT_READ, MAP_PRIVATE, from.get(), begin);
    if (view == MAP_FAILED) return FailErrno("mapping it");
    const auto copied = [&]() -> Result<void> {
        for (size_t done = 0; done < length;) {
            const ssize_t written = ::pwrite(to.get(), static_cast<const char*>(view) + done,
                                             length - done, begin + static_cast<off_t>(done));
            if (written < 0 && errno == EINTR) continue;
            if (written <= 0) return FailErrno("writing to a file in memory");
            done += static_cast<size_t>(written);
        }
        return {};
    }();
    ::munmap(view, length);
    return copied;
}

}  // namespace

Result<MemoryCopy> CopyMemory(const Fd& from) {
    struct stat status {};
    if (::fstat(from.get(), &status) < 0) return FailErrno("looking at it");
    MemoryCopy copy;
    copy.memory = Fd::Adopt(::memfd_create("cc-clone-memory", MFD_CLOEXEC));
    if (!copy.memory || ::ftruncate(copy.memory.get(), status.st_size) < 0)
        return FailErrno(Cat("making a file of ", status.st_size >> 20, " MiB in memory"));
    for (off_t end = 0;;) {
        const off_t begin = ::lseek(from.get(), end, SEEK_DATA);
        if (begin < 0 && errno == ENXIO) return copy;  // nothing but holes from here on
        if (begin < 0) return FailErrno("looking for its data");
        end = ::lseek(from.get(), begin, SEEK_HOLE);
        if (end < 0) return FailErrno("looking for its holes");
        CC_TRY(CopyExtent(from, copy.memory, begin, end));
        copy.bytes += end - begin;
    }
}

}  // namespace cc
