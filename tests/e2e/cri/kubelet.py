# SPDX-License-Identifier: Apache-2.0
"""What pod.py and specs.py stand on: a private containerd, pods and containers of it, checks that are counted."""

import hashlib
import io
import json
import os
import re
import subprocess
import tarfile
import time

import grpc

POD, CONTAINER, NODE = 0, 1, 2  # NamespaceMode
READY, NOT_READY = 0, 1
CREATED, RUNNING, EXITED = 0, 1, 2

failed = 0


def check(what, right, shown=""):
    global failed
    failed += not right
    print(f"{'ok' if right else 'FAILED'}: {what}{'' if right else f': {shown!r}'}", flush=True)


def until(condition, patience_s=30):
    end = time.monotonic() + patience_s
    while not (result := condition()) and time.monotonic() < end:
        time.sleep(0.1)
    return result


def fails(call, *codes):
    try:
        call()
    except grpc.RpcError as error:
        return error.code() in codes or print(error)
    return False


# What containerd needs.

CNI = {"cniVersion": "0.4.0", "name": "pods", "plugins": [
    {"type": "bridge", "bridge": "cc-pods0", "isGateway": True, "ipMasq": True,
     "ipam": {"type": "host-local", "ranges": [[{"subnet": "10.68.0.0/24"}]], "routes": [{"dst": "0.0.0.0/0"}]}},
    {"type": "portmap", "capabilities": {"portMappings": True}}]}


def add_file(archive, name, data, mode=0o644):
    info = tarfile.TarInfo(name)
    info.size, info.mode = len(data), mode
    archive.addfile(info, io.BytesIO(data))


def make_image(path, name, rootfs, command, set_user_id=None):
    """An archive as docker save makes it; with a program that is run as its owner, root, in /bin/set-user-id."""
    layer = io.BytesIO()
    with tarfile.open(fileobj=layer, mode="w") as archive:
        archive.add(rootfs, ".")
        if set_user_id:
            with open(set_user_id, "rb") as program:
                add_file(archive, "bin/set-user-id", program.read(), 0o4755)
    layer = layer.getvalue()
    config = json.dumps({"architecture": "amd64", "os": "linux", "config": {"Env": ["PATH=/bin"], "Cmd": command},
                         "rootfs": {"type": "layers", "diff_ids": ["sha256:" + hashlib.sha256(layer).hexdigest()]}})
    with tarfile.open(path, "w") as archive:
        add_file(archive, "layer.tar", layer)
        add_file(archive, "config.json", config.encode())
        manifest = [{"Config": "config.json", "RepoTags": [name], "Layers": ["layer.tar"]}]
        add_file(archive, "manifest.json", json.dumps(manifest).encode())


class Containerd:
    def __init__(self, arguments):
        base = arguments.directory
        self.socket, self._config = base + "/sock", arguments.config
        # Whatever of its state is not below its directories, and CNI's.
        for path in ("/run", "/var/lib/cni", "/etc/cni/net.d"):
            os.makedirs(path, exist_ok=True)
            subprocess.run(["mount", "-t", "tmpfs", "none", path], check=True)
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
        with open("/etc/cni/net.d/10-pods.conflist", "w") as file:
            json.dump(CNI, file)
        self._log = open(base + "/log", "w")
        self.start()
        for name, command in (("pause", ["/bin/sleep", "100000000"]), ("bb", ["/bin/sh"])):
            make_image(f"{base}/{name}.tar", f"localhost/{name}:latest", arguments.rootfs, command,
                       arguments.effective_user)
            imported = until(lambda: subprocess.run(
                ["ctr", "-a", self.socket, "-n", "k8s.io", "images", "import", f"{base}/{name}.tar"],
                capture_output=True).returncode == 0)
            assert imported, open(base + "/log").read()[-2000:]

    def start(self):
        self._process = subprocess.Popen(["containerd", "-c", self._config], stdout=self._log, stderr=self._log)

    def end(self):
        self._process.terminate()
        self._process.wait(30)


# The pod.

def pod_config(arguments):
    """That of pod.py; specs.py changes it."""
    return {
        "metadata": {"name": "web", "uid": "web-uid", "namespace": "default"},
        "hostname": "web-0", "log_directory": arguments.directory + "/logs",
        "dns_config": {"servers": ["10.68.0.1"], "searches": ["cluster.local"]},
        "labels": {"app": "web"}, "annotations": {"note": "kept"},
        "linux": {"cgroup_parent": arguments.cgroup, "sysctls": {"net.ipv4.ip_unprivileged_port_start": "80"},
                  "security_context": {"namespace_options": {"pid": POD}, "privileged": 1}},
    }


def container_config(name, script, pid=POD, **more):
    security = {"namespace_options": {"pid": pid}, **more.pop("security", {})}
    return {"metadata": {"name": name}, "image": {"image": "localhost/bb:latest"}, "command": ["sh", "-c", script],
            "log_path": name + ".log", "envs": [{"key": "WHO", "value": name}],
            "linux": {"resources": more.pop("resources", {}), "security_context": security}, **more}


class Pod:
    """Lives until remove() or the end of a `with`."""

    def __init__(self, cri, arguments, config=None):
        self.cri, self.config = cri, config or pod_config(arguments)
        self.log_directory = self.config["log_directory"]
        os.makedirs(self.log_directory, exist_ok=True)
        self.id = cri.RunPodSandbox(config=self.config, runtime_handler=arguments.handler)["pod_sandbox_id"]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.remove()

    def remove(self):
        self.cri.StopPodSandbox(pod_sandbox_id=self.id)
        self.cri.RemovePodSandbox(pod_sandbox_id=self.id)

    def create(self, config):
        return self.cri.CreateContainer(pod_sandbox_id=self.id, config=config,
                                        sandbox_config=self.config)["container_id"]

    def start(self, config):
        container = self.create(config)
        self.cri.StartContainer(container_id=container)
        return container

    def run(self, container, script, timeout=30):
        """(exit code, standard output, standard error)"""
        done = self.cri.ExecSync(container_id=container, cmd=["sh", "-c", script], timeout=timeout)
        return done["exit_code"], done["stdout"].decode(), done["stderr"].decode()

    def out(self, container, script):
        return self.run(container, script)[1]

    def status(self, container):
        return self.cri.ContainerStatus(container_id=container)["status"]

    def log(self, name):
        """As (stream, text)."""
        lines = re.findall(r"^\S+ (stdout|stderr) [FP] (.*)$", open(f"{self.log_directory}/{name}.log").read(), re.M)
        return lines


def output(pod, config):
    """What a container has written to its standard output when it has ended."""
    container = pod.start(config)
    until(lambda: pod.status(container)["state"] == EXITED)
    return [text for stream, text in pod.log(config["metadata"]["name"]) if stream == "stdout"]
