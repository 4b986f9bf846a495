#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Many containers under a private dockerd, for what a few do not show.

    tests/e2e/steps/soak.py runs N      docker run --rm, N one after the other; each must say its number
    tests/e2e/steps/soak.py burst N     N docker run --rm at once
    tests/e2e/steps/soak.py alive N     N that live at the same time, four started at once; exec in each

Prints times, what the long-lived processes weigh before and after, and what is left behind; fails if a container did.
--runtime runc does the same with runc, --network bridge with a network. Needs the build (make image).
"""

import argparse
import concurrent.futures
import pathlib
import re
import statistics
import sys
import time

from run import Bench, isolated


def processes():
    """pid to (name, RSS in KiB) of this pid namespace; without those that have ended and wait for their parent."""
    found = {}
    for directory in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            name = (directory / "cmdline").read_bytes().split(b"\0")[0].decode(errors="replace")
            rss = re.search(r"VmRSS:\s+(\d+)", (directory / "status").read_text())
        except OSError:
            continue
        if rss:
            found[int(directory.name)] = (pathlib.Path(name).name, int(rss[1]))
    return found


def weights():
    named = {}
    for name, rss in processes().values():
        if name in ("dockerd", "containerd", "cc-proxy", "cc-vmm"):
            named.setdefault(name, []).append(rss)
    return ", ".join(f"{name} {len(rss)}x {max(rss)} KiB" for name, rss in sorted(named.items()))


def available_mib():
    return int(re.search(r"MemAvailable:\s+(\d+)", pathlib.Path("/proc/meminfo").read_text())[1]) // 1024


class Soak:
    def __init__(self, bench, network):
        self.bench, self.network, self.failures, self.times = bench, network, [], []

    def docker(self, command, expected):
        start = time.monotonic()
        status, out = self.bench.shell("docker " + command, patience=300)
        self.times.append(time.monotonic() - start)
        if status != 0 or out.strip() != expected:
            self.failures.append(f"docker {command}: {status}: {out.strip()[-300:]}")

    def run(self, number):
        self.docker(f"run --rm --network {self.network} bb echo {number}", str(number))

    def start(self, number):
        self.docker(f"run -d --name c{number} --network {self.network} bb sleep 100000 | wc -l", "1")

    def in_turn(self, what, count, at_once=1):
        with concurrent.futures.ThreadPoolExecutor(at_once) as pool:
            list(pool.map(what, range(count)))

    def say(self, what, began):
        ordered = sorted(self.times)
        print(f"{what}: {time.monotonic() - began:.1f} s in all; each: median {statistics.median(ordered):.3f}, "
              f"99 % {ordered[int(len(ordered) * 0.99)]:.3f}, longest {ordered[-1]:.3f} s", flush=True)
        self.times.clear()


def soak(kind, count, runner):
    runner.run("warm")
    runner.times.clear()
    print(f"before: {weights()}", flush=True)
    began = time.monotonic()
    if kind == "runs":
        runner.in_turn(runner.run, count)
    elif kind == "burst":
        runner.in_turn(runner.run, count, at_once=count)
    else:
        before = available_mib()
        runner.in_turn(runner.start, count, at_once=4)
        runner.say("started", began)
        print(f"MemAvailable is less by {(before - available_mib()) / count:.0f} MiB each; {weights()}", flush=True)
        began = time.monotonic()
        runner.in_turn(lambda number: runner.docker(f"exec c{number} echo {number}", str(number)), count)
        runner.say("exec", began)
        began = time.monotonic()
        runner.in_turn(lambda number: runner.docker(f"rm -f c{number}", f"c{number}"), count, at_once=4)
    runner.say(kind, began)
    print(f"after: {weights()}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kind", choices=("runs", "burst", "alive"))
    parser.add_argument("count", type=int)
    parser.add_argument("--runtime", default="cc-runtime", choices=("cc-runtime", "runc"))
    parser.add_argument("--network", default="none", choices=("none", "bridge"))
    arguments = parser.parse_args()
    base = isolated()
    mounts = pathlib.Path("/proc/mounts").read_text()
    bench = Bench(base / "soak", "docker", arguments.runtime)
    runner = Soak(bench, arguments.network)
    try:
        soak(arguments.kind, arguments.count, runner)
    finally:
        bench.end()
    for _ in range(100):  # cc-proxy leaves by itself
        left = [name for pid, (name, _) in processes().items() if pid != 1]
        if not left:
            break
        time.sleep(0.1)
    new = [line for line in pathlib.Path("/proc/mounts").read_text().splitlines() if line not in mounts]
    for what in (*runner.failures[:20], *(f"left: process {name}" for name in left), *(f"left: mount {line}" for line in new)):
        print(what)
    print(f"{len(runner.failures)} failures, {len(left)} processes and {len(new)} mounts left")
    return 1 if runner.failures or left or new else 0


if __name__ == "__main__":
    sys.exit(main())
