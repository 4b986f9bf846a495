# SPDX-License-Identifier: Apache-2.0
"""A runtime's command line, and bundles for it whose directory is the root file system, too."""

import copy
import json
import os
import shutil
import subprocess
import tempfile
import time

APPLETS = ("cat echo env false grep head hostname id ln ls mkdir mount pwd readlink rm sh sleep stat touch tr true "
           "umount")
CAPABILITIES = ["CAP_" + name for name in (
    "CHOWN DAC_OVERRIDE FSETID FOWNER MKNOD NET_RAW SETGID SETUID SETFCAP SETPCAP NET_BIND_SERVICE SYS_CHROOT KILL "
    "AUDIT_WRITE").split()]
SETS = ("bounding", "effective", "inheritable", "permitted", "ambient")

_CONFIG = {
    "ociVersion": "1.0.2",
    "process": {"user": {"uid": 0, "gid": 0}, "cwd": "/", "env": ["PATH=/usr/sbin:/usr/bin:/sbin:/bin", "TERM=xterm"],
                "args": ["/bin/sh", "/probe/sh"], "capabilities": {name: CAPABILITIES for name in SETS},
                "rlimits": [{"type": "RLIMIT_NOFILE", "hard": 1024, "soft": 1024}]},
    "root": {"path": "."},
    "hostname": "dalloway",
    "mounts": [
        {"destination": "/proc", "type": "proc", "source": "proc", "options": ["nosuid", "noexec", "nodev"]},
        {"destination": "/dev", "type": "tmpfs", "source": "tmpfs",
         "options": ["nosuid", "strictatime", "mode=755", "size=65536k"]},
        {"destination": "/dev/pts", "type": "devpts", "source": "devpts",
         "options": ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"]},
        {"destination": "/dev/shm", "type": "tmpfs", "source": "shm",
         "options": ["nosuid", "noexec", "nodev", "mode=1777", "size=65536k"]},
        {"destination": "/dev/mqueue", "type": "mqueue", "source": "mqueue", "options": ["nosuid", "noexec", "nodev"]},
        {"destination": "/sys", "type": "sysfs", "source": "sysfs", "options": ["nosuid", "noexec", "nodev", "ro"]}],
    "linux": {"resources": {"devices": [{"allow": False, "access": "rwm"}]},
              "namespaces": [{"type": name} for name in ("pid", "network", "ipc", "uts", "mount")]},
}


def default_config():
    return copy.deepcopy(_CONFIG)


class Bundle:
    """A directory with a root file system of busybox; gone at the end of `with`."""

    def __enter__(self):
        self.path = tempfile.mkdtemp(prefix="cc-oci.")
        os.chmod(self.path, 0o755)
        for name in ("bin", "dev", "proc", "sys", "tmp", "mnt", "probe"):
            os.mkdir(f"{self.path}/{name}")
        os.chmod(self.path + "/tmp", 0o1777)
        shutil.copy("/bin/busybox", self.path + "/bin/busybox")
        for applet in APPLETS.split():
            os.symlink("busybox", f"{self.path}/bin/{applet}")
        shutil.copy(os.path.dirname(__file__) + "/probe.sh", self.path + "/probe/sh")
        return self

    def __exit__(self, *_):
        # Without a mount namespace a runtime of namespaces mounts here, and leaves it.
        with open("/proc/self/mountinfo") as mounts:
            if self.path in mounts.read():
                subprocess.run(["umount", "-R", self.path], check=True)
        shutil.rmtree(self.path)

    def configure(self, config):
        with open(self.path + "/config.json", "w") as file:
            json.dump(config, file)

    def write(self, name, text):
        with open(f"{self.path}/{name}", "w") as file:
            file.write(text)

    def read(self, name):
        """The content of a file, None without it."""
        try:
            with open(f"{self.path}/{name}") as file:
                return file.read()
        except FileNotFoundError:
            return None


class Runtime:
    """The verbs, each returning whether it succeeded; `error` is what the last one said."""

    def __init__(self, command, patience_s=60):
        self._command, self._patience = command, patience_s
        self.error = ""

    def _run(self, *arguments, stdout=subprocess.PIPE):
        with tempfile.TemporaryFile("w+") as errors:
            done = subprocess.run([*self._command, *arguments], stdin=subprocess.DEVNULL, stdout=stdout, stderr=errors,
                                  timeout=self._patience)
            errors.seek(0)
            self.error = errors.read()
        self.out = done.stdout
        return done.returncode == 0

    def create(self, id, bundle, *options):
        # As files: the container's process has them, too, and outlives this call.
        with open(bundle.path + "/stdout", "w") as out:
            return self._run("create", *options, "--bundle", bundle.path, *([id] if id else []), stdout=out)

    def verb(self, name, *arguments):
        return self._run(name, *arguments)

    def state(self, id):
        """As a dictionary, None without a container."""
        return json.loads(self.out) if self._run("state", id) else None

    def wait(self, id, *statuses):
        end = time.monotonic() + self._patience
        while (state := self.state(id)) and state["status"] not in statuses:
            if time.monotonic() > end:
                return False
            time.sleep(0.05)
        return state is not None
