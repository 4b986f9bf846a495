#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Builds the tuned guest kernel from Debian's linux-source-6.1, patches/ and fragment.config, an uncompressed
# ELF that QEMU starts through its PVH entry. Prints the product's path as its last line.
#
#   build.sh          build unless the cache has it
#   build.sh --path   print where the product is (or would be); exit 1 when it is not there
#
# The product lives outside the tree, named after a hash of all that decides its content:
#   ${CC_CACHE:-~/.cache/clear-containers}/kernel/<hash>/vmlinux
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
cache=${CC_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/clear-containers}/kernel
# Bumped when this script changes in a way that changes the product.
recipe=1
key=$(cat "$here/fragment.config" "$here"/patches/*.patch <(echo "linux-source-6.1 recipe $recipe") | sha256sum | cut -c1-16)
product=$cache/$key/vmlinux

if [ "${1:-}" = --path ]; then
    echo "$product"
    [ -e "$product" ]
    exit
fi
if [ -e "$product" ]; then
    echo "$product"
    exit 0
fi

source_tar=/usr/src/linux-source-6.1.tar.xz
[ -e "$source_tar" ] || { echo "kernel: $source_tar is missing; run packaging/install-deps.sh kernel" >&2; exit 1; }

mkdir -p "$cache"
exec 9>"$cache/lock"
flock -n 9 || { echo "kernel: another build is running, waiting for it" >&2; flock 9; }
if [ -e "$product" ]; then
    echo "$product"
    exit 0
fi
# What a build that was killed left behind; nobody else builds while we hold the lock.
rm -rf "$cache"/build.*
work=$(mktemp -d "$cache/build.XXXXXX")
trap 'rm -rf "$work"' EXIT

echo "kernel: unpacking $(basename "$source_tar")" >&2
tar -C "$work" --strip-components=1 -xf "$source_tar"
for patch in "$here"/patches/*.patch; do
    patch -s -d "$work" -p1 -F0 <"$patch" >&2 || { echo "kernel: $(basename "$patch") does not fit this source" >&2; exit 1; }
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
    echo "kernel: these lines of fragment.config did not survive Kconfig:" >&2
    echo "$missing" >&2
    exit 1
fi

# Progress: the number of objects compiled so far, out of about what the last full build had.
total=1500
echo "kernel: compiling on $(nproc) cores, 10 to 15 minutes on two idle ones" >&2
compiler=gcc
! command -v ccache >/dev/null || compiler="ccache gcc"
make -C "$work" ARCH=x86_64 CC="$compiler" -j"$(nproc)" vmlinux 2>"$work/errors" |
    awk -v total=$total '/^  (CC|AS) /{ n++; if (n % 50 == 0) { printf "kernel: %d of about %d objects\n", n, total > "/dev/stderr" } }' ||
    { tail -n 20 "$work/errors" >&2; exit 1; }
strip --strip-unneeded -o "$work/vmlinux.stripped" "$work/vmlinux"

mkdir -p "$cache/$key"
cp "$work/.config" "$cache/$key/config"
mv "$work/vmlinux.stripped" "$product.new"
mv "$product.new" "$product"
echo "kernel: $(stat -c %s "$product") bytes, in $((SECONDS / 60)) min $((SECONDS % 60)) s" >&2
echo "$product"
