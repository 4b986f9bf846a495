// SPDX-License-Identifier: Apache-2.0
#include "base/memory.h"

#include <cstdint>

#include <link.h>
#include <malloc.h>
#include <sys/mman.h>
#include <unistd.h>

namespace cc {

namespace {

// The program itself is the first object that is named; libraries follow where there are any.
int DropFirstObject(dl_phdr_info* object, size_t, void*) {
    const auto page = static_cast<uintptr_t>(::sysconf(_SC_PAGESIZE));
    for (int i = 0; i < object->dlpi_phnum; ++i) {
        const auto& segment = object->dlpi_phdr[i];
        // What may be written to has been, by relocation if by nothing else.
        if (segment.p_type != PT_LOAD || (segment.p_flags & PF_W) != 0) continue;
        const uintptr_t begin = (object->dlpi_addr + segment.p_vaddr) & ~(page - 1);
        const uintptr_t end = object->dlpi_addr + segment.p_vaddr + segment.p_memsz;
        (void)::madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED);
    }
    return 1;
}

}  // namespace

void DropProgramPages() {
    ::dl_iterate_phdr(DropFirstObject, nullptr);
}

void TrimHeap() {
    ::malloc_trim(0);
}

}  // namespace cc
