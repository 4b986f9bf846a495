#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Runs one container in a virtual machine, of a root file system made from Debian's busybox-static. `make run` ends here.
#
#   [CMD='shell command'] run-demo.sh       exits with the command's status
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
runtime=$here/../build/bin/cc-runtime
[ -x "$runtime" ] || { echo "run-demo: $runtime is missing; make builds it" >&2; exit 1; }
# What $(uname -r) says is found out by the shell in the container.
# shellcheck disable=SC2016
default='echo "in the container:  Linux $(uname -r), $(nproc) CPU, pid $$, host name $(hostname)"'

id=demo-$$
bundle=$(mktemp -d /tmp/cc-demo.XXXXXX)
running=
# shellcheck disable=SC2317 # called by the trap
cleanup() {
    trap '' INT TERM HUP
    # Only where the runtime did not get to do it itself, because it was killed.
    "$runtime" delete --force "$id" >/dev/null 2>&1 || true
    [ -z "$running" ] || wait "$running" 2>/dev/null || true
    rm -rf --one-file-system "$bundle"
}
trap cleanup EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

# json_string TEXT: it as a JSON string with its quotes.
json_string() {
    local text=$1 out='' i c
    for ((i = 0; i < ${#text}; i++)); do
        c=${text:i:1}
        case $c in
            '"' | $'\\') out+="\\$c" ;;
            [[:cntrl:]]) out+=$(printf '\\u%04x' "'$c") ;;
            *) out+=$c ;;
        esac
    done
    printf '"%s"' "$out"
}

make_rootfs() {
    local root=$1
    mkdir -p "$root"/{dev,etc,proc,root,run,sys,tmp,usr/bin,usr/sbin,var/tmp}
    chmod 1777 "$root/tmp" "$root/var/tmp"
    chmod 700 "$root/root"
    ln -s usr/bin "$root/bin"
    ln -s usr/sbin "$root/sbin"
    cp /bin/busybox "$root/usr/bin/busybox"
    # Links to the path that busybox runs from here, /usr/bin/busybox or /bin/busybox: both are there.
    /bin/busybox --install -s "$root/usr/bin"
    echo 'root:x:0:0:root:/root:/bin/sh' >"$root/etc/passwd"
    printf 'root:x:0:\ntty:x:5:\n' >"$root/etc/group"
    echo 'root::0:0:99999:7:::' >"$root/etc/shadow"
    chmod 640 "$root/etc/shadow"
    echo clear >"$root/etc/hostname"
    printf '127.0.0.1 localhost clear\n::1 localhost\n' >"$root/etc/hosts"
}

# make_config ARGS TERMINAL: config.json on standard output; the capabilities are those that Docker gives.
make_config() {
    local capabilities='["CAP_CHOWN","CAP_DAC_OVERRIDE","CAP_FSETID","CAP_FOWNER","CAP_MKNOD","CAP_NET_RAW","CAP_SETGID",
      "CAP_SETUID","CAP_SETFCAP","CAP_SETPCAP","CAP_NET_BIND_SERVICE","CAP_SYS_CHROOT","CAP_KILL","CAP_AUDIT_WRITE"]'
    cat <<JSON
{
  "ociVersion": "1.0.2",
  "hostname": "clear",
  "root": {"path": "rootfs", "readonly": false},
  "process": {
    "terminal": $2,
    "user": {"uid": 0, "gid": 0},
    "args": $1,
    "env": ["PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", $(json_string "TERM=${TERM:-xterm}")],
    "cwd": "/root",
    "capabilities": {
      "bounding": $capabilities,
      "effective": $capabilities,
      "permitted": $capabilities
    },
    "rlimits": [{"type": "RLIMIT_NOFILE", "soft": 1024, "hard": 4096}],
    "noNewPrivileges": true
  },
  "mounts": [
    {"destination": "/proc", "type": "proc", "source": "proc", "options": ["nosuid", "noexec", "nodev"]},
    {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "strictatime", "mode=755", "size=65536k"]},
    {"destination": "/dev/pts", "type": "devpts", "source": "devpts",
     "options": ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"]},
    {"destination": "/dev/shm", "type": "tmpfs", "source": "shm", "options": ["nosuid", "noexec", "nodev", "mode=1777", "size=65536k"]},
    {"destination": "/dev/mqueue", "type": "mqueue", "source": "mqueue", "options": ["nosuid", "noexec", "nodev"]},
    {"destination": "/sys", "type": "sysfs", "source": "sysfs", "options": ["nosuid", "noexec", "nodev", "ro"]}
  ],
  "linux": {
    "namespaces": [{"type": "pid"}, {"type": "mount"}, {"type": "ipc"}, {"type": "uts"}, {"type": "network"}],
    "maskedPaths": ["/proc/kcore", "/proc/keys", "/proc/timer_list", "/sys/firmware"],
    "readonlyPaths": ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"]
  }
}
JSON
}

command=${CMD:-$default}
case $command in
    sh | /bin/sh) arguments='["sh"]' ;;
    *) arguments="[\"sh\", \"-c\", $(json_string "$command")]" ;;
esac
terminal=false
[ ! -t 0 ] || [ ! -t 1 ] || terminal=true

make_rootfs "$bundle/rootfs"
make_config "$arguments" "$terminal" >"$bundle/config.json"
[ -n "${CMD:-}" ] || echo "on the host:       Linux $(uname -r), $(nproc) CPUs"

status=0
if [ "$terminal" = true ]; then
    # Ctrl-C is the container's: the terminal is raw.
    "$runtime" run --timing --bundle "$bundle" "$id" || status=$?
else
    # Beside us, so that a signal ends us at once; PID 1 of a container may well ignore what is forwarded to it.
    "$runtime" run --timing --bundle "$bundle" "$id" <&0 &
    running=$!
    wait "$running" || status=$?
    running=
fi
[ -n "${CMD:-}" ] || echo "(what it was cloned from stays in memory for the next one; $runtime template rm --all ends it)"
exit "$status"
