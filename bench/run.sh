#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Measures what docs/benchmarks.md reports: how long a container takes to say its first word, beside crun, runc and gVisor
# with the same bundle, what the processes of one running container weigh, and how big the binary is; and what the hub costs
# under load (bench/hub/). The tables go to standard output, to bench/results.md and bench/results-hub.md, and into
# docs/benchmarks.md.
#
#   RUNS=5 BUILD=build bench/run.sh
#   bench/run.sh hub                only the hub: one to two minutes, without root or a VM
#   bench/run.sh verbs              only state, list, kill 0 and exec beside crun's and runc's, and only to standard output
#   bench/run.sh rate               only how many containers start a second, and only to standard output
#   bench/run.sh network            only the network beside runc's, and only to standard output
#   bench/run.sh density            only what twenty idle containers weigh, and only to standard output
#   bench/run.sh docker             only docker run and exec beside runc's, and only to standard output
#   bench/run.sh CONTENDER ...      only these of pool, clone, stock, tuned, debian, crun, runc and runsc, and only to standard output
set -euo pipefail
cd "$(dirname "$0")/.."
export LC_ALL=C
runs=${RUNS:-5}
verb_runs=${VERB_RUNS:-100}
build=$(realpath "${BUILD:-build}")

machine() {
    echo "$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -1), $(nproc) cores," \
        "$(awk '/^MemTotal/ { printf "%.1f GiB", $2 / 1048576 }' /proc/meminfo), Linux $(uname -r)"
}

