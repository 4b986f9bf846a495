// SPDX-License-Identifier: Apache-2.0
// What programs (package managers, databases, build systems) do with files, in the current
// directory: a line each, its name and "ok", or where it failed and errno's text.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

static const char* step;
#define MUST(condition) \
    if (step = #condition, errno = 0, !(condition)) return 0

static int open_unlinked(void) {
    char text[4] = "";
    struct stat status;
    int fd;
    MUST((fd = open("u", O_RDWR | O_CREAT, 0600)) >= 0);
    MUST(unlink("u") == 0);
    MUST(write(fd, "data", 4) == 4);
    MUST(pread(fd, text, 4, 0) == 4 && memcmp(text, "data", 4) == 0);
    MUST(ftruncate(fd, 2) == 0);
    MUST(fchmod(fd, 0640) == 0);
    MUST(fstat(fd, &status) == 0 && status.st_size == 2 && (status.st_mode & 0777) == 0640);
    MUST(access("u", F_OK) < 0 && errno == ENOENT);
    close(fd);
    return 1;
}

static int rename_over_open(void) {
    char text[3];
    int fd;
    MUST((fd = open("r1", O_RDWR | O_CREAT, 0600)) >= 0 && write(fd, "old", 3) == 3);
    MUST((close(open("r2", O_RDWR | O_CREAT, 0600)), rename("r2", "r1")) == 0);
    MUST(pread(fd, text, 3, 0) == 3 && memcmp(text, "old", 3) == 0);
    MUST(unlink("r1") == 0);
    close(fd);
    return 1;
}

static int shared_mapping(void) {
    char text[6];
    int fd;
    char* map;
    MUST((fd = open("m", O_RDWR | O_CREAT, 0600)) >= 0 && ftruncate(fd, 8192) == 0);
    MUST((map = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0)) != MAP_FAILED);
    memcpy(map + 4090, "mapped", 6);
    MUST(msync(map, 8192, MS_SYNC) == 0);
    MUST(pread(fd, text, 6, 4090) == 6 && memcmp(text, "mapped", 6) == 0);
    MUST(munmap(map, 8192) == 0 && unlink("m") == 0);
    close(fd);
    return 1;
}

// Whether another process is kept out, and let in when the lock has gone.
static int locks(int posix) {
    const struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    int fd, status;
    MUST((fd = open("l", O_RDWR | O_CREAT, 0600)) >= 0);
    MUST((posix ? fcntl(fd, F_SETLK, &whole) : flock(fd, LOCK_EX | LOCK_NB)) == 0);
    for (int freed = 0; freed < 2; ++freed) {
        pid_t child = fork();
        if (child == 0) {
            const int other = open("l", O_RDWR);
            const int got = posix ? fcntl(other, F_SETLK, &whole) : flock(other, LOCK_EX | LOCK_NB);
            _exit(got == 0);
        }
        MUST(waitpid(child, &status, 0) == child && WEXITSTATUS(status) == freed);
        const struct flock none = {.l_type = F_UNLCK, .l_whence = SEEK_SET};
        MUST((posix ? fcntl(fd, F_SETLK, &none) : flock(fd, LOCK_UN)) == 0);
    }
    MUST(unlink("l") == 0);
    close(fd);
    return 1;
}
static int flocks(void) {
    return locks(0);
}
static int posix_locks(void) {
    return locks(1);
}

static int attributes(void) {
    char text[5], names[64];
    MUST(close(open("x", O_RDWR | O_CREAT, 0600)) == 0);
    MUST(setxattr("x", "user.cc", "value", 5, 0) == 0);
    MUST(getxattr("x", "user.cc", text, 5) == 5 && memcmp(text, "value", 5) == 0);
    MUST(listxattr("x", names, sizeof names) == 8);
    MUST(removexattr("x", "user.cc") == 0 && getxattr("x", "user.cc", text, 5) < 0);
    MUST(unlink("x") == 0);
    return 1;
}

