#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What containers and engines might leave behind on a host, a line each: network interfaces and namespaces, mounts,
# cgroups, and processes of ours, of QEMU and of engines. Before and after the tests it shall be the same.
set -euo pipefail

for link in /sys/class/net/*; do echo "interface ${link##*/}"; done
for name in /run/netns/*; do [ ! -e "$name" ] || echo "network namespace ${name##*/}"; done
awk '{ print "mount " $5 " " $4 }' /proc/self/mountinfo
# Without the two that Podman makes for its conmons on its first use, and keeps.
find /sys/fs/cgroup -mindepth 2 -type d ! -path '*/libpod_parent' ! -path '*/libpod_parent/conmon' -printf 'cgroup %p\n'
for process in /proc/[0-9]*; do
    name=$(cat "$process/comm" 2>/dev/null) || continue
    case $name in
        cc-* | clear-container* | qemu-* | dockerd | containerd* | docker-* | conmon | podman | runc | crun | netavark | slirp4netns)
            [ ! -e "$process/exe" ] || echo "process $name" ;;  # one that nobody has waited for has ended, too
    esac
done | sort
