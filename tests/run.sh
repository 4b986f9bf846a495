#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Runs the test programs of a build and ends with one line: N passed, N failed, N skipped.
#
#   tests/run.sh [--build DIR] [--only unit|integration|e2e]... [--filter PATTERN]
#
# With CC_COMPARE_HOST=1 the end-to-end tests must leave the host as it was, which only a machine with nobody else on it can tell.
# A skipped test has printed "SKIPPED: <reason>"; the reasons are shown again at the end.
set -uo pipefail
cd "$(dirname "$0")/.."
build=build
only=()
filter=
while [ $# -gt 0 ]; do
    case $1 in
        --build) build=$2; shift 2 ;;
        --only) only+=("$2"); shift 2 ;;
        --filter) filter=$2; shift 2 ;;
        *) sed -n '3,9s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
    esac
done
[ ${#only[@]} -gt 0 ] || only=(unit integration e2e)

logs=$(mktemp -d /tmp/cc-tests.XXXXXX)
trap 'rm -rf "$logs"' EXIT
passed=0 failed=0 skipped=0
broken=()

# What is done once more with the share served by virtiofsd: that files and volumes come, go and are as they should be.
by_virtiofs='bind mounts show*,sockets and FIFOs*,what a container wrote*,a user namespace maps*,at the root of the reported*'
by_virtiofs+=',a container of a pod is killed*,a pod'"'"'s VM grows*,what a createContainer hook mounts*'

# One doctest program: counts from its summary line, and all that it printed if something fails. Its second argument: patterns
# of its tests; a third: what the run is called.
run_program() {
    local program=$1 tests=${2:-$filter} name log status counts skips
    name=${3:-$(basename "$program")}
    log=$logs/$name
    printf '== %s: ' "$name"
    "$program" ${tests:+-tc="$tests"} --no-version >"$log" 2>&1
    status=$?
    counts=$(sed -nE 's/^\[doctest\] test cases: *[0-9]+ *\| *([0-9]+) passed *\| *([0-9]+) failed.*/\1 \2/p' "$log")
    skips=$(grep -c '^SKIPPED: ' "$log")
    if [ "$status" -eq 0 ]; then
        echo "${counts% *} passed, $((skips)) of them skipped" | sed 's/, 0 of them skipped//'
    else
        echo FAILED
        cat "$log"
    fi
    if [ -z "$counts" ]; then
        # It crashed, or a sanitizer ended it, before the summary.
        printf '%s ended with status %d and without a summary\n' "$name" "$status"
        failed=$((failed + 1))
        broken+=("$log")
        return
    fi
    [ "$status" -eq 0 ] || broken+=("$log")
    passed=$((passed + ${counts% *} - skips))
    failed=$((failed + ${counts#* }))
    skipped=$((skipped + skips))
    if [ "$status" -ne 0 ] && [ "${counts#* }" -eq 0 ]; then
        printf '%s ended with status %d after its tests\n' "$name" "$status"
        failed=$((failed + 1))
    fi
}

# Counts as a test that failed when the host is not as it was. Daemons that are on their way out get some seconds.
compare_host() {
    local i
    for ((i = 0; i < 20; i++)); do
        tests/host_state.sh | sort >"$logs/host.after"
        cmp -s "$logs/host.before" "$logs/host.after" && return
        sleep 0.5
    done
    diff "$logs/host.before" "$logs/host.after" | sed 's/^/ERROR: the host after the tests: /' | tee "$logs/host"
    failed=$((failed + 1))
    broken+=("$logs/host")
}

for kind in "${only[@]}"; do
    case $kind in
        unit) programs=("$build"/tests/unit-* "$build"/tests/fuzz-replay) ;;
        integration) programs=("$build"/tests/integration-tests) ;;
        e2e) programs=("$build"/tests/e2e-tests) ;;
        *) echo "tests/run.sh: no kind of tests named $kind" >&2; exit 2 ;;
    esac
    compare=
    if [ "$kind" = e2e ] && [ -n "${CC_COMPARE_HOST:-}" ]; then
        compare=1
        tests/host_state.sh | sort >"$logs/host.before"
    fi
    for program in "${programs[@]}"; do
        [ -x "$program" ] && run_program "$program"
    done
    if [ "$kind" = e2e ] && [ -z "$filter" ] && [ -x "$build/tests/e2e-tests" ]; then
        CC_TEST_SHARED_FS=virtio-fs run_program "$build/tests/e2e-tests" "$by_virtiofs" e2e-tests-by-virtiofs
    fi
    [ -z "$compare" ] || compare_host
done

grep -h '^SKIPPED: ' "$logs"/* 2>/dev/null | sort | uniq -c
if [ $((passed + failed)) -eq 0 ]; then
    echo "tests/run.sh: found nothing to run in $build; build first (make)" >&2
    exit 1
fi
# Once more at the end, where one looks first.
for log in "${broken[@]}"; do
    printf '== what failed in %s\n' "$(basename "$log")"
    grep -B 3 -A 6 -E 'ERROR:|Sanitizer|runtime error:' "$log" | head -n 60
    grep -qE 'ERROR:|Sanitizer' "$log" || tail -n 20 "$log"
done
echo "$passed passed, $failed failed, $skipped skipped" | tee "$build/tests/summary"
[ "$failed" -eq 0 ]
