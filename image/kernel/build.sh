#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Builds the tuned guest kernel from Debian's linux-source-6.1, patches/ and fragment.config, an uncompressed
# ELF that QEMU starts through its PVH entry. Prints the product's path as its last line.
#
#   build.sh          build unless the cache has it
#   build.sh --path   print where the product is (or would be); exit 1 when it is not there
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../../packaging/cached-product.sh"
# Bumped when this script changes in a way that changes the product.
recipe=1
cached_product kernel vmlinux "$@" < <(cat "$here/fragment.config" "$here"/patches/*.patch; echo "linux-source-6.1 recipe $recipe")

source_tar=/usr/src/linux-source-6.1.tar.xz
[ -e "$source_tar" ] || fail "$source_tar is missing; run packaging/install-deps.sh kernel"
say "unpacking $(basename "$source_tar")"
tar -C "$work" --strip-components=1 -xf "$source_tar"
for patch in "$here"/patches/*.patch; do
    patch -s -d "$work" -p1 -F0 <"$patch" >&2 || fail "$(basename "$patch") does not fit this source"
done
make -s -C "$work" ARCH=x86_64 KCONFIG_ALLCONFIG="$here/fragment.config" allnoconfig >&2

# Kconfig drops what it cannot satisfy without a word; an option that silently vanished costs a day.
missing=$(grep -E '^CONFIG_[A-Z0-9_]+=' "$here/fragment.config" | while IFS='=' read -r name value; do
    if [ "$value" = n ]; then
        ! grep -q "^$name=" "$work/.config" || echo "$name=n"
    else
        grep -q "^$name=$value\$" "$work/.config" || echo "$name=$value"
    fi
done)
if [ -n "$missing" ]; then
    fail "these lines of fragment.config did not survive Kconfig:
$missing"
fi

# Progress: the number of objects compiled so far, out of about what the last full build had.
total=1500
say "compiling on $(nproc) cores, 10 to 15 minutes on two idle ones"
compiler=gcc
! command -v ccache >/dev/null || compiler="ccache gcc"
make -C "$work" ARCH=x86_64 CC="$compiler" -j"$(nproc)" vmlinux 2>"$work/errors" |
    awk -v total=$total '/^  (CC|AS) /{ n++; if (n % 50 == 0) { printf "kernel: %d of about %d objects\n", n, total > "/dev/stderr" } }' ||
    { tail -n 20 "$work/errors" >&2; exit 1; }
strip --strip-unneeded -o "$work/vmlinux.stripped" "$work/vmlinux"

mkdir -p "${product%/*}"
cp "$work/.config" "${product%/*}/config"
keep_product "$work/vmlinux.stripped"
