#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Builds a QEMU for cc-vmm from Debian's source of the QEMU that is installed here, with patches/ and nothing but the
# devices of devices.mak. Prints the product's path as its last line.
#
#   build.sh          build unless the cache has it
#   build.sh --path   print where the product is (or would be); exit 1 when it is not there
#
# Debian's security updates change the version, and with it the key: what was built before is not used any more then.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../../../packaging/cached-product.sh"
# Bumped when this script changes in a way that changes the product.
recipe=1
version=$(dpkg-query -W -f '${source:Version}' qemu-system-x86 2>/dev/null) ||
    { echo "qemu: qemu-system-x86 is not installed; run packaging/install-deps.sh run" >&2; exit 1; }
cached_product qemu cc-qemu "$@" < <(cat "$here/devices.mak" "$here"/patches/*.patch; echo "qemu $version recipe $recipe")

# The archives that the machine has its packages from, for source packages; its own lists stay as they are.
say "fetching the source of qemu $version"
mkdir -p "$work/lists/partial" "$work/parts"
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
apt-get indextargets --format '$(SITE) $(RELEASE) $(COMPONENT) $(ORIGIN)' 'Created-By: Packages' |
    awk -v signed="$([ ! -e $keyring ] || echo "[signed-by=$keyring] ")" \
        '$4 == "Debian" && !seen[$0]++ { print "deb-src " signed $1 " " $2 " " $3 }' >"$work/sources.list"
[ -s "$work/sources.list" ] || fail "apt knows no archive of Debian's; apt-get update may be missing"
apt=(-q -o "Dir::Etc::sourcelist=$work/sources.list" -o "Dir::Etc::sourceparts=$work/parts" -o "Dir::State::lists=$work/lists"
    -o APT::Sandbox::User=root)
(cd "$work" && apt-get "${apt[@]}" update && apt-get "${apt[@]}" source --download-only "qemu=$version") >"$work/apt.log" 2>&1 ||
    { tail -n 5 "$work/apt.log" >&2; fail "apt-get could not fetch the source of qemu $version"; }
dpkg-source --no-check -x "$work"/qemu_*.dsc "$work/source" >"$work/unpack.log" 2>&1 ||
    { tail -n 5 "$work/unpack.log" >&2; fail "unpacking the source failed"; }
for patch in "$here"/patches/*.patch; do
    patch -s -d "$work/source" -p1 -F0 <"$patch" >&2 || fail "$(basename "$patch") does not fit this source"
done
cp "$here/devices.mak" "$work/source/configs/devices/x86_64-softmmu/cc.mak"

# Static and at a fixed address: nothing is relocated, so that nearly all of the program is shared by all of them, and
# calls from translated code hold in another process (patches/). The address is this build's alone, one of 65,536.
base=$(printf '0x%x' $((0x400000 + $(od -An -N2 -tu2 /dev/urandom) * 4096)))
compiler=gcc
! command -v ccache >/dev/null || compiler="ccache gcc"
export CCACHE_BASEDIR=$work CCACHE_NOHASHDIR=1
mkdir "$work/build"
cd "$work/build"
say "configuring"
../source/configure --target-list=x86_64-softmmu --without-default-features --without-default-devices \
    --with-devices-x86_64=cc --with-pkgversion="clear-containers, Debian $version" --cc="$compiler" \
    --static --disable-pie --extra-ldflags="-Wl,-Ttext-segment=$base" --disable-debug-info \
    --disable-docs --disable-user --audio-drv-list= --enable-fdt=system \
    --enable-kvm --enable-tcg --enable-virtfs --enable-attr --enable-cap-ng --enable-seccomp --enable-linux-aio \
    --enable-vhost-kernel --enable-vhost-net --enable-vhost-user --enable-membarrier --enable-coroutine-pool --enable-avx2 \
    >"$work/configure.log" 2>&1 ||
    { tail -n 20 "$work/configure.log" >&2; fail "configure failed"; }

say "compiling on $(nproc) cores, 5 to 8 minutes on two idle ones"
ninja -j "$(nproc)" qemu-system-x86_64 2>&1 | tee "$work/ninja.log" |
    awk -F '[][/]' '/^\[[0-9]+\// && $2 >= next_one { printf "qemu: %d of %d steps\n", $2, $3 > "/dev/stderr"; next_one = $2 + 100 }' ||
    { tail -n 20 "$work/ninja.log" >&2; fail "the build failed"; }
strip -o "$work/cc-qemu" qemu-system-x86_64
"$work/cc-qemu" --version >/dev/null || fail "the product does not run"

keep_product "$work/cc-qemu"
