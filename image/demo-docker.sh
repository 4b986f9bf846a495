#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A private dockerd with cc-runtime as its default runtime, and a few containers that show what that means. Nothing of the
# host's own Docker is touched: daemon, sockets, network, mounts and processes are in namespaces of their own, and end with
# this script, however it ends. `make demo-docker` comes here.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
runtime=$here/../build/bin/cc-runtime

fail() {
    echo "demo-docker: $*" >&2
    exit 1
}

if [ -z "${CC_DEMO_DIRECTORY:-}" ]; then
    [ "$(id -u)" = 0 ] || fail "dockerd and cc-runtime need root"
    [ -x "$runtime" ] || fail "$runtime is missing; make builds it"
    CC_DEMO_DIRECTORY=$(mktemp -d /tmp/cc-demo-docker.XXXXXX)
    export CC_DEMO_DIRECTORY
    # shellcheck disable=SC2317 # called by the trap
    cleanup() {
        trap '' INT TERM HUP
        if [ -n "${inside:-}" ] && kill -0 "$inside" 2>/dev/null; then
            # To the script inside, which ends its containers; unshare alone would kill all of it.
            pkill -TERM -P "$inside" || true
            wait "$inside" 2>/dev/null || true
        fi
        # Of processes that were killed with the namespace: their cgroups are the host's.
        find /sys/fs/cgroup -depth -type d -path "*/${CC_DEMO_DIRECTORY##*/}*" -exec rmdir {} + 2>/dev/null || true
        rm -rf --one-file-system "$CC_DEMO_DIRECTORY"
    }
    trap cleanup EXIT
    trap 'exit 129' HUP
    trap 'exit 130' INT
    trap 'exit 143' TERM
    # The first process of the pid namespace is this script again; what it leaves is killed with it.
    setsid unshare --net --mount --pid --fork --kill-child --mount-proc -- "$0" <&0 &
    inside=$!
    status=0
    wait "$inside" || status=$?
    exit "$status"
fi

base=$CC_DEMO_DIRECTORY
[ $$ = 1 ] || fail "CC_DEMO_DIRECTORY is this script's own, do not set it"
dockerd=
end() {
    trap '' INT TERM HUP
    if [ -n "$dockerd" ]; then
        docker ps -qa 2>/dev/null | xargs -r docker rm -f >/dev/null 2>&1 || true
        kill -TERM "$dockerd" || true
        wait "$dockerd" 2>/dev/null || true
    fi
    "$runtime" --cc-config "$base/configuration.toml" template rm --all 2>/dev/null || true
    # An orphan, so a child of process 1 of this namespace. It puts back what it set on the machine (page sharing).
    pkill -TERM -P 1 -x cc-proxy || true
    for ((i = 0; i < 50; i++)); do pgrep -P 1 -x cc-proxy >/dev/null || break; sleep 0.1; done
}
trap end EXIT
trap 'exit 143' INT TERM HUP

# The host's sockets are out of sight (dockerd would use the host's containerd), and its /run stays as it is.
mount -t tmpfs -o mode=755 none /run
ip link set lo up
printf '[runtime]\nrun_dir = "%s/run"\n[factory]\nvm_cache_number = 1\ntemplate_path = "%s/template"\n' "$base" "$base" \
    >"$base/configuration.toml"
# What the engine starts: cc-runtime with a configuration of this demonstration's own.
printf '#!/bin/sh\nexec "%s" --cc-config "%s/configuration.toml" "$@"\n' "$runtime" "$base" >"$base/cc-runtime"
chmod 755 "$base/cc-runtime"
cat >"$base/daemon.json" <<JSON
{
  "data-root": "$base/data",
  "exec-root": "$base/exec",
  "pidfile": "$base/pid",
  "hosts": [
    "unix://$base/docker.sock"
  ],
  "storage-driver": "vfs",
  "cgroup-parent": "/${base##*/}",
  "bip": "10.111.0.1/24"
}
JSON
# As on a host of one's own, but for the file's name.
"$runtime" setup docker --default --config "$base/daemon.json" --runtime "$base/cc-runtime" >"$base/change"
dockerd --config-file "$base/daemon.json" >"$base/log" 2>&1 </dev/null &
dockerd=$!
export DOCKER_HOST=unix://$base/docker.sock
for ((i = 0; ; i++)); do
    ! docker version >/dev/null 2>&1 || break
    if ! kill -0 "$dockerd" 2>/dev/null || [ "$i" -ge 300 ]; then
        tail -n 5 "$base/log" >&2
        fail "dockerd does not start"
    fi
    sleep 0.1
done

bold='' plain=''
[ ! -t 1 ] || { bold=$(tput bold 2>/dev/null || true); plain=$(tput sgr0 2>/dev/null || true); }
say() { printf '\n%s%s%s\n' "$bold" "$*" "$plain"; }
# show COMMAND: it as a person would type it, and what it prints.
show() {
    printf '  $ %s\n' "$1"
    bash -c "$1" 2>&1 | sed 's/^/    /'
}

say "Docker with cc-runtime as default runtime. This is what \`cc-runtime setup docker --default\` changed:"
grep '^[-+][^-+]' "$base/change" | sed 's/^/    /'

mkdir -p "$base"/image/{bin,etc,tmp,root}
cp /bin/busybox "$base/image/bin/busybox"
/bin/busybox --list | grep -v '^busybox$' | while read -r applet; do ln -s busybox "$base/image/bin/$applet"; done
echo 'root:x:0:0:root:/root:/bin/sh' >"$base/image/etc/passwd"
say "An image made of Debian's busybox; the first container also saves the machine that the others are cloned from:"
tar -C "$base/image" -c . | docker import -c 'ENV PATH=/bin' - busybox >/dev/null
show 'time -p docker run --rm busybox echo hello from a virtual machine'

say "Another kernel than the host's:"
show 'uname -sr'
show 'docker run --rm busybox uname -sr'

say "A process of the host's, a stream into it, a status out of it:"
show 'seq 1000000 | sha256sum'
show 'seq 1000000 | docker run --rm -i busybox sha256sum'
show 'docker run --rm busybox sh -c "exit 7"; echo "status $?"'

say "One that stays, with a limit and a port; exec, top and the network as ever:"
# shellcheck disable=SC2016 # as a person types it
show 'docker run -d --name web --memory 64m -p 8080:80 busybox sh -c "echo served by \$(uname -n) >/index.html; exec httpd -f -p 80 -h /" >/dev/null'
show 'docker exec web cat /sys/fs/cgroup/memory.max'
show 'docker top web -o pid,args'
# shellcheck disable=SC2016
show 'i=0; until busybox wget -qO- http://127.0.0.1:8080/ 2>/dev/null || [ $((i += 1)) = 50 ]; do sleep 0.1; done'
show 'docker rm -f web'

say "The time from docker run to its end, five times:"
show 'TIMEFORMAT="%R s"; for i in 1 2 3 4 5; do time docker run --rm busybox true; done'
say "That was all; nothing of it stays."