# put_results NAME FILE: the file into the page, between the two marks of this name.
put_results() {
    local page
    page=$(awk -v results="$2" -v begin="<!-- $1: begin -->" -v end="<!-- $1: end -->" '
        $0 == begin { print; while ((getline line < results) > 0) print line; skip = 1 }
        $0 == end { skip = 0 }
        !skip' docs/benchmarks.md)
    echo "$page" >docs/benchmarks.md
}

measure_hub() {
    local load_before
    cmake --build "$build" --target clear-containers hub-load >/dev/null
    load_before=$(cut -d' ' -f1-3 /proc/loadavg)
    {
        echo "Measured $(date -u '+%Y-%m-%d %H:%M UTC'), commit $(git rev-parse --short=12 HEAD)."
        echo "Machine: $(machine)."
        echo
        "$build/bench/hub-load" "$build/bin"
        echo
        echo "Load average: $load_before before, $(cut -d' ' -f1-3 /proc/loadavg) after, our own load included."
    } | tee bench/results-hub.md
    put_results hub bench/results-hub.md
}

if [ "${1:-}" = hub ]; then
    measure_hub
    exit 0
fi
share=$build/share/clear-containers
runtime=$build/bin/cc-runtime

only=
if [ "${1:-}" = verbs ]; then
    only=verbs
    contenders=(tuned crun runc)
elif [ "${1:-}" = rate ]; then
    only=rate
    contenders=(pool clone crun runc)
elif [ "${1:-}" = network ]; then
    only=network
    contenders=(clone runc)
elif [ "${1:-}" = density ]; then
    only=density
    contenders=(clone stock)
elif [ "${1:-}" = docker ]; then
    only=docker
    contenders=(pool runc)
elif [ $# -gt 0 ]; then
    contenders=("$@")
else
    contenders=(pool clone stock tuned debian crun runc runsc)
fi
[ "$(id -u)" = 0 ] || { echo "bench: containers need root" >&2; exit 1; }
cmake --build "$build" --target first-byte >/dev/null
first_byte=$build/bench/first-byte
own_qemu=$build/libexec/clear-containers/cc-qemu
stock_qemu=/usr/bin/qemu-system-x86_64

work=$(mktemp -d /tmp/cc-bench.XXXXXX)
state=$work/state
container=
running=()  # "CONTENDER CONTAINER", of those that the verbs are asked about
without_unified=
cleanup() {
    local entry pid
    trap '' INT TERM HUP
    for entry in "${running[@]}"; do
        with_runtime "${entry% *}" delete --force "${entry#* }" || true
    done
    end_network
    [ -z "$without_unified" ] || kill "$without_unified" 2>/dev/null || true
    [ -z "$container" ] || "$runtime" --root "$state" --cc-config "$work/tuned.toml" delete --force "$container" || true
    for pid in pool clone stock; do
        [ ! -e "$work/$pid.toml" ] || with_runtime "$pid" template rm --all
    done
    # The proxy that our runs started; nothing else has this directory on its command line.
    for pid in $(processes_with "$work/"); do
        kill "$pid" 2>/dev/null || true
    done
    rm -rf --one-file-system "$work"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# processes_with TEXT: the pids of processes that have it on their command line, our own ones aside.
processes_with() {
    local file pid
    for file in /proc/[0-9]*/cmdline; do
        pid=${file#/proc/}
        pid=${pid%/cmdline}
        [ "$pid" != $$ ] && [ "$pid" != "$BASHPID" ] || continue
        ! tr '\0' ' ' 2>/dev/null <"$file" | grep -qF -- "$1" || echo "$pid"
    done
}

make_bundle() {
    local bundle=$1 args=$2
    mkdir -p "$bundle"
    ln -sfn "$work/rootfs" "$bundle/rootfs"
    cat >"$bundle/config.json" <<JSON
{"ociVersion": "1.0.2", "hostname": "bench",
 "root": {"path": "$work/rootfs"},
 "process": {"terminal": false, "user": {"uid": 0, "gid": 0}, "args": $args,
  "env": ["PATH=/bin"], "cwd": "/", "noNewPrivileges": true},
 "mounts": [
  {"destination": "/proc", "type": "proc", "source": "proc"},
  {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "mode=755", "size=65536k"]},
  {"destination": "/dev/pts", "type": "devpts", "source": "devpts",
   "options": ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"]}],
 "linux": {"namespaces": [{"type": "pid"}, {"type": "ipc"}, {"type": "uts"}, {"type": "mount"}, {"type": "network"}]}}
JSON
}

make_guest_config() {
    local file=$1
    shift
    {
        echo '[hypervisor.qemu]'
        printf '%s\n' "$@"
        printf '[runtime]\nrun_dir = "%s/run"\n[factory]\n' "$work"
        case $file in
            */pool.toml) echo 'vm_cache_number = 2' ;;
            */clone.toml | */stock.toml)
                printf 'vm_cache_number = 0\ntemplate_path = "%s/%s-templates"\n' "$work" "$(basename "$file" .toml)"
                ;;
            *) echo 'enable_template = false' ;;
        esac
    } >"$file"
}

prepare() {
    mkdir -p "$work/rootfs"/{bin,dev,proc,sys,tmp}
    cp /bin/busybox "$work/rootfs/bin/busybox"
    make_bundle "$work/hello" '["/bin/busybox", "echo", "hello"]'
    make_bundle "$work/sleep" '["/bin/busybox", "sleep", "1000"]'
    hide_unified
    # As on a host in use. One that was started on demand would leave between two rounds.
    mkdir -p "$work/run"
    "$build/bin/cc-proxy" -socket-path "$work/run/proxy.sock" -log error -ksm initial &
    local way
    for way in pool clone tuned; do
        make_guest_config "$work/$way.toml" "kernel = \"$share/vmlinux.container\"" \
            "image = \"$share/clear-containers.img\""
    done
    make_guest_config "$work/stock.toml" "kernel = \"$share/vmlinux.container\"" \
        "image = \"$share/clear-containers.img\"" "path = \"$stock_qemu\""
    make_guest_config "$work/debian.toml" "kernel = \"$share/vmlinux.debian\"" "initrd = \"$share/initrd.debian\""
}

# crun refuses to run where cgroup version 2 is mounted beside version 1, though empty. It gets a mount namespace in which
# that is covered up; a sleeping process keeps it.
hide_unified() {
    mountpoint -q /sys/fs/cgroup/unified || return 0
    mkfifo "$work/ready"
    unshare --mount --propagation private sh -c \
        'mount -t tmpfs none /sys/fs/cgroup/unified && echo >"$0" && exec sleep infinity' "$work/ready" &
    without_unified=$!
    read -r <"$work/ready"
}

# Why a contender cannot take part; nothing when it can.
missing() {
    case $1 in
        pool | clone | tuned) [ -e "$share/vmlinux.container" ] || echo "no tuned kernel: make kernel builds it" ;;
        stock)
            if [ ! -e "$own_qemu" ]; then
                echo "all others have Debian's QEMU, too: make qemu builds ours"
            else
                missing clone
            fi
            ;;
        debian) [ -e "$share/vmlinux.debian" ] || echo "no Debian kernel: make image fetches it" ;;
        *) command -v "$1" >/dev/null || echo "$1 is not installed" ;;
    esac
}

