#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The steps of a person with Docker, Podman or ctr, done with runc and with cc-runtime, and what came of them compared.

    tests/e2e/steps/run.py docker|swarm|podman|ctr [--only WORD] [--verbose]

Each line of ENGINE.steps is a step: what bash prints (standard output and error together) and its exit status must be the
same with both; numbers that differ from run to run are masked. A step that ends with "# differs: REASON" is expected to
differ. $T is an empty directory, $ROOTFS the image's files, $IMAGE its name for ctr; restart_engine restarts dockerd,
containers_of lists those of a swarm's service. Everything runs in network, mount and pid namespaces of its own. Needs the
build (make image).
"""

import argparse
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
RUNTIME = HERE.parents[2] / "build/bin/cc-runtime"
SECCOMP = ('{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["mkdir", "mkdirat"], "action": '
           '"SCMP_ACT_ERRNO"}]}')
STEP_PATIENCE_S = 90


def script(path, text):
    path.write_text("#!/bin/bash\n" + text + "\n")
    path.chmod(0o755)


class Bench:
    """An engine with one runtime, in directories of its own."""

    def __init__(self, base, engine, runtime):
        self.base, self.engine = base, engine
        base.mkdir()
        self.bin = base / "bin"
        self.bin.mkdir()
        self.scratch = base / "scratch"
        self.scratch.mkdir()
        (self.scratch / "seccomp.json").write_text(SECCOMP)
        self.environment = {**os.environ, "PATH": f"{self.bin}:{os.environ['PATH']}", "T": str(self.scratch),
                            "IMAGE": "localhost/bb:latest"}
        self.make_rootfs()
        self.environment["ROOTFS"] = str(self.rootfs)
        self.configuration = base / "configuration.toml"
        self.runtime = shutil.which("runc")
        if runtime != "runc":
            self.configuration.write_text(f'[runtime]\nrun_dir = "{base}/run"\n[factory]\nvm_cache_number = 1\n'
                                          f'template_path = "{base}/template"\n')
            self.runtime = f"{base}/cc"
            script(base / "cc", f'exec {RUNTIME} --cc-config {self.configuration} "$@"')
        getattr(self, "start_" + engine)()

    def make_rootfs(self):
        self.rootfs = self.base / "rootfs"
        for directory in ("bin", "etc", "tmp", "root", "mnt"):
            (self.rootfs / directory).mkdir(parents=True)
        shutil.copy("/bin/busybox", self.rootfs / "bin/busybox")
        for applet in subprocess.check_output(["busybox", "--list"], text=True).split():
            if applet != "busybox":
                (self.rootfs / "bin" / applet).symlink_to("busybox")
        (self.rootfs / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/sh\n")
        (self.rootfs / "etc/group").write_text("root:x:0:\n")

    def shell(self, command, patience=STEP_PATIENCE_S):
        process = subprocess.Popen(["bash", "-c", command], env=self.environment, stdin=subprocess.DEVNULL,
                                   stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True)
        try:
            out = process.communicate(timeout=patience)[0]
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, 9)
            # What has left the group may hold the output open.
            try:
                out = process.communicate(timeout=5)[0]
            except subprocess.TimeoutExpired as still:
                out = still.stdout or b""
            return "timeout", out.decode(errors="replace")
        return process.returncode, out.decode(errors="replace")

    def must(self, command):
        status, out = self.shell(command)
        assert status == 0, f"{command}: {out}"

    def daemon(self, command, answers):
        script(self.bin / "start_engine",
               f"{command} >>{self.base}/log 2>&1 </dev/null & echo $! >{self.base}/daemon.pid; disown\n"
               f"for i in $(seq 300); do {answers} >/dev/null 2>&1 && exit; sleep 0.1; done; tail {self.base}/log; exit 1")
        script(self.bin / "stop_engine",
               # A process that nobody has waited for has ended, too.
               f"pid=$(cat {self.base}/daemon.pid); kill $pid; while [ -e /proc/$pid/exe ]; do sleep 0.1; done")
        script(self.bin / "restart_engine", "stop_engine; start_engine")
        self.must("start_engine")

    def start_docker(self, live_restore="true"):
        (self.base / "daemon.json").write_text(
            f'{{"data-root": "{self.base}/data", "exec-root": "{self.base}/exec", "pidfile": "{self.base}/pid", "hosts": '
            f'["unix://{self.base}/sock"], "storage-driver": "vfs", "bip": "10.112.0.1/24", "live-restore": {live_restore}, '
            f'"cgroup-parent": "/{self.base.parent.name}", "runtimes": {{"it": {{"path": "{self.runtime}"}}}}, '
            f'"default-runtime": "it"}}')
        self.environment["DOCKER_HOST"] = f"unix://{self.base}/sock"
        self.daemon(f"dockerd --config-file {self.base}/daemon.json", "docker version")
        self.must(f"tar -C {self.rootfs} -c . | docker import -c 'ENV PATH=/bin' -c 'CMD sh' - bb")

    def start_swarm(self):
        self.start_docker(live_restore="false")  # dockerd has one or the other
        script(self.bin / "containers_of", 'docker ps -q --filter "label=com.docker.swarm.service.name=$1"')

    def start_podman(self):
        script(self.bin / "podman",
               f'exec /usr/bin/podman --root {self.base}/root --runroot {self.base}/runroot --tmpdir {self.base}/tmp '
               f'--cgroup-manager cgroupfs --events-backend file --storage-driver vfs --runtime {self.runtime} "$@"')
        self.must(f"tar -C {self.rootfs} -c . | podman import -c 'ENV PATH=/bin' -c 'CMD sh' - bb")

    def start_ctr(self):
        (self.bin / "runc").symlink_to(self.runtime)
        (self.base / "config.toml").write_text(
            f'version = 2\nroot = "{self.base}/root"\nstate = "{self.base}/state"\n[grpc]\naddress = "{self.base}/sock"\n'
            f'[ttrpc]\naddress = "{self.base}/ttrpc"\n')
        # Containers of --runc-binary's default, runc, found in the daemon's PATH.
        self.environment.update(CONTAINERD_ADDRESS=f"{self.base}/sock", CONTAINERD_SNAPSHOTTER="native")
        self.daemon(f"containerd -c {self.base}/config.toml", "ctr version")
        sys.path.insert(0, str(HERE.parent / "cri"))
        from pod import make_image
        make_image(f"{self.base}/image.tar", "localhost/bb:latest", str(self.rootfs), ["sh"])
        self.must(f"ctr images import {self.base}/image.tar && ctr images ls -q")

    def end(self):
        self.shell({"docker": "docker ps -aq | xargs -r docker rm -f; stop_engine",
                    "swarm": "docker swarm leave --force; docker ps -aq | xargs -r docker rm -f; stop_engine",
                    "podman": "podman rm -af -t 0; podman rmi -af",
                    # Only after a step that failed is there one.
                    "ctr": "ctr task ls -q | xargs -r -n 1 ctr task rm -f; stop_engine"}[self.engine])
        if self.configuration.exists():
            subprocess.run([RUNTIME, "--cc-config", self.configuration, "template", "rm", "--all"], check=False)


def masked(text, base):
    text = text.replace(str(base), "BASE").replace("\r", "")
    text = re.sub(r"\b[0-9a-f]{12,64}\b", "ID", text)
    # The runtimes' own words in errors are not compared, the engines' are.
    text = re.sub(r"(OCI runtime|runtime create failed|\S*crun|\S*runc|BASE/cc:|cc-runtime).*", r"RUNTIME'S WORDS", text)
    text = re.sub(r"\[conmon:.*", "", text)
    text = re.sub(r"time=\S+|\d{4}-\d\d-\d\d[T ]\S+", "TIME", text)
    return "\n".join(line.rstrip() for line in text.strip().split("\n"))


def steps_of(engine, only):
    lines = (HERE / f"{engine}.steps").read_text().splitlines()
    return [line for line in lines if line.startswith("#") or only in line]


def run_all(engine, base, runtime, steps, verbose):
    bench = Bench(base, engine, runtime)
    results = []
    try:
        for step in steps:
            if step.startswith("#"):
                results.append(None)
                continue
            start = time.monotonic()
            status, out = bench.shell(step)
            results.append((status, masked(out, base), time.monotonic() - start))
            if verbose:
                print(f"{runtime} {results[-1][2]:5.1f} s  {status}  {step}\n{out}", flush=True)
    finally:
        bench.end()
    return results


def report(steps, runc, cc):
    same = known = total = 0
    for step, left, right in zip(steps, runc, cc):
        if left is None:
            print(f"\n{step}")
            continue
        total += 1
        equal, expected = left[:2] == right[:2], "# differs:" in step
        same += equal
        known += expected and not equal
        word = "same" if equal else "known" if expected else "DIFFER"
        print(f"{word:6} {left[2]:5.1f} {right[2]:5.1f} s  {step}")
        if not equal and not expected:
            for name, result in (("runc", left), ("cc  ", right)):
                print(f"         {name} {result[0]}: {result[1]!r:.400}")
    print(f"\n{total} steps: {same} the same, {known} known to differ, {total - same - known} not")
    return 0 if same + known == total else 1


def isolated():
    """Goes on in network, mount and pid namespaces of its own, which end with it; returns an empty directory there."""
    if os.getpid() != 1:
        directory = tempfile.mkdtemp(prefix="cc-steps.", dir="/tmp")
        try:
            sys.exit(subprocess.run(["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc",
                                     sys.executable, *sys.argv],
                                    env={**os.environ, "CC_STEPS_DIRECTORY": directory}, check=False).returncode)
        finally:
            # Of processes that were killed with the namespace: their cgroups are the host's.
            subprocess.run(["find", "/sys/fs/cgroup", "-depth", "-type", "d", "-path",
                            f"*/{os.path.basename(directory)}*", "-exec", "rmdir", "{}", ";"], check=False)
            shutil.rmtree(directory, ignore_errors=True)
    for path in ("/run", "/var/lib/cni"):
        os.makedirs(path, exist_ok=True)
        subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=755", "none", path], check=True)
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    return pathlib.Path(os.environ["CC_STEPS_DIRECTORY"])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("engine", choices=("docker", "swarm", "podman", "ctr"))
    parser.add_argument("--only", default="", help="only steps with this in them")
    parser.add_argument("--verbose", action="store_true")
    arguments = parser.parse_args()
    base = isolated()
    steps = steps_of(arguments.engine, arguments.only)
    runc = run_all(arguments.engine, base / "runc", "runc", steps, arguments.verbose)
    # Left by runc's turn, whose addresses the other is to have, too.
    for link in ("docker0", "cni-podman0"):
        subprocess.run(["ip", "link", "delete", link], stderr=subprocess.DEVNULL, check=False)
    subprocess.run("rm -rf /var/lib/cni/* /run/netns", shell=True, check=False)
    cc = run_all(arguments.engine, base / "cc", "cc-runtime", steps, arguments.verbose)
    return report(steps, runc, cc)


if __name__ == "__main__":
    raise SystemExit(main())
