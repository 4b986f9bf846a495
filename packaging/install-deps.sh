#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Installs the Debian packages that something of this tree needs; make run, make test and CI all come here.
#
#   install-deps.sh GROUP ...
#
# Groups: build run test bench lint fuzz kernel qemu engines. Says what it installs; says nothing when all is there.
set -euo pipefail

declare -A groups=(
    [build]="g++ cmake ccache ninja-build make pkg-config git
        libuv1-dev libmsgpack-cxx-dev libmsgpack-dev libcli11-dev libspdlog-dev libfmt-dev doctest-dev
        nlohmann-json3-dev libexpected-dev libtomlplusplus-dev libnl-route-3-dev libseccomp-dev libcap-dev nettle-dev"
    # The virtual machine, and what makes its files (image/).
    [run]="qemu-system-x86 seabios busybox-static erofs-utils cpio xz-utils kmod binutils"
    # Other runtimes to compare with, and tools that the end-to-end tests start.
    [test]="crun runc socat strace e2fsprogs util-linux procps"
    # What only the benchmarks compare with.
    [bench]="runsc"
    [lint]="clang-format clang-tidy"
    [fuzz]="clang libclang-rt-14-dev llvm"
    [kernel]="linux-source-6.1 gcc make patch flex bison bc libelf-dev libssl-dev kmod xz-utils"
    [qemu]="libglib2.0-dev libpixman-1-dev zlib1g-dev libcap-ng-dev libattr1-dev libseccomp-dev libfdt-dev libaio-dev
        meson ninja-build pkg-config python3 flex bison gcc patch dpkg-dev xz-utils"
    # The container engines that the end-to-end tests drive, and the clients beside them.
    [engines]="docker.io containerd podman iptables containernetworking-plugins python3-grpcio"
)

fail() {
    echo "install-deps: $*" >&2
    exit 1
}

[ $# -gt 0 ] || fail "usage: install-deps.sh GROUP ...; groups: build run test bench lint fuzz kernel qemu engines"
wanted=()
for group in "$@"; do
    [ -n "${groups[$group]+known}" ] || fail "no group named $group; there are: build run test bench lint fuzz kernel qemu engines"
    # shellcheck disable=SC2206 # a list of words
    wanted+=(${groups[$group]})
done
[ ${#wanted[@]} -gt 0 ] || exit 0
command -v dpkg-query apt-get >/dev/null || fail "this needs Debian (12 is tested): there is no apt-get here"

declare -A installed=()
while read -r status package; do
    [ "$status" != installed ] || installed[$package]=1
done < <(dpkg-query -W -f '${db:Status-Status} ${Package}\n' "${wanted[@]}" 2>/dev/null)
missing=()
for package in "${wanted[@]}"; do
    [ -n "${installed[$package]+there}" ] || missing+=("$package")
    installed[$package]=1
done
[ ${#missing[@]} -gt 0 ] || exit 0

[ "$(id -u)" = 0 ] || fail "these packages are missing: ${missing[*]}; run this as root, or apt-get install them"
echo "install-deps: installing ${missing[*]}"

log=$(mktemp)
trap 'rm -f "$log"' EXIT
# dpkg writes every file through to the disk before it goes on, which more than doubles the time (137 s against 57 s
# for four packages on a busy disk); one sync at the end does the same for what is there when we say that it is.
install() {
    export DEBIAN_FRONTEND=noninteractive
    {
        apt-get -q -o DPkg::Lock::Timeout=120 update &&
            apt-get -q -y -o DPkg::Lock::Timeout=120 -o Dpkg::Use-Pty=0 -o Dpkg::Options::=--force-unsafe-io \
                install --no-install-recommends "${missing[@]}" &&
            sync
    } >"$log" 2>&1 </dev/null
}
started=$SECONDS
if ! install; then
    echo "install-deps: apt failed, trying once more ($(grep -m 1 '^E: ' "$log" || tail -n 1 "$log"))" >&2
    sleep 2
    install || {
        tail -n 20 "$log" >&2
        fail "apt-get could not install the packages above; its last words stand before this line"
    }
fi
echo "install-deps: done in $((SECONDS - started)) s"
