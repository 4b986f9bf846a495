# shellcheck shell=bash disable=SC2154
# SPDX-License-Identifier: Apache-2.0
# Sourced by run.sh: what TCP carries between a container and its host, and between two containers, beside runc. The host
# is a network namespace with a bridge, a container's namespace one with a veth that is the bridge's port, as an engine
# makes them.

network_seconds=${NETWORK_SECONDS:-3}
places=()  # pids: of who holds a network namespace (the outside, then the containers' in order), and of the server

# new_place: a new network namespace; its holder's pid in $place.
new_place() {
    local ready=$work/place-ready
    [ -p "$ready" ] || mkfifo "$ready"
    unshare --net sh -c 'ip link set lo up && echo >"$0" && exec sleep infinity' "$ready" &
    place=$!
    places+=("$place")
    read -r <"$ready"
}

in_place() {
    local pid=$1
    shift
    nsenter --net="/proc/$pid/ns/net" "$@"
}

# Two namespaces for containers, 10.55.0.2 and 10.55.0.3, at a bridge with 10.55.0.1.
make_network() {
    local number
    new_place
    outside=$place
    in_place "$outside" ip link add br0 type bridge
    in_place "$outside" ip addr add 10.55.0.1/24 dev br0
    in_place "$outside" ip link set br0 up
    for number in 2 3; do
        new_place
        in_place "$outside" ip link add "port$number" type veth peer name eth0 netns "$place"
        in_place "$outside" ip link set "port$number" master br0 up
        in_place "$place" ip link set eth0 up
        in_place "$place" ip addr add "10.55.0.$number/24" dev eth0
        mkdir -p "$work/net$number"
    done
    # Not by in_place: of a function the shell would tell us the pid of a shell, and not the server's.
    nsenter --net="/proc/$outside/ns/net" "$build/bench/net-transfer" serve 5001 &
    places+=($!)
}

end_network() {
    [ ${#places[@]} -eq 0 ] || kill "${places[@]}" 2>/dev/null || true
    places=()
}

# network_bundle NUMBER ARGS: a bundle in the namespace of this address.
network_bundle() {
    make_bundle "$work/net$1" "$2"
    sed -i "s|{\"type\": \"network\"}|{\"type\": \"network\", \"path\": \"/proc/${places[$(($1 - 1))]}/ns/net\"}|" "$work/net$1/config.json"
}

# measure_network CONTENDER COMMAND ADDRESS: what the container of 10.55.0.2 says.
measure_network() {
    network_bundle 2 "[\"/bin/net-transfer\", \"$2\", \"$3\", \"5001\", \"$network_seconds\"]"
    with_runtime "$1" run --bundle "$work/net2" "bench-network-$$" 2>>"$work/stderr"
}

network_table() {
    local contender server command address row
    cmake --build "$build" --target net-transfer >/dev/null
    cp "$build/bench/net-transfer" "$work/rootfs/bin/"
    make_network
    : >"$work/stderr"
    printf '\n| TCP | to the host (MiB/s) | from the host | to a container | from a container |'
    printf ' round trip with the host: median, p99 (us) | with a container |\n|---|--:|--:|--:|--:|--:|--:|\n'
    for contender in clone runc; do
        [ -z "$(missing "$contender")" ] || continue
        server=bench-network-server-$$
        network_bundle 3 '["/bin/net-transfer", "serve", "5001"]'
        with_runtime "$contender" run --detach --bundle "$work/net3" "$server" >/dev/null 2>>"$work/stderr" ||
            { cat "$work/stderr" >&2; return 1; }
        running+=("$contender $server")
        row="| $(title "$contender" | sed 's/,.*//') |"
        for command in send receive ping; do
            for address in 10.55.0.1 10.55.0.3; do
                measure_network "$contender" "$command" "$address" >"$work/network.$command.$address" ||
                    { tail -n 5 "$work/stderr" >&2; return 1; }
            done
        done
        for address in 10.55.0.1 10.55.0.3; do
            for command in send receive; do row+=" $(cat "$work/network.$command.$address") |"; done
        done
        for address in 10.55.0.1 10.55.0.3; do row+=" $(sed 's/ /, /' "$work/network.ping.$address") |"; done
        echo "$row"
        with_runtime "$contender" delete --force "$server" >/dev/null
        unset 'running[-1]'
    done
    end_network
}
