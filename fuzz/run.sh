#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Fuzzes all targets for TIME seconds in all (60), two at a time, and ends with a table. Exit status 1 when an input
# violated something; it is kept among the target's seeds, where the ordinary tests replay it from then on.
#
#   fuzz/run.sh [target ...]
#
# BUILD=DIR  build directory (build-fuzz)    TIME=SECONDS  in all    CORPUS=DIR  what the fuzzer found so far, kept
set -euo pipefail
cd "$(dirname "$0")/.."
build=${BUILD:-build-fuzz}
total=${TIME:-60}
corpus=${CORPUS:-$build/corpus}
jobs=2
# Inputs above the largest frame that a decoder takes whole say nothing new.
max_length=70000

targets=("$@")
if [ ${#targets[@]} -eq 0 ]; then
    for directory in fuzz/*/seeds; do
        directory=${directory%/seeds}
        targets+=("${directory##*/}")
    done
fi
rounds=$(((${#targets[@]} + jobs - 1) / jobs))
each=$((total / rounds))
[ "$each" -ge 1 ] || each=1

cmake --preset fuzz -B "$build" >/dev/null
cmake --build "$build" --target "${targets[@]/#/fuzz-}"

logs=$(mktemp -d /tmp/cc-fuzz.XXXXXX)
running=()
cleanup() {
    [ ${#running[@]} -eq 0 ] || kill "${running[@]}" 2>/dev/null || true
    rm -rf "$logs"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# What libFuzzer wrote becomes a seed.
keep_crashes() {
    local target=$1 file name
    for file in "$logs/$target"/*-*; do
        [ -e "$file" ] || continue
        name=${file##*/}
        # libFuzzer's kinds are crash, oom, timeout, leak and slow-unit.
        name=crash-${name%-*}-$(sha1sum <"$file" | cut -c1-8)
        name=${name/#crash-crash/crash}
        cp "$file" "fuzz/$target/seeds/$name"
        cat <<TEXT

$target: an input was found; it is now the seed fuzz/$target/seeds/$name
  give it a name that says what it is, and reproduce it with
  $build/fuzz/fuzz-$target fuzz/$target/seeds/$name
$(grep -E -m 3 'does not hold|ERROR: |runtime error' "$logs/$target.log" | sed 's/^/  /')
TEXT
    done
}

# What 3.0 said on the wire, whole and without the headers of the client protocol and of the control channel, as
# fuzz-replay has it.
golden=$logs/golden
mkdir "$golden"
for file in tests/data/golden/*.hex; do
    frame=$golden/$(basename "$file" .hex)
    tr a-f A-F <"$file" | basenc --base16 --decode --ignore-garbage >"$frame"
    for header in 8 12; do
        tail -c +$((header + 1)) "$frame" >"$frame.from-$header"
    done
done
find "$golden" -empty -delete

# Becomes the fuzzer, so that its pid is the one to end.
fuzz_one() {
    local target=$1
    exec env ASAN_OPTIONS=detect_leaks=1:allocator_may_return_null=1 UBSAN_OPTIONS=print_stacktrace=1 \
        "$build/fuzz/fuzz-$target" -max_total_time="$each" -max_len="$max_length" -timeout=10 -rss_limit_mb=1024 \
        -print_final_stats=1 -artifact_prefix="$logs/$target/" \
        "$corpus/$target" "fuzz/$target/seeds" "$golden" >"$logs/$target.log" 2>&1
}

echo "fuzzing ${#targets[@]} targets, $each s each, $jobs at a time"
failed=0
for ((i = 0; i < ${#targets[@]}; i += jobs)); do
    running=()
    for target in "${targets[@]:i:jobs}"; do
        mkdir -p "$logs/$target" "$corpus/$target"
        fuzz_one "$target" &
        running+=($!)
    done
    for pid in "${running[@]}"; do
        wait "$pid" || failed=1
    done
    running=()
done

for target in "${targets[@]}"; do
    keep_crashes "$target"
done
printf '\n%-16s %12s %10s %10s %8s\n' target runs runs/s coverage crashes
for target in "${targets[@]}"; do
    log=$logs/$target.log
    crashes=$(find "$logs/$target" -type f | wc -l)
    runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
    rate=$(sed -n 's/^stat::average_exec_per_sec: *//p' "$log")
    edges=$(grep -o 'cov: [0-9]*' "$log" | tail -1 | cut -d' ' -f2)
    printf '%-16s %12s %10s %10s %8s\n' "$target" "${runs:-?}" "${rate:-?}" "${edges:-?}" "$crashes"
    if [ -z "$runs" ] && [ "$crashes" -eq 0 ]; then
        failed=1
        tail -5 "$log"
    fi
done
exit "$failed"
