# shellcheck shell=bash disable=SC2154
# SPDX-License-Identifier: Apache-2.0
# Sourced by run.sh: how many containers that say hello start, end and are deleted a second, one, four and sixteen at once.

# run_many CONTENDER WORKERS COUNT: so many containers in all, by so many loops beside each other; seconds that it took.
run_many() {
    local contender=$1 workers=$2 count=$3 worker i pids=() pid began ended
    began=$(date +%s%N)
    for ((worker = 0; worker < workers; worker++)); do
        (
            trap - EXIT  # the clean-up is the parent's
            for ((i = worker; i < count; i += workers)); do
                with_runtime "$contender" run --bundle "$work/hello" "bench-rate-$contender-$workers-$i-$$" >/dev/null
            done
        ) 2>>"$work/stderr" &
        pids+=($!)
    done
    for pid in "${pids[@]}"; do
        wait "$pid" || { echo "bench: $contender, $workers at once, failed:" >&2; tail -n 5 "$work/stderr" >&2; return 1; }
    done
    ended=$(date +%s%N)
    awk -v ns=$((ended - began)) 'BEGIN { print ns / 1e9 }'
}

rate_table() {
    local contender workers count seconds
    printf '\n| containers a second | 1 at once | 4 at once | 16 at once |\n|---|--:|--:|--:|\n'
    for contender in pool clone crun runc; do
        [ -z "$(missing "$contender")" ] || continue
        printf '| %s |' "$(title "$contender")"
        for workers in 1 4 16; do
            count=16
            case $contender in crun | runc) count=64 ;; pool) wait_pool ;; esac
            : >"$work/stderr"
            seconds=$(run_many "$contender" "$workers" "$count") || return 1
            printf ' %s |' "$(awk -v n="$count" -v s="$seconds" 'BEGIN { printf "%.1f", n / s }')"
        done
        echo
    done
}
