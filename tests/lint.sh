#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# clang-format and clang-tidy over the tree, and whether what the pages name is there:  lint.sh [--format-only]
#
# clang-tidy is slow, so a file that was clean is not looked at again until it,
# a header it includes or .clang-tidy changes (by hash of the preprocessed text, in the cache outside the tree).
set -euo pipefail
cd "$(dirname "$0")/.."
format_only=
[ "${1:-}" != --format-only ] || format_only=yes
cache=${CC_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/clear-containers}/tidy
mkdir -p "$cache"

# Complains unless the pattern matches a file: a page about cc-X names those of the folder X by their names alone.
names_file() {
    local page=$1 name=$2 where
    for where in "${@:3}"; do
        compgen -G "$where$name" >/dev/null && return
    done
    echo "lint: $page names $name, which does not exist" >&2
    return 1
}
# Every file and folder of the tree that a page names or links to exists.
check_pages() {
    local page path folders own missing=0
    folders=$(git ls-files | sed -n 's|/.*||p' | grep -v '^\.' | sort -u | paste -sd '|')
    for page in $(git ls-files '*.md' ':!tests/data'); do
        own=(*/ */*/)
        [[ $page != docs/cc-*.md ]] || own=("$(basename "${page#docs/cc-}" .md)"/{,*/})
        while IFS= read -r path; do
            names_file "$page" "${path%%[.,:]}" '' || missing=1
        done < <(grep -oE "(^|[^[:alnum:]_./<-])($folders)/[[:alnum:]_./*-]+" "$page" | sed -E 's/^[^[:alnum:]]//' | sort -u)
        while IFS= read -r path; do
            names_file "$page" "$path" "${own[@]}" || missing=1
        done < <(grep -oE '`[[:alnum:]_*]+\.(cc|h)`' "$page" | tr -d '`' | sort -u)
        while IFS= read -r path; do
            names_file "$page" "$path" "$(dirname "$page")/" || missing=1
        done < <(grep -oE '\]\([^)#:]+' "$page" | cut -c3- | sort -u)
    done
    return "$missing"
}
check_pages
echo "lint: what pages name is there"

git ls-files '*.cc' '*.h' | xargs clang-format --dry-run --Werror
echo "lint: clang-format is content"
[ -z "$format_only" ] || exit 0

# A command for each file, without what only GCC knows: its precompiled header, and warnings of its own.
database=$(mktemp -d /tmp/cc-lint.XXXXXX)
trap 'rm -rf "$database"' EXIT
cmake -G Ninja -S . -B "$database" -DCMAKE_BUILD_TYPE=Release -DCC_UNITY=OFF -DCMAKE_DISABLE_PRECOMPILE_HEADERS=ON >/dev/null
sed -E -i 's/ -fpch-preprocess| -Wno-[a-z-]+//g' "$database/compile_commands.json"

tidy_one() {
    local file=$1 key
    key=$({ cat .clang-tidy; c++ -std=c++20 -E -I. -P "$file" 2>/dev/null; echo "$file"; } | sha256sum | cut -c1-32)
    [ -e "$cache/$key" ] && return 0
    if clang-tidy --quiet -p "$database" "$file" 2>/dev/null; then
        touch "$cache/$key"
    else
        echo "lint: clang-tidy refuses $file" >&2
        return 1
    fi
}
export -f tidy_one
export database cache
# Product code only; tests lean on doctest's macros, which clang-tidy does not love.
git ls-files '*.cc' ':!tests' ':!fuzz' ':!bench' | xargs -P "$(nproc)" -I{} bash -c 'tidy_one {}'
echo "lint: clang-tidy is content"
