// SPDX-License-Identifier: Apache-2.0
// The header that makes Linux map an nvdimm's content directly (DAX).
//
// An nvdimm whose first bytes are a file system shows /dev/pmem0, but without memory for its pages:
// file systems then refuse to map it, or copy. With this header in front the guest's kernel
// allocates page structures for it in its own memory and the content starts 2 MiB later:
//
//        0 ┌────────────────────────────┐
//          │ zeros                      │
//     4 KiB├────────────────────────────┤
//          │ superblock, 4 KiB          │
//     8 KiB├────────────────────────────┤
//          │ zeros                      │
//     2 MiB├────────────────────────────┤
//          │ content, padded with zeros │
//          │ to whole 2 MiB             │
//          └────────────────────────────┘
//
// The superblock (struct nd_pfn_sb in drivers/nvdimm/pfn.h of Linux), all numbers little-endian:
//
//   offset  size
//        0    16  "NVDIMM_PFN_INFO\0"
//       16    16  uuid
//       32    16  uuid of the namespace it lies in; zeros: one without labels
//       48     4  flags, 0
//       52     2  major version, 1
//       54     2  minor version, 4
//       56     8  where the content starts, in bytes
//       64     8  content in pages
//       72     4  where the page structures are: 1, the guest's memory
//       76     4  bytes left out at the start, 0
//       80     4  bytes left out at the end, 0
//       84     4  alignment of mappings: 2 MiB
//       88     4  page size, 4096
//       92     2  bytes a page structure, 64
//       94  3994  zeros
//     4088     8  Fletcher-64 of the superblock with this field zero
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace cc {

constexpr uint64_t kPfnAlignment = uint64_t{2} << 20;
constexpr uint64_t kPfnContentOffset = kPfnAlignment;
constexpr uint64_t kPfnSuperblockOffset = 4096;
constexpr uint64_t kPfnSuperblockSize = 4096;

// The content's size rounded up to the alignment.
uint64_t PfnPaddedSize(uint64_t content_size);

// The superblock for this content. Same content, same bytes: the uuid comes from a hash of it.
std::string PfnSuperblock(std::string_view content);

// Two running sums over the little-endian 32-bit words; the size is a multiple of 4. The high half
// of the result is the sum of the sums.
uint64_t Fletcher64(std::string_view bytes);

}  // namespace cc
