// SPDX-License-Identifier: Apache-2.0
// QEMU's mmap(2) and fallocate(2), for memory that clones have a private view of: the template's, a
// sealed file. All others are the kernel's.
#define _GNU_SOURCE
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "system_call.h"

// Smaller holes are not worth a mapping of their own.
enum { kLeastHole = 64 << 10 };

static int IsSealed(int fd) {
    const long seals = Ask(SYS_fcntl, fd, F_GET_SEALS, 0, 0, 0, 0);
    return seals >= 0 && (seals & F_SEAL_WRITE) != 0;
}

// A page that the saved machine had never touched is a hole in the file, and the kernel fills a hole
// as soon as a private mapping touches it, before it copies the page: what all clones ever used
// would be there once more, for good. They get anonymous memory there.
static long ReplaceHoles(char* area, long size, int protection, int fd, long offset) {
    const long end = offset + size;
    for (long hole = offset; hole < end;) {
        long data = Ask(SYS_lseek, fd, hole, SEEK_DATA, 0, 0, 0);
        if (data < 0 && data != -ENXIO) return data;
        if (data < 0 || data > end) data = end;
        if (data - hole >= kLeastHole) {
            const long mapped = Ask(SYS_mmap, (long)(area + (hole - offset)), data - hole, protection,
                                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
            if (mapped < 0) return mapped;
        }
        hole = data < end ? Ask(SYS_lseek, fd, data, SEEK_HOLE, 0, 0, 0) : end;
        if (hole < 0) return hole;
    }
    return 0;
}

__attribute__((visibility("default"))) void* mmap64(void* address, size_t size, int protection,
                                                    int flags, int fd, off64_t offset) {
    const long area = Ask(SYS_mmap, (long)address, (long)size, protection, flags, fd, offset);
    const int is_private = (flags & MAP_TYPE) == MAP_PRIVATE && (protection & PROT_WRITE) != 0;
    if (area > 0 && fd >= 0 && is_private && IsSealed(fd)) {
        const long replaced = ReplaceHoles((char*)area, (long)size, protection, fd, offset);
        if (replaced < 0) {
            Ask(SYS_munmap, area, (long)size, 0, 0, 0, 0);
            return (void*)Return(replaced);
        }
    }
    return (void*)Return(area);
}

// Memory that a guest gives back shall be a hole in the file, too, which is refused for a sealed one
// and not needed: what is private lies in this process alone, and QEMU gives that back next.
__attribute__((visibility("default"))) int fallocate64(int fd, int mode, off64_t offset,
                                                       off64_t size) {
    if ((mode & FALLOC_FL_PUNCH_HOLE) != 0 && IsSealed(fd)) return 0;
    return (int)Return(Ask(SYS_fallocate, fd, mode, offset, size, 0, 0));
}
