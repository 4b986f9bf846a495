// SPDX-License-Identifier: Apache-2.0
#include "vmm/rehearsal_program.h"

#include <array>
#include <csignal>
#include <cstring>

#include <asm/prctl.h>
#include <elf.h>
#include <fcntl.h>
#include <linux/random.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <termios.h>
#include <unistd.h>

#include "base/text.h"

namespace cc {

namespace {

// Where the program's two segments lie: code and the table of calls, which may be read and
// executed, and data with some pages behind it that the file does not have.
constexpr uint64_t kText = 0x400000, kData = 0x410000;
constexpr size_t kTextSize = 0x8000, kDataSize = 0x1000, kDataPages = 8;
constexpr uint64_t kTable = kText + 0x200;
constexpr uint64_t kScratch = kData + kDataSize;  // a page of it
constexpr uint64_t kFar = kScratch + 4 * 0x1000;  // another one
// Strings, at the beginning of the data.
constexpr std::string_view kStrings("\n\0/proc/self/exe\0/program", 25);
constexpr uint64_t kNewline = kData, kSelf = kData + 2, kOwnPath = kData + 17;

// Makes one call after the other, with what the table says, up to the one that ends it.
constexpr std::array<unsigned char, 40> kCode{0xbb,
                                              kTable & 0xff,
                                              kTable >> 8 & 0xff,
                                              kTable >> 16 & 0xff,
                                              0,  // mov ebx, kTable
                                              0x48,
                                              0x8b,
                                              0x03,  // mov rax, [rbx]
                                              0x48,
                                              0x8b,
                                              0x7b,
                                              8,  // mov rdi, [rbx + 8]
                                              0x48,
                                              0x8b,
                                              0x73,
                                              16,  // mov rsi, [rbx + 16]
                                              0x48,
                                              0x8b,
                                              0x53,
                                              24,  // mov rdx, [rbx + 24]
                                              0x4c,
                                              0x8b,
                                              0x53,
                                              32,  // mov r10, [rbx + 32]
                                              0x4c,
                                              0x8b,
                                              0x43,
                                              40,  // mov r8, [rbx + 40]
                                              0x4c,
                                              0x8b,
                                              0x4b,
                                              48,  // mov r9, [rbx + 48]
                                              0x48,
                                              0x83,
                                              0xc3,
                                              56,  // add rbx, 56
                                              0x0f,
                                              0x05,  // syscall
                                              0xeb,
                                              0xdd};  // jmp, to mov rax, [rbx]

struct Call {
    uint64_t number;
    uint64_t arguments[6];
};

// What a C library does before main(), static or with a dynamic linker, and what a small program
// does then. Whether a call succeeds does not matter.
constexpr uint64_t kHere = static_cast<uint64_t>(AT_FDCWD);
constexpr int kFile = 3;  // the descriptor of what is opened
constexpr Call kCalls[] = {
    {SYS_brk, {0}},
    {SYS_arch_prctl, {ARCH_SET_FS, kScratch}},
    {SYS_access, {kOwnPath, R_OK}},
    {SYS_openat, {kHere, kOwnPath, O_RDONLY | O_CLOEXEC}},
    {SYS_read, {kFile, kScratch, 832}},
    {SYS_pread64, {kFile, kScratch, 784, 64}},
    {SYS_newfstatat, {kFile, kData + 1, kScratch, AT_EMPTY_PATH}},
    {SYS_mmap, {0x500000, 0x8000, PROT_READ, MAP_PRIVATE | MAP_FIXED, kFile, 0}},
    {SYS_mmap, {0x502000, 0x2000, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_FIXED, kFile, 0x2000}},
    {SYS_mmap, {0x504000, 0x1000, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED, kFile, 0x4000}},
    {SYS_close, {kFile}},
    {SYS_mmap,
     {0x600000, 0x4000, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, UINT64_MAX,
      0}},
    {SYS_set_tid_address, {kScratch}},
    {SYS_set_robust_list, {kScratch + 64, 24}},
    {SYS_rseq, {kScratch + 128, 32, 0, 0x53053053}},
    {SYS_prlimit64, {0, RLIMIT_STACK, 0, kScratch + 256}},
    {SYS_readlink, {kSelf, kFar, 256}},
    {SYS_getrandom, {0x600000, 8, GRND_NONBLOCK}},
    {SYS_getrandom, {0x504000, 8, GRND_NONBLOCK}},  // a page of the file becomes the process's own
    {SYS_mprotect, {kData, 0x1000, PROT_READ}},
    {SYS_munmap, {0x500000, 0x2000}},
    {SYS_getuid, {}},
    {SYS_rt_sigprocmask, {SIG_BLOCK, 0, kScratch + 256, 8}},
    {SYS_ioctl, {1, TCGETS, kScratch + 256}},
    // Pages that have not been touched.
    {SYS_access, {kText + 0x3000, R_OK}},
    {SYS_access, {kText + 0x7000, R_OK}},
    {SYS_write, {1, kNewline, 1}},
    {SYS_read, {0, kScratch, 256}},
    {SYS_exit_group, {0}},
};
static_assert(kTable - kText + sizeof kCalls <= kTextSize);

Elf64_Phdr Segment(uint64_t address, uint32_t flags, uint64_t offset, uint64_t in_file,
                   uint64_t in_memory) {
    Elf64_Phdr segment{};
    segment.p_type = PT_LOAD;
    segment.p_flags = flags;
    segment.p_offset = offset;
    segment.p_vaddr = segment.p_paddr = address;
    segment.p_filesz = in_file;
    segment.p_memsz = in_memory;
    segment.p_align = 0x1000;
    return segment;
}

}  // namespace

std::string RehearsalProgram() {
    const Elf64_Phdr segments[] = {
        Segment(kText, PF_R | PF_X, 0, kTextSize, kTextSize),
        Segment(kData, PF_R | PF_W, kTextSize, kDataSize, kDataPages * 0x1000)};
    constexpr size_t start = sizeof(Elf64_Ehdr) + sizeof segments;
    Elf64_Ehdr file{};
    std::memcpy(file.e_ident, ELFMAG, SELFMAG);
    file.e_ident[EI_CLASS] = ELFCLASS64;
    file.e_ident[EI_DATA] = ELFDATA2LSB;
    file.e_ident[EI_VERSION] = EV_CURRENT;
    file.e_type = ET_EXEC;
    file.e_machine = EM_X86_64;
    file.e_version = EV_CURRENT;
    file.e_entry = kText + start;
    file.e_phoff = sizeof file;
    file.e_ehsize = sizeof file;
    file.e_phentsize = sizeof(Elf64_Phdr);
    file.e_phnum = std::size(segments);
    std::string bytes(kTextSize + kDataSize, '\0');
    std::memcpy(bytes.data(), &file, sizeof file);
    std::memcpy(bytes.data() + sizeof file, segments, sizeof segments);
    std::memcpy(bytes.data() + start, kCode.data(), kCode.size());
    std::memcpy(bytes.data() + (kTable - kText), kCalls, sizeof kCalls);
    bytes.replace(kTextSize, kStrings.size(), kStrings);
    return bytes;
}

}  // namespace cc
