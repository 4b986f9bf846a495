#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Makes the guest's files from the release build, Debian's kernel and, when it is there, the tuned kernel:
#
#   build.sh [BUILD-DIRECTORY]      default: build
#
#   BUILD/share/clear-containers/
#     vmlinux.debian            Debian's kernel as an ELF
#     initrd.debian             initramfs for it: /init, /modules
#     vmlinux.container         the tuned kernel (make kernel); missing when it is not built
#     clear-containers.img      root image for nvdimm: erofs behind a PFN header
#     clear-containers.initrd   the same tree as an initramfs, for machines without nvdimm
#   BUILD/libexec/clear-containers/
#     cc-qemu                   our QEMU (make qemu); missing when it is not built
#
# Does nothing when nothing has changed: what was made is recorded with a hash of what it was made from.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
build=${1:-$here/../build}
binary=$build/clear-containers
mkpfn=$build/image/mkpfn
out=$build/share/clear-containers

say() { echo "image: $*" >&2; }
fail() {
    say "$@"
    exit 1
}
for program in "$binary" "$mkpfn"; do
    [ -x "$program" ] || fail "$program is missing; make builds it"
done
mkdir -p "$out"
exec 9>"$out/.lock"
flock 9
# What one that was killed left behind.
rm -rf "$out"/.work.*
work=$(mktemp -d "$out/.work.XXXXXX")
trap 'rm -rf "$work"' EXIT

# fresh FILE INPUT ...: whether FILE was made from these inputs by this script. Otherwise remembers them for done_with.
fresh() {
    key=$(sha256sum "${@:2}" "$here/build.sh" | sha256sum | cut -d ' ' -f 1)
    [ -e "$out/$1" ] && [ "$(cat "$out/.$1.from" 2>/dev/null)" = "$key" ]
}

# done_with FILE: moves what was made to its place. A reader, such as a VM that starts now, sees the old or the new.
done_with() {
    rm -f "$out/.$1.from"
    mv -f "$work/$1" "$out/$1"
    echo "$key" >"$out/.$1.from"
    say "$1, $(stat -c %s "$out/$1") bytes"
}

# link FILE SOURCE: FILE as a hard link to a file in the cache, a copy where that is another file system.
link() {
    [ "$2" -ef "$out/$1" ] || { [ -e "$out/$1" ] && [ ! "$2" -nt "$out/$1" ] && cmp -s "$2" "$out/$1"; } || {
        rm -f "$out/$1.new"
        ln "$2" "$out/$1.new" 2>/dev/null || cp --reflink=auto --sparse=always "$2" "$out/$1.new"
        mv -f "$out/$1.new" "$out/$1"
        say "$1, from $2"
    }
}

# tree DIRECTORY: the guest's root. The kernel mounts /dev; the rest the agent does.
tree() {
    mkdir -p "$1"/{dev,etc,proc,run,sys,tmp}
    chmod 1777 "$1/tmp"
    install -m 755 "$work/init" "$1/init"
    echo 'root:x:0:0:root:/:/init' >"$1/etc/passwd"
    echo 'root:x:0:' >"$1/etc/group"
    printf '127.0.0.1 localhost\n::1 localhost\n' >"$1/etc/hosts"
}

# pack DIRECTORY: it as an uncompressed cpio archive on standard output, the same bytes for the same content. Unpacking
# a compressed one costs the guest more than QEMU saves by loading fewer bytes.
pack() {
    find "$1" -exec touch -h -d @0 {} +
    (cd "$1" && find . -mindepth 1 | LC_ALL=C sort | cpio --quiet --reproducible -o -H newc -R 0:0)
}

# strip only when something needs it, once.
init() {
    [ -e "$work/init" ] || strip -o "$work/init" "$binary"
}

if debian=$("$here/debian-kernel.sh"); then
    link vmlinux.debian "$debian/vmlinux"
    if ! fresh initrd.debian "$binary" "$debian"/modules/*; then
        init
        mkdir -p "$work/debian"/{dev,proc,sys}
        install -m 755 "$work/init" "$work/debian/init"
        cp -r "$debian/modules" "$work/debian/modules"
        pack "$work/debian" >"$work/initrd.debian"
        done_with initrd.debian
    fi
elif [ -e "$out/vmlinux.debian" ] && [ -e "$out/initrd.debian" ]; then
    say "going on with the vmlinux.debian and initrd.debian that are there; the latter may be older than the program"
elif tuned=$("$here/kernel/build.sh" --path); then
    say "going on without Debian's kernel, there is a tuned one"
else
    fail "no kernel for the guest"
fi

if ! fresh clear-containers.img "$binary" "$mkpfn" ${debian:+"$debian"/release "$debian"/later/*/*}; then
    init
    tree "$work/root"
    if [ -n "$debian" ]; then
        mkdir "$work/root/modules"
        cp -r "$debian/later" "$work/root/modules/$(<"$debian/release")"
    fi
    # Not compressed, and no file tails in inodes (the default): Linux maps such a file like any other, but copies it into
    # the page cache first, without a word about dax=always having been ignored for it. The fixed uuid and
    # time make the same content the same image.
    mkfs.erofs --quiet -E noinline_data -T0 -U 00000000-0000-0000-0000-000000000000 --all-root "$work/root.erofs" "$work/root" ||
        fail "mkfs.erofs failed (packaging/install-deps.sh run installs it)"
    "$mkpfn" "$work/root.erofs" "$work/clear-containers.img"
    done_with clear-containers.img
fi
if ! fresh clear-containers.initrd "$binary"; then
    init
    rm -rf "$work/root"
    tree "$work/root"
    pack "$work/root" >"$work/clear-containers.initrd"
    done_with clear-containers.initrd
fi

if tuned=$("$here/kernel/build.sh" --path); then
    link vmlinux.container "$tuned"
elif [ -e "$out/vmlinux.container" ]; then
    # Of another fragment.config: what the tree says now is what the guest gets.
    rm -f "$out/vmlinux.container"
    say "the tuned kernel no longer fits image/kernel; make kernel builds it anew"
fi

libexec=$build/libexec/clear-containers
if own=$("$here/../vmm/qemu/own/build.sh" --path 2>/dev/null); then
    mkdir -p "$libexec"
    link ../../libexec/clear-containers/cc-qemu "$own"
elif [ -e "$libexec/cc-qemu" ]; then
    rm -f "$libexec/cc-qemu"
    say "cc-qemu is of another version of QEMU than Debian's is now, or of other patches; make qemu builds it anew"
fi
