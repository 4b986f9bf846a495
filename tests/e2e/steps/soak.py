#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Many containers under a private dockerd, for what a few do not show.

    tests/e2e/steps/soak.py runs N      docker run --rm, N one after the other; each must say its number
    tests/e2e/steps/soak.py burst N     N docker run --rm at once
    tests/e2e/steps/soak.py alive N     N that live at the same time, four started at once; exec in each
    tests/e2e/steps/soak.py beside N    N docker run --rm and docker exec of cc-runtime and of runc in turn, as a table

Prints times, what the long-lived processes weigh before and after, and what is left behind; fails if a container did.
--runtime runc does the same with runc, --network bridge with a network, --pause 2 lets a pool fill up again after each run.
Needs the build (make image).
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
    def __init__(self, bench, network, pause):
        self.bench, self.network, self.pause, self.failures, self.times = bench, network, pause, [], []

    def docker(self, command, expected):
        start = time.monotonic()
        status, out = self.bench.shell("docker " + command, patience=300)
        self.times.append(time.monotonic() - start)
        if status != 0 or out.strip() != expected:
            self.failures.append(f"docker {command}: {status}: {out.strip()[-300:]}")

    def run(self, number):
        self.docker(f"run --rm --network {self.network} bb echo {number}", str(number))
        time.sleep(self.pause)

    def beside(self, rounds):
        """Of both runtimes under one daemon: {what: {runtime: [seconds]}}."""
        runtimes = {"it": "cc-runtime", "runc": "runc"}
        for name in runtimes:
            self.docker(f"run -d --name e{name} --runtime {name} --network {self.network} bb sleep 100000 | wc -l", "1")
        commands = {"run --rm": "run --rm --runtime {0} --network " + self.network + " bb echo {1}", "exec": "exec e{0} echo {1}"}
        times = {what: {title: [] for title in runtimes.values()} for what in commands}
        for number in range(rounds):
            for what, command in commands.items():
                for name, title in runtimes.items():
                    time.sleep(self.pause)
                    self.docker(command.format(name, number), str(number))
                    times[what][title].append(self.times[-1])
        for name in runtimes:
            self.docker(f"rm -f e{name}", f"e{name}")
        self.times.clear()
        return times

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


def table(times):
    print("\n| docker (median, s) | cc-runtime | runc | times runc |\n|---|--:|--:|--:|")
    for what, of in times.items():
        ours, runc = statistics.median(of["cc-runtime"]), statistics.median(of["runc"])
        print(f"| {what} | {ours:.2f} | {runc:.2f} | {ours / runc:.2f} |")


def soak(kind, count, runner):
    runner.run("warm")
    if kind == "beside":
        table(runner.beside(count))
        return
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
    parser.add_argument("kind", choices=("runs", "burst", "alive", "beside"))
    parser.add_argument("count", type=int)
    parser.add_argument("--runtime", default="cc-runtime", choices=("cc-runtime", "runc"))
    parser.add_argument("--network", default="none", choices=("none", "bridge"))
    parser.add_argument("--pause", default=0.0, type=float, metavar="SECONDS", help="after each run")
    arguments = parser.parse_args()
    base = isolated()
    mounts = pathlib.Path("/proc/mounts").read_text()
    bench = Bench(base / "soak", "docker", arguments.runtime)
    runner = Soak(bench, arguments.network, arguments.pause)
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
    clean = not (runner.failures or left or new)
    if clean and arguments.kind == "beside":
        return 0  # a table and nothing else
    print(f"{len(runner.failures)} failures, {len(left)} processes and {len(new)} mounts left")
    return 0 if clean else 1


if __name__ == "__main__":
    sys.exit(main())
