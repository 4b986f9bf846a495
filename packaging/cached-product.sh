# SPDX-License-Identifier: Apache-2.0
# Sourced by scripts that build what takes minutes, once. The product lies outside the tree, named after a hash of all
# that decides its content:
#   ${CC_CACHE:-~/.cache/clear-containers}/KIND/HASH/FILE
#
#   cached_product KIND FILE [--path] <WHAT-DECIDES
#     --path: prints where the product is (or would be) and exits, with 1 when it is not there. Otherwise prints it and
#     exits when it is there, and returns when it is to be built, to one script at a time: with $product, $work (a
#     directory that goes with the script), say and fail.
#   keep_product MADE
#     moves it to its place, and prints that as the last line.
cached_product() {
    local cache=${CC_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/clear-containers}/$1
    kind=$1
    product=$cache/$(sha256sum | cut -c1-16)/$2
    if [ "${3:-}" = --path ]; then
        echo "$product"
        [ -e "$product" ]
        exit
    fi
    if [ ! -e "$product" ]; then
        mkdir -p "$cache"
        exec 9>"$cache/lock"
        flock -n 9 || { say "another build is running, waiting for it"; flock 9; }
    fi
    if [ -e "$product" ]; then
        echo "$product"
        exit 0
    fi
    # What a build that was killed left behind; nobody else builds while we hold the lock.
    rm -rf "$cache"/build.*
    work=$(mktemp -d "$cache/build.XXXXXX")
    trap 'rm -rf "$work"' EXIT
}

keep_product() {
    mkdir -p "${product%/*}"
    mv "$1" "$product.new"
    mv "$product.new" "$product"
    say "$(stat -c %s "$product") bytes, in $((SECONDS / 60)) min $((SECONDS % 60)) s"
    echo "$product"
}

say() { echo "$kind: $*" >&2; }
fail() {
    say "$@"
    exit 1
}