// As installing a package with file capabilities does.
static int file_capabilities(void) {
    // Version 2, effective: CAP_NET_BIND_SERVICE (linux/capability.h).
    const unsigned int value[5] = {0x02000001, 1 << 10, 0, 0, 0};
    unsigned int read[5];
    MUST(close(open("c", O_RDWR | O_CREAT, 0700)) == 0);
    MUST(setxattr("c", "security.capability", value, sizeof value, 0) == 0);
    MUST(getxattr("c", "security.capability", read, sizeof read) == sizeof read);
    MUST(memcmp(value, read, sizeof value) == 0);
    MUST(unlink("c") == 0);
    return 1;
}

static int owners(void) {
    struct stat status;
    MUST(close(open("o", O_RDWR | O_CREAT, 0600)) == 0);
    MUST(chown("o", 1234, 5678) == 0 && chmod("o", 06755) == 0 && stat("o", &status) == 0);
    MUST(status.st_uid == 1234 && status.st_gid == 5678 && (status.st_mode & 07777) == 06755);
    MUST(unlink("o") == 0);
    return 1;
}

// Files that a process which is not root makes are its own.
static int made_by_others(void) {
    struct stat status;
    int ended;
    MUST(mkdir("d", 0777) == 0 && chmod("d", 0777) == 0);
    pid_t child = fork();
    if (child == 0) {
        if (setgid(77) < 0 || setuid(66) < 0) _exit(1);
        const int fd = open("d/f", O_RDWR | O_CREAT, 0600);
        _exit(fd < 0 || open("d/../root-only", O_RDONLY) >= 0);
    }
    MUST(waitpid(child, &ended, 0) == child && ended == 0);
    MUST(stat("d/f", &status) == 0 && status.st_uid == 66 && status.st_gid == 77);
    MUST(unlink("d/f") == 0 && rmdir("d") == 0);
    return 1;
}

static int devices(void) {
    MUST(mknod("n", S_IFCHR | 0600, makedev(1, 3)) < 0 && errno == EPERM);
    MUST(mknod("p", S_IFIFO | 0600, 0) == 0 && unlink("p") == 0);
    MUST(mknod("s", S_IFSOCK | 0600, 0) == 0 && unlink("s") == 0);
    return 1;
}

static int sparse(void) {
    struct stat status;
    int fd;
    MUST((fd = open("h", O_RDWR | O_CREAT, 0600)) >= 0 && pwrite(fd, "x", 1, 10 << 20) == 1);
    MUST(fsync(fd) == 0 && fstat(fd, &status) == 0 && status.st_blocks < 1000);
    MUST(fallocate(fd, 0, 0, 65536) == 0);
    MUST(unlink("h") == 0);
    close(fd);
    return 1;
}

static int links(void) {
    struct stat status;
    char text[8];
    MUST(close(open("a", O_RDWR | O_CREAT, 0600)) == 0 && link("a", "b") == 0);
    MUST(stat("a", &status) == 0 && status.st_nlink == 2);
    MUST(symlink("nowhere", "k") == 0 && readlink("k", text, sizeof text) == 7);
    MUST(unlink("a") == 0 && unlink("b") == 0 && unlink("k") == 0);
    return 1;
}

int main(void) {
    const struct {
        const char* name;
        int (*run)(void);
    } all[] = {{"open-unlinked", open_unlinked},
               {"rename-over-open", rename_over_open},
               {"shared-mapping", shared_mapping},
               {"flock", flocks},
               {"posix-locks", posix_locks},
               {"attributes", attributes},
               {"file-capabilities", file_capabilities},
               {"owners", owners},
               {"made-by-others", made_by_others},
               {"devices", devices},
               {"sparse", sparse},
               {"links", links}};
    close(open("root-only", O_RDWR | O_CREAT, 0600));
    for (unsigned i = 0; i < sizeof all / sizeof *all; ++i) {
        if (all[i].run())
            printf("%s ok\n", all[i].name);
        else
            printf("%s failed: %s: %s\n", all[i].name, step, strerror(errno));
        fflush(stdout);
    }
    unlink("root-only");
    return 0;
}