title() {
    case $1 in
        pool) echo "cc-runtime, pool" ;;
        clone) echo "cc-runtime, clone" ;;
        stock) echo "cc-runtime, clone, Debian's QEMU" ;;
        tuned) echo "cc-runtime, boot, tuned kernel" ;;
        debian) echo "cc-runtime, boot, Debian's kernel" ;;
        runsc) echo "gVisor (runsc of Debian, ptrace)" ;;
        *) echo "$1 $("$1" --version | sed -n '1s/.*version //p')" ;;
    esac
}

# One run of a contender: its line of first-byte to the file of its numbers, its phases beside.
run_once() {
    local contender=$1 into=$2 line timing=()
    case $contender in pool | clone | stock | tuned | debian) timing=(--timing) ;; esac
    [ "$contender" != pool ] || wait_pool
    line=$(with_runtime "$contender" --measured run "${timing[@]}" --bundle "$work/hello" "bench-$contender-$$" 2>"$work/stderr") || true
    if [[ ! $line =~ ^[0-9.]+\ [0-9.]+\ 0$ ]]; then
        echo "bench: $contender failed: $line" >&2
        cat "$work/stderr" >&2
        exit 1
    fi
    [ -n "$into" ] || return 0
    echo "$line" >>"$into"
    # "  kernel    1.234 s" of --timing
    sed -nE 's/^ +(.*[^ ]) +([0-9]+\.[0-9]+) s$/\2 \1/p' "$work/stderr" >>"$into.phases"
}

# with_runtime CONTENDER [--measured] ARGUMENT ...: a command of its, in the place where it works.
with_runtime() {
    local contender=$1 command=() prefix=() measured=()
    shift
    if [ "$1" = --measured ]; then
        measured=("$first_byte")
        shift
    fi
    case $contender in
        pool | clone | stock | tuned | debian) command=("$runtime" --root "$state" --cc-config "$work/$contender.toml") ;;
        # Of gVisor's platforms the one that works everywhere; its network would be a stack of its own.
        runsc) command=("$(command -v runsc)" --platform=ptrace --network=none --root "$work/runsc-state") ;;
        *) command=("$(command -v "$contender")" --root "$work/$contender-state") ;;
    esac
    [ "$contender" != crun ] || [ -z "$without_unified" ] || prefix=(nsenter --mount="/proc/$without_unified/ns/mnt")
    "${prefix[@]}" "${measured[@]}" "${command[@]}" "$@" </dev/null
}

