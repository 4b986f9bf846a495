// SPDX-License-Identifier: Apache-2.0
// QEMU's fstat(2), for FIFOs, sockets and devices that a guest makes in shared directories.
//
// QEMU's 9p server refuses to open what is neither a file nor a directory, lest it hang on a FIFO or
// read a device of the host (CVE-2023-2861). Since then, and up to 9.1, it refuses descriptors of
// O_PATH as well, with which nothing can be read or written: one of these it opens to set the mode
// of a FIFO, socket or device that it has just made, takes its own refusal for a failure and removes
// the file again: databases, for one, do not start. A descriptor of O_PATH passes for one of a file
// here, and only there; all others are refused as before.
#define _GNU_SOURCE
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "system_call.h"

__attribute__((visibility("default"))) int fstat64(int fd, struct stat64* out) {
    const long result = Return(Ask(SYS_fstat, fd, (long)out, 0, 0, 0, 0));
    if (result < 0 || S_ISREG(out->st_mode) || S_ISDIR(out->st_mode)) return (int)result;
    const long flags = Ask(SYS_fcntl, fd, F_GETFL, 0, 0, 0, 0);
    if (flags >= 0 && (flags & O_PATH) != 0)
        out->st_mode = (out->st_mode & ~(mode_t)S_IFMT) | S_IFREG;
    return 0;
}
