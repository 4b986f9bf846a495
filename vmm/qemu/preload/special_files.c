// SPDX-License-Identifier: Apache-2.0
// Loaded into QEMU before its own libraries (vmm/qemu/special_files.h): its fstat(2).
//
// QEMU's 9p server refuses to open what is neither a file nor a directory, lest it hang on a FIFO or
// read a device of the host (CVE-2023-2861). Since then, and up to 9.1, it refuses descriptors of
// O_PATH as well, with which nothing can be read or written: one of these it opens to set the mode
// of a FIFO, socket or device that it has just made, takes its own refusal for a failure and removes
// the file again. A descriptor of O_PATH passes for one of a file here, and only there; all others
// are refused as before.
//
// No library is needed, so that whatever C library QEMU has will do.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>

static long Call(long number, long first, long second, long third, long fourth) {
    register long r10 __asm__("r10") = fourth;
    long result = number;
    __asm__ volatile("syscall"
                     : "+a"(result)
                     : "D"(first), "S"(second), "d"(third), "r"(r10)
                     : "rcx", "r11", "memory");
    return result;
}

__attribute__((visibility("default"))) int fstat64(int fd, struct stat64* out) {
    const long result = Call(SYS_fstat, fd, (long)out, 0, 0);
    if (result < 0) {
        errno = (int)-result;
        return -1;
    }
    if (S_ISREG(out->st_mode) || S_ISDIR(out->st_mode)) return 0;
    const long flags = Call(SYS_fcntl, fd, F_GETFL, 0, 0);
    if (flags >= 0 && (flags & O_PATH) != 0)
        out->st_mode = (out->st_mode & ~(mode_t)S_IFMT) | S_IFREG;
    return 0;
}
