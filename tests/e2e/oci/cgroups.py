# SPDX-License-Identifier: Apache-2.0
"""The validation programs that look at the host's cgroups (version 1) of a container that is created."""

import os
import re

from bundle import Bundle, default_config
from programs import PROGRAMS, program

MOUNT = "/sys/fs/cgroup"


class Cgroups:
    """Of a container: by cgroupsPath when that is absolute, else by what its process is in."""

    def __init__(self, pid, path):
        self._path, self._pid = path, pid

    def directory(self, controller):
        if self._path.startswith("/"):
            return f"{MOUNT}/{controller}{self._path}"
        for line in open(f"/proc/{self._pid}/cgroup"):
            _, controllers, path = line.strip().split(":", 2)
            if controller in controllers.split(","):
                return f"{MOUNT}/{controller}{path}" if self._path in path else None
        return None

    def read(self, controller, file):
        directory = self.directory(controller)
        try:
            return open(f"{directory}/{file}").read().strip()
        except OSError as error:
            return str(error)


def created(t, path, resources, look, **more):
    config = default_config()
    config["linux"]["cgroupsPath"] = path
    config["linux"]["resources"].update(resources)
    config["linux"].update(more)
    with Bundle() as bundle:
        bundle.configure(config)
        with t.container(bundle) as id:
            if t.check("create", t.runtime.create(id, bundle), t.runtime.error):
                look(Cgroups(t.runtime.state(id)["pid"], path))


def holds(t, cgroups, controller, **wanted):
    for file, value in wanted.items():
        name = controller + "." + file.replace("__", ".")
        found = cgroups.read(controller, name)
        t.check(f"{name} is {value}", found == str(value), found)


def both(name):
    """Makes linux_cgroups_NAME and linux_cgroups_relative_NAME of a function that takes the cgroup's path."""
    def decorate(function):
        for place, prefix in (("/cc-oci-{}", ""), ("cc-oci-{}/child/container", "relative_")):
            def run(t, place=place):
                path = place.format(os.getpid())
                try:
                    function(t, path)
                finally:
                    remove_cgroups(path.strip("/").split("/")[0])
            run.__name__ = f"linux_cgroups_{prefix}{name}"
            PROGRAMS[run.__name__] = run
        return function
    return decorate


def remove_cgroups(name):
    """What some runtimes leave of a path's parents."""
    for controller in os.listdir(MOUNT):
        for top, _, _ in os.walk(f"{MOUNT}/{controller}/{name}", topdown=False):
            os.rmdir(top)


@both("cpus")
def _cpus(t, path):
    whole = f"0-{os.cpu_count() - 1}" if os.cpu_count() > 1 else "0"
    for shares, period, quota, cpus in ((1024, 100000, 50000, "0"), (2048, 500000, 200000, whole)):
        def look(cgroups):
            holds(t, cgroups, "cpu", shares=shares, cfs_period_us=period, cfs_quota_us=quota)
            holds(t, cgroups, "cpuset", cpus=cpus, mems="0")
        created(t, path, {"cpu": {"shares": shares, "period": period, "quota": quota, "cpus": cpus, "mems": "0"}}, look)

    def defaults(cgroups):
        for controller, file in (("cpu", "cpu.shares"), ("cpu", "cpu.cfs_period_us"), ("cpu", "cpu.cfs_quota_us"),
                                 ("cpuset", "cpuset.cpus"), ("cpuset", "cpuset.mems")):
            found, wanted = cgroups.read(controller, file), open(f"{MOUNT}/{controller}/{file}").read().strip()
            t.check(f"{file} is that of the root", found == wanted, found)
    created(t, path, {"cpu": {}}, defaults)


@both("pids")
def _pids(t, path):
    created(t, path, {"pids": {"limit": 1000}}, lambda cgroups: holds(t, cgroups, "pids", max=1000))


@both("memory")
def _memory(t, path):
    limit = 50593792
    created(t, path, {"memory": {"limit": limit, "reservation": limit, "swap": limit, "kernel": limit,
                                 "kernelTCP": limit, "swappiness": 50, "disableOOMKiller": True}},
            lambda cgroups: (holds(t, cgroups, "memory", limit_in_bytes=limit, soft_limit_in_bytes=limit,
                                   memsw__limit_in_bytes=limit, kmem__limit_in_bytes=limit,
                                   kmem__tcp__limit_in_bytes=limit, swappiness=50),
                             t.check("no OOM killer", "oom_kill_disable 1" in cgroups.read("memory",
                                                                                         "memory.oom_control"))))


