#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Gets the kernel of Debian's linux-image-amd64 without installing it: downloads the package, unpacks its kernel to
# an ELF that QEMU starts through PVH, and picks the modules that the guest needs. Prints a directory with
#
#   vmlinux        the uncompressed kernel
#   modules/*.ko   the modules
#   modules/order  their file names, one a line, in the order in which they load
#   modules/order.virtiofs  likewise, of those that a guest loads besides when its share is served by virtiofs
#   later/TYPE/    likewise, what a file system of that type takes; nobody needs it to boot
#   release        the kernel's, as uname -r prints it
#
# The directory lies outside the tree, named after the package's version and the list below:
#   ${CC_CACHE:-~/.cache/clear-containers}/debian-kernel/<package version>-<hash>/
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
cache=${CC_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/clear-containers}/debian-kernel
meta=linux-image-amd64

# What the guest needs, as paths under the package's kernel/ directory, with all that these depend on. The order of
# loading comes from the modules themselves; where nothing tells it, from this list. Built in, so not here: PVH, unix
# and packet sockets, tmpfs, cgroups, namespaces, seccomp, ptys.
wanted=(
    drivers/virtio/virtio
    drivers/virtio/virtio_ring
    drivers/virtio/virtio_pci_legacy_dev
    drivers/virtio/virtio_pci_modern_dev
    drivers/virtio/virtio_pci
    drivers/virtio/virtio_mmio  # microvm
    drivers/char/virtio_console # the agent's two ports
    drivers/char/hw_random/virtio-rng
    drivers/virtio/virtio_balloon
    drivers/nvdimm/libnvdimm
    drivers/nvdimm/nd_btt
    drivers/nvdimm/nd_pmem # the root image
    drivers/acpi/nfit/nfit
    crypto/crc32c_generic # libcrc32c asks for it by name, and the guest has no modprobe
    lib/libcrc32c
    fs/erofs/erofs
    net/9p/9pnet
    net/9p/9pnet_virtio
    fs/netfs/netfs
    fs/fscache/fscache
    fs/9p/9p # the shared directory
    fs/overlayfs/overlay
    drivers/block/virtio_blk
    net/core/failover
    drivers/net/net_failover
    drivers/net/virtio_net
)
virtiofs=(
    fs/fuse/fuse
    fs/fuse/virtiofs
)
# For root file systems on block devices. They lie in the root image, from which the agent loads them when a container comes
# with one, so that no boot has to carry them.
later=(
    lib/crc16
    fs/mbcache
    fs/jbd2/jbd2
    fs/ext4/ext4
)
# Bumped when this script changes in a way that changes the product.
recipe=3
key=$(printf "%s\n" "$recipe" "${wanted[@]}" "${virtiofs[@]}" "${later[@]}" | sha256sum | cut -c1-8)

say() { echo "debian kernel: $*" >&2; }
fail() {
    say "$@"
    exit 1
}

# newest_cached: the product that was last found to be the newest, if the cache has it.
newest_cached() {
    local latest=$cache/latest-$key
    [ -e "$latest" ] && [ -e "$cache/$(<"$latest")/vmlinux" ] && echo "$cache/$(<"$latest")"
}

# candidate: name and version of the kernel package that the meta package stands for.
candidate() {
    local package version
    package=$(apt-cache depends --important "$meta" 2>/dev/null | sed -n 's/^  Depends: \(linux-image-[0-9].*\)/\1/p' | head -n 1)
    [ -n "$package" ] || return 1
    version=$(apt-cache policy "$package" 2>/dev/null | sed -n 's/^  Candidate: \([^(].*\)/\1/p')
    [ -n "$version" ] && echo "$package $version"
}

# download: the package into $work. As root apt would complain that its own user cannot write there.
download() {
    (cd "$work" && apt-get -qq -o APT::Sandbox::User=root download "$package=$version") >&2
}

# unpack: $work/product from the package in $work. Kernel and modules come in one pass through the archive, because
# decompressing it is what takes the time.
unpack() {
    local members=("${wanted[@]}" "${virtiofs[@]}" "${later[@]}") file modules=$work/product/modules
    members=("${members[@]/#/./lib/modules/*/kernel/}")
    mkdir -p "$work/tree" "$modules" "$work/product/later/ext4"
    dpkg-deb --fsys-tarfile "$work"/*.deb |
        tar -x -C "$work/tree" --wildcards './boot/vmlinuz-*' "${members[@]/%/.ko}" >&2 ||
        fail "$package lacks a module that image/debian-kernel.sh wants (named above)"
    "$here/extract-vmlinux.sh" "$work"/tree/boot/vmlinuz-* "$work/product/vmlinux"
    for file in "${wanted[@]/#*\//}"; do
        take "$file.ko" "$modules/order"
    done
    for file in "${virtiofs[@]/#*\//}"; do
        take "$file.ko" "$modules/order.virtiofs"
    done
    take ext4.ko "$work/product/later/ext4/order"
    ls "$work/tree/lib/modules" >"$work/product/release"
}

# take FILE LIST: puts a module into the list and beside it and, before it, those that it says it depends on.
# (modules.dep is made when a kernel is installed; a package has none.)
take() {
    local path need directory=${2%/*}
    [ ! -e "$directory/$1" ] || return 0
    path=$(find "$work/tree/lib" -name "$1")
    for need in $(modinfo -F depends "$path" | tr ',' ' '); do
        need=$(find "$work/tree/lib" "$directory" -name "${need//_/[-_]}.ko" -printf '%f\n' | head -n 1)
        [ -n "$need" ] || fail "$1 needs a module that the list in image/debian-kernel.sh lacks: $(modinfo -F depends "$path")"
        take "$need" "$2"
    done
    # Checking the signatures is a fifth of all that the guest executes until the root image is mounted; stripping drops
    # them, and the guest's kernel marks itself tainted (E).
    strip --strip-debug -o "$directory/$1" "$path"
    echo "$1" >>"$2"
}

# Asking apt takes half a second: only when its lists have changed since the last time.
if found=$(newest_cached) && [ ! /var/lib/apt/lists -nt "$cache/latest-$key" ]; then
    echo "$found"
    exit 0
fi

mkdir -p "$cache"
exec 9>"$cache/lock"
flock -n 9 || { say "somebody else is unpacking one, waiting for that"; flock 9; }
# What one that was killed left behind; nobody else unpacks while we hold the lock.
rm -rf "$cache"/unpack.*
work=$(mktemp -d "$cache/unpack.XXXXXX")
trap 'rm -rf "$work"' EXIT

# Twice: apt may know nothing yet, or only a version that the archive has replaced since.
for attempt in 1 2; do
    read -r package version <<<"$(candidate)" || true
    product=$cache/${version//[^A-Za-z0-9.+~-]/_}-$key
    if [ -n "$version" ]; then
        [ -e "$product/vmlinux" ] && break
        say "downloading $package $version (70 MB)"
        download && break
    fi
    if [ $attempt = 2 ]; then
        found=$(newest_cached) || fail "cannot get $meta: is Debian's main archive in /etc/apt/sources.list, and reachable?"
        say "cannot get a newer $meta, using the cached one"
        product=$found
        break
    fi
    say "running apt-get update"
    apt-get -qq update >&2 || true
done
if [ ! -e "$product/vmlinux" ]; then
    say "unpacking it"
    unpack
    mv "$work/product" "$product"
fi
# Through a rename, so that a reader never sees half a name.
basename "$product" >"$work/latest"
mv "$work/latest" "$cache/latest-$key"
echo "$product"
