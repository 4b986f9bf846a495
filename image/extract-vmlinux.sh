#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Takes the uncompressed ELF kernel out of a bzImage, so that no guest has to decompress it under emulation.
#
#   extract-vmlinux.sh BZIMAGE ELF
#
# A bzImage is a 16-bit set-up part, then the 32-bit boot code with the compressed ELF inside. The set-up header
# (Documentation/arch/x86/boot.rst in the kernel's source, protocol 2.08 and later) says where:
#
#   offset  size
#   0x1f1   1     setup_sects: the boot code starts at sector setup_sects + 1, sectors of 512 bytes
#   0x202   4     "HdrS" (the magic)
#   0x206   2     version of the boot protocol
#   0x248   4     payload_offset, from the start of the boot code
#   0x24c   4     payload_length
set -euo pipefail

fail() {
    echo "extract-vmlinux: $*" >&2
    exit 1
}
[ $# -eq 2 ] || fail "usage: extract-vmlinux.sh BZIMAGE ELF"
bzimage=$1
elf=$2
[ -r "$bzimage" ] || fail "cannot read $bzimage"

# number OFFSET SIZE: the little-endian number there.
number() {
    od -An -v -t "u$2" -j "$1" -N "$2" "$bzimage" | tr -d ' '
}
hex() {
    od -An -v -t x1 -j "$1" -N "$2" "$bzimage" | tr -d ' \n'
}

# An ELF already: nothing to take out.
if [ "$(hex 0 4)" = 7f454c46 ]; then
    cp --sparse=always "$bzimage" "$elf"
    exit 0
fi
[ "$(hex $((0x202)) 4)" = 48647253 ] || fail "$bzimage is not an x86 kernel (no HdrS at 0x202)"
[ "$(number $((0x206)) 2)" -ge $((0x208)) ] || fail "$bzimage speaks a boot protocol older than 2.08"

offset=$((($(number $((0x1f1)) 1) + 1) * 512 + $(number $((0x248)) 4)))
length=$(number $((0x24c)) 4)
[ "$(stat -Lc %s "$bzimage")" -ge $((offset + length)) ] || fail "$bzimage is cut short"
# Some formats have the unpacked size appended, which their tools call trailing garbage: hence the options.
case $(hex "$offset" 6) in
    fd377a585a00) unpack=(xz -dc --single-stream) ;;
    28b52ffd*) unpack=(zstd -dcq) ;;
    1f8b*) unpack=(gzip -dcq) ;;
    02214c18*) unpack=(lz4 -dcq) ;;
    *) fail "$bzimage is compressed in a way this script does not know (first bytes $(hex "$offset" 6))" ;;
esac
command -v "${unpack[0]}" >/dev/null || fail "${unpack[0]} is needed to unpack $bzimage: apt-get install ${unpack[0]}"

trap 'rm -f "$elf.new"' EXIT
# The tool's own status says nothing, because of that garbage; the size, which is always the payload's last word, does.
size=$(number $((offset + length - 4)) 4)
{ dd if="$bzimage" bs=1M iflag=skip_bytes,count_bytes skip="$offset" count="$length" status=none |
    "${unpack[@]}" | dd of="$elf.new" bs=1M iflag=fullblock conv=sparse status=none; } 2>/dev/null || true
[ "$(stat -c %s "$elf.new")" = "$size" ] || fail "$bzimage: its payload did not unpack to the $size bytes it names"
[ "$(od -An -v -t x1 -N 4 "$elf.new" | tr -d ' ')" = 7f454c46 ] || fail "no ELF kernel came out of $bzimage"
mv "$elf.new" "$elf"
