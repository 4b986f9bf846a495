// SPDX-License-Identifier: Apache-2.0
#include "vmm/rehearsal_root.h"

#include <array>
#include <cstring>
#include <string>

#include <elf.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/text.h"
#include "protocol/rehearsal.h"

namespace cc {

namespace {

const std::string kImage(kRehearsalImage);
const std::string kRoot = Cat(kRehearsalImage, "/", kRehearsalRoot);
const std::string kProgram = Cat(kRoot, "/", kRehearsalProgram);

// The smallest that a kernel executes and that writes something: a real one would fill the guest's
// memory with its pages.
std::string Program() {
    constexpr uint64_t address = 0x400000;
    constexpr std::array<unsigned char, 34> code{0xb8, 1,    0,    0,    0,  // mov eax, 1 (write)
                                                 0xbf, 1,    0,    0,    0,  // mov edi, 1
                                                 0x48, 0x8d, 0x35, 0x10, 0,
                                                 0,    0,  // lea rsi, [rip + 16], the last byte
                                                 0xba, 1,    0,    0,    0,  // mov edx, 1
                                                 0x0f, 0x05,                 // syscall
                                                 0xb8, 60,   0,    0,    0,  // mov eax, 60 (exit)
                                                 0x31, 0xff,                 // xor edi, edi
                                                 0x0f, 0x05,                 // syscall
                                                 '\n'};
    struct {
        Elf64_Ehdr file;
        Elf64_Phdr segment;
        decltype(code) text;
    } program{};
    constexpr size_t start = sizeof(Elf64_Ehdr) + sizeof(Elf64_Phdr);
    constexpr size_t size = start + code.size();
    Elf64_Ehdr& file = program.file;
    std::memcpy(file.e_ident, ELFMAG, SELFMAG);
    file.e_ident[EI_CLASS] = ELFCLASS64;
    file.e_ident[EI_DATA] = ELFDATA2LSB;
    file.e_ident[EI_VERSION] = EV_CURRENT;
    file.e_type = ET_EXEC;
    file.e_machine = EM_X86_64;
    file.e_version = EV_CURRENT;
    file.e_entry = address + start;
    file.e_phoff = sizeof(Elf64_Ehdr);
    file.e_ehsize = sizeof(Elf64_Ehdr);
    file.e_phentsize = sizeof(Elf64_Phdr);
    file.e_phnum = 1;
    Elf64_Phdr& segment = program.segment;
    segment.p_type = PT_LOAD;
    segment.p_flags = PF_R | PF_X;
    segment.p_vaddr = segment.p_paddr = address;
    segment.p_filesz = segment.p_memsz = size;
    segment.p_align = 0x1000;
    std::string bytes(size, '\0');
    std::memcpy(bytes.data(), &program.file, sizeof program.file);
    std::memcpy(bytes.data() + sizeof program.file, &program.segment, sizeof program.segment);
    std::memcpy(bytes.data() + start, code.data(), code.size());
    return bytes;
}

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
    return WriteAll(program.get(), Program());
}

void RemoveRehearsalRoot(int directory) {
    ::unlinkat(directory, kProgram.c_str(), 0);
    for (const auto name : kRehearsalDirectories)
        ::unlinkat(directory, Cat(kRoot, "/", name).c_str(), AT_REMOVEDIR);
    for (const auto& path : {kRoot, kImage})
        ::unlinkat(directory, path.c_str(), AT_REMOVEDIR);
}

}  // namespace cc