# What is asked of a runtime all day: 100 times each, in turn, of a container that runs. The guest has a part in exec only.
verbs_table() {
    local contender verb i id present=() base ours=tuned
    [ -z "$(missing tuned)" ] || ours=debian
    for contender in "$ours" crun runc; do
        [ -z "$(missing "$contender")" ] || continue
        id=bench-verbs-$contender-$$
        with_runtime "$contender" run --detach --bundle "$work/sleep" "$id" >/dev/null 2>"$work/stderr" ||
            { cat "$work/stderr" >&2; return 1; }
        running+=("$contender $id")
        present+=("$contender")
    done
    rm -f "$work"/verb.*
    for ((i = 0; i < verb_runs; i++)); do
        for contender in "${present[@]}"; do
            id=bench-verbs-$contender-$$
            with_runtime "$contender" --measured state "$id" >>"$work/verb.$contender.state"
            with_runtime "$contender" --measured list >>"$work/verb.$contender.list"
            with_runtime "$contender" --measured kill "$id" 0 >>"$work/verb.$contender.kill"
            with_runtime "$contender" --measured exec "$id" /bin/busybox true >>"$work/verb.$contender.exec"
        done
    done
    printf '\n| %d times, of one running container | median (ms) | all (ms) | times crun |\n|---|--:|--:|--:|\n' "$verb_runs"
    for contender in "${present[@]}"; do
        for verb in state list kill exec; do
            ! grep -qv ' 0$' "$work/verb.$contender.$verb" || { echo "bench: $contender $verb failed" >&2; return 1; }
            base=0
            [ ! -e "$work/verb.crun.$verb" ] || base=$(sum "$work/verb.crun.$verb")
            echo "| $(title "$contender" | sed 's/,.*//'), ${verb/#kill/kill 0} | $(cut -d' ' -f2 "$work/verb.$contender.$verb" | awk '{ print $1 * 1000 }' |
                spread | awk '{ printf "%.2f", $2 / 1000 }') | $(sum "$work/verb.$contender.$verb") | $(awk \
                -v a="$(sum "$work/verb.$contender.$verb")" -v b="$base" 'BEGIN { if (b > 0) printf "%.1f", a / b; else printf "-" }') |"
        done
    done
    while [ ${#running[@]} -gt 0 ]; do
        with_runtime "${running[0]% *}" delete --force "${running[0]#* }" >/dev/null
        running=("${running[@]:1}")
    done
}

# sum FILE: of the second numbers of first-byte, in whole milliseconds.
sum() {
    awk '{ all += $2 } END { printf "%.0f", all }' "$1"
}

# minimum, median and maximum of the numbers on standard input
spread() {
    sort -n | awk '{ v[NR] = $1 }
        END { if (NR == 0) { print "- - -"; exit }
              median = NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2
              printf "%.0f %.0f %.0f\n", v[1], median, v[NR] }'
}

start_table() {
    local contender base='' low median high low_end median_end high_end
    [ ! -e "$work/crun.numbers" ] || base=$(cut -d' ' -f1 "$work/crun.numbers" | spread | cut -d' ' -f2)
    echo "| | first byte: min | median | max (ms) | times crun | end: median (ms) |"
    echo "|---|--:|--:|--:|--:|--:|"
    for contender in "${present[@]}"; do
        read -r low median high < <(cut -d' ' -f1 "$work/$contender.numbers" | spread)
        read -r low_end median_end high_end < <(cut -d' ' -f2 "$work/$contender.numbers" | spread)
        echo "| $(title "$contender") | $low | $median | $high | $(awk -v a="$median" -v b="${base:-0}" \
            'BEGIN { if (b > 0) printf "%.1f", a / b; else printf "-" }') | $median_end |"
    done
}

phase_table() {
    local contender names=() name files=()
    for contender in pool clone stock tuned debian; do
        [ ! -s "$work/$contender.numbers.phases" ] || files+=("$contender")
    done
    [ ${#files[@]} -gt 0 ] || return 0
    mapfile -t names < <(for contender in "${files[@]}"; do cat "$work/$contender.numbers.phases"; done |
        cut -d' ' -f2- | awk '!seen[$0]++')
    printf '\n| phase (median, ms) |'
    for contender in "${files[@]}"; do printf ' %s |' "$(title "$contender")"; done
    printf '\n|---|'
    for contender in "${files[@]}"; do printf -- '--:|'; done
    echo
    for name in "${names[@]}"; do
        printf '| %s |' "$name"
        for contender in "${files[@]}"; do
            printf ' %s |' "$(awk -v n="$name" '{ v = $1; $1 = ""; if (substr($0, 2) == n) print v * 1000 }' \
                "$work/$contender.numbers.phases" | spread | cut -d' ' -f2)"
        done
        echo
    done
}

# Until all VMs of the pool wait.
wait_pool() {
    with_runtime pool template build >/dev/null
    until with_runtime pool template list --format json | grep -q '"pool":2,"poolReady":2'; do sleep 0.1; done
}

# pss PID: in KiB.
pss() {
    awk '/^Pss:/ { print $2 }' "/proc/$1/smaps_rollup"
}

# How much twenty idle containers take that are cloned from one template: 3.0's way of measuring.
density_table() {
    local contender
    for contender in clone stock; do
        [ -n "$(missing "$contender")" ] || density_of "$contender"
    done
}

density_of() {
    local contender=$1 i id pid count=20 before after qemu=0 keeper=0 shim=0
    with_runtime "$contender" template build >/dev/null
    before=$(awk '/^MemAvailable:/ { print $2 }' /proc/meminfo)
    for ((i = 0; i < count; i++)); do
        id=bench-density-$i-$$
        with_runtime "$contender" run --detach --bundle "$work/sleep" "$id" >/dev/null 2>"$work/stderr" ||
            { cat "$work/stderr" >&2; return 1; }
        running+=("$contender $id")
    done
    # Until they are idle: the VMs give back what only their start needed, within three seconds.
    sleep 5
    after=$(awk '/^MemAvailable:/ { print $2 }' /proc/meminfo)
    for pid in $(processes_with "$work/run/vm/"); do
        qemu=$((qemu + $(pss "$pid")))
        keeper=$((keeper + $(pss "$(awk '/^PPid:/ { print $2 }' "/proc/$pid/status")")))
    done
    for ((i = 0; i < count; i++)); do
        pid=$(with_runtime "$contender" state "bench-density-$i-$$" | sed -nE 's/^ *"pid": ([0-9]+),?$/\1/p')
        shim=$((shim + $(pss "$pid")))
    done
    printf '\n| %d idle containers (%s), of each | MiB |\n|---|--:|\n' "$count" "$(title "$contender")"
    awk -v n="$((count * 1024))" -v q="$qemu" -v k="$keeper" -v s="$shim" -v m="$((before - after))" 'BEGIN {
        printf "| PSS of QEMU, keeper and shim | %.1f |\n", (q + k + s) / n
        printf "| of it keeper and shim | %.2f |\n", (k + s) / n
        printf "| MemAvailable is less by | %.1f |\n", m / n }'
    while [ ${#running[@]} -gt 0 ]; do
        with_runtime "${running[0]% *}" delete --force "${running[0]#* }" >/dev/null
        running=("${running[@]:1}")
    done
}

# weigh NAME PID: a line of the memory table, in KiB.
weigh() {
    local name=$1 pid=$2
    awk -v name="$name" '/^Rss:/ { rss = $2 } /^Pss:/ { pss = $2 } /^Pss_Anon:/ { anon = $2 }
        END { printf "| %s | %d | %d | %d |\n", name, rss, pss, anon }' "/proc/$pid/smaps_rollup"
}

# The processes of one running container that has nothing to do.
memory_table() {
    local shim qemu keeper proxy
    container=bench-memory-$$
    "$runtime" --root "$state" --cc-config "$work/tuned.toml" run --detach --bundle "$work/sleep" "$container" \
        </dev/null >/dev/null
    sleep 2
    shim=$("$runtime" --root "$state" --cc-config "$work/tuned.toml" state "$container" |
        sed -nE 's/^ *"pid": ([0-9]+),?$/\1/p')
    qemu=$(processes_with "$work/run/vm/" | while read -r pid; do
        case $(readlink "/proc/$pid/exe") in *qemu*) echo "$pid" ;; esac
    done)
    keeper=$(awk '/^PPid:/ { print $2 }' "/proc/$qemu/status")
    proxy=$(processes_with "$work/run/proxy.sock" | head -1)
    printf '\n| process | RSS (KiB) | PSS (KiB) | of it anonymous |\n|---|--:|--:|--:|\n'
    weigh cc-proxy "$proxy"
    weigh cc-shim "$shim"
    weigh cc-vmm "$keeper"
    weigh "QEMU with the guest's memory" "$qemu"
    "$runtime" --root "$state" --cc-config "$work/tuned.toml" delete --force "$container" >/dev/null
    container=
}

. bench/rate_table.sh
. bench/network_table.sh

# docker_table: a daemon of its own with both runtimes, in turn; a second between two runs, in which a pool fills up again.
docker_table() {
    tests/e2e/steps/soak.py --pause 1 beside $((runs * 2))
}

# The QEMU that cc-runtime takes by itself.
vmm() {
    if [ -e "$own_qemu" ] && [ "$acceleration" = emulation ]; then echo "$own_qemu"; else echo "$stock_qemu"; fi
}

size_table() {
    local i
    strip -o "$work/stripped" "$build/clear-containers"
    for ((i = 0; i < 40; i++)); do "$first_byte" "$build/bin/cc-shim" --version; done |
        awk 'NR > 5 { print $2 * 1000 }' >"$work/version"
    printf '\n| | |\n|---|--:|\n'
    echo "| clear-containers, stripped | $(stat -c %s "$work/stripped") bytes |"
    echo "| cc-shim --version, exec to exit, median | $(spread <"$work/version" | awk '{ printf "%.1f", $2 / 1000 }') ms |"
    echo "| mini-OS image | $(stat -c %s "$share/clear-containers.img" 2>/dev/null || echo -) bytes |"
}

report() {
    echo "Measured $(date -u '+%Y-%m-%d %H:%M UTC'), commit $(git rev-parse --short=12 HEAD), $runs runs each, interleaved."
    echo "Machine: $(machine), $("$(vmm)" --version | sed -n 1p), $acceleration."
    echo "Load average: $load_before before, $(cut -d' ' -f1-3 /proc/loadavg) after; a quiet machine is below $(nproc)."
    echo
    start_table
    phase_table
    [ ! -e "$work/verbs" ] || cat "$work/verbs"
    [ ! -e "$work/rate" ] || cat "$work/rate"
    [ ! -e "$work/network" ] || cat "$work/network"
    [ ! -e "$work/docker" ] || cat "$work/docker"
    [ ! -e "$work/density" ] || cat "$work/density"
    [ -z "$memory" ] || echo "$memory"
    echo "$sizes"
}

prepare
present=()
for contender in "${contenders[@]}"; do
    why=$(missing "$contender")
    if [ -z "$why" ]; then
        present+=("$contender")
    else
        echo "bench: without $contender: $why" >&2
    fi
done
load_before=$(cut -d' ' -f1-3 /proc/loadavg)
acceleration=emulation
if [ -w /dev/kvm ] && grep -qE '^flags.* (vmx|svm)( |$)' /proc/cpuinfo; then acceleration=KVM; fi

case $only in
    verbs) verbs_table; exit 0 ;;
    rate) rate_table; exit 0 ;;
    network) network_table; exit 0 ;;
    docker) docker_table; exit 0 ;;
    density) density_table; exit 0 ;;
esac

# The first round only warms the page cache and makes the templates.
for ((round = 0; round <= runs; round++)); do
    echo "bench: round $round of $runs" >&2
    for contender in "${present[@]}"; do
        run_once "$contender" "$([ "$round" -eq 0 ] || echo "$work/$contender.numbers")"
    done
done
memory=
[ $# -gt 0 ] || [ -n "$(missing clone)" ] || density_table >"$work/density"
[ $# -gt 0 ] || rate_table >"$work/rate"
[ $# -gt 0 ] || network_table >"$work/network"
[ $# -gt 0 ] || ! command -v dockerd >/dev/null || docker_table >"$work/docker"
[ $# -gt 0 ] || verbs_table >"$work/verbs"  # no subshell: the end of this program ends its containers
case " ${present[*]} " in *' tuned '*) memory=$(echo x; memory_table) && memory=${memory#x} ;; esac
sizes=$(echo x; size_table)
sizes=${sizes#x}
if [ $# -gt 0 ]; then  # not the whole: only shown
    report
    exit 0
fi
report | tee bench/results.md
put_results results bench/results.md
measure_hub