@both("hugetlb")
def _hugetlb(t, path):
    limit = 2 << 30
    for entry in os.listdir("/sys/kernel/mm/hugepages"):
        kib = int(re.search(r"(\d+)kB", entry).group(1))
        size = f"{kib >> 20}GB" if kib >= 1 << 20 else f"{kib >> 10}MB"
        created(t, path, {"hugepageLimits": [{"pageSize": size, "limit": limit}]},
                lambda cgroups: holds(t, cgroups, "hugetlb", **{f"{size}__limit_in_bytes": limit}))
    if path.startswith("/"):
        wrong = default_config()
        wrong["linux"]["resources"]["hugepageLimits"] = [{"pageSize": "3MB", "limit": 300 << 20}]
        with Bundle() as bundle:
            bundle.configure(wrong)
            with t.container(bundle) as id:
                t.check("a page size that does not exist is refused", not t.runtime.create(id, bundle))


@both("devices")
def _devices(t, path):
    rules = [("c", 10, 229, "rwm"), ("b", 8, 20, "rw"), ("b", 10, 200, "r")]
    config = [{"allow": False, "access": "rwm"}] + [
        {"allow": True, "type": type, "major": major, "minor": minor, "access": access}
        for type, major, minor, access in rules]

    def look(cgroups):
        found = cgroups.read("devices", "devices.list").splitlines()
        wanted = [f"{type} {major}:{minor} {access}" for type, major, minor, access in rules]
        t.check("the rules are listed first, in their order", found[:3] == wanted, found)
    created(t, path, {"devices": config}, look)


@both("network")
def _network(t, path):
    created(t, path, {"network": {"classID": 255, "priorities": [{"name": "lo", "priority": 10}]}}, lambda cgroups: (
        holds(t, cgroups, "net_cls", classid=255),
        t.check("the priority of lo", "lo 10" in cgroups.read("net_prio", "net_prio.ifpriomap").splitlines(),
                cgroups.read("net_prio", "net_prio.ifpriomap"))))


@both("blkio")
def _blkio(t, path):
    # The programs take /dev/sda for granted; a disk of this machine does as well.
    disks = (open(f"/sys/block/{name}/dev").read().strip() for name in sorted(os.listdir("/sys/block"))
             if os.path.exists(f"/sys/block/{name}/device"))
    disk = next(disks, "8:0")
    device = dict(zip(("major", "minor"), map(int, disk.split(":"))))
    throttle = [{**device, "rate": 102400}]
    resources = {"weight": 500, "leafWeight": 300, "weightDevice": [{**device, "weight": 500, "leafWeight": 300}],
                 "throttleReadBpsDevice": throttle, "throttleWriteBpsDevice": throttle,
                 "throttleReadIOPSDevice": throttle, "throttleWriteIOPSDevice": throttle}

    def look(cgroups):
        holds(t, cgroups, "blkio", weight=500, leaf_weight=300, weight_device=disk + " 500",
              leaf_weight_device=disk + " 300")
        for file in ("read_bps", "write_bps", "read_iops", "write_iops"):
            holds(t, cgroups, "blkio", **{f"throttle__{file}_device": disk + " 102400"})
    created(t, path, {"blockIO": resources}, look)


@program
def delete_resources(t):
    path = f"/cc-oci-{os.getpid()}"
    config = default_config()
    config["process"]["args"] = ["/bin/true"]
    config["linux"]["cgroupsPath"] = path
    config["linux"]["resources"]["pids"] = {"limit": 1000}
    with Bundle() as bundle:
        bundle.configure(config)
        with t.container(bundle) as id:
            t.check("create", t.runtime.create(id, bundle), t.runtime.error)
            holds(t, Cgroups(0, path), "pids", max=1000)
            t.check("start", t.runtime.verb("start", id), t.runtime.error)
            t.runtime.wait(id, "stopped")
            t.check("delete", t.runtime.verb("delete", id), t.runtime.error)
        t.check("the cgroup is gone", not os.path.exists(f"{MOUNT}/pids{path}"))


@program
def delete_only_create_resources(t):
    mine = f"{MOUNT}/pids/cc-oci-{os.getpid()}"
    os.mkdir(mine)
    config = default_config()
    config["process"]["args"] = ["/bin/true"]
    try:
        with Bundle() as bundle:
            bundle.configure(config)
            with t.container(bundle) as id:
                t.check("create", t.runtime.create(id, bundle), t.runtime.error)
                with open(mine + "/tasks", "w") as tasks:
                    tasks.write(str(t.runtime.state(id)["pid"]))
                t.check("start", t.runtime.verb("start", id), t.runtime.error)
                t.runtime.wait(id, "stopped")
                t.check("delete", t.runtime.verb("delete", id), t.runtime.error)
        t.check("a cgroup that the container did not make stays", os.path.isdir(mine))
    finally:
        os.rmdir(mine)
