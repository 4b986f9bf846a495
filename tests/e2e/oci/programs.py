# SPDX-License-Identifier: Apache-2.0
"""What each validation program of opencontainers/runtime-tools asks of a runtime, asked anew under the same names.

A function a program; docs/conformance.md has the results. Those of cgroups are in cgroups.py.
"""

import copy
import json
import os
import stat
import subprocess

from bundle import CAPABILITIES, SETS, Bundle, default_config
from inside import ALL_CAPABILITIES, judge, prepare

PROGRAMS = {}


def program(function):
    PROGRAMS[function.__name__] = function
    return function


def look_inside(t, config, arrange=None):
    """Runs the probe in a container of this configuration and judges what it has seen."""
    with Bundle() as bundle:
        if arrange:
            arrange(bundle)
        prepare(bundle, config)
        bundle.configure(config)
        with t.container(bundle) as id:
            if t.check("create", t.runtime.create(id, bundle), t.runtime.error) and \
                    t.check("start", t.runtime.verb("start", id), t.runtime.error):
                t.runtime.wait(id, "stopped")
                judge(t, config, bundle.read("stdout"))


def changed(**more):
    """The default configuration; keys are paths with __ for a dot."""
    config = default_config()
    for path, value in more.items():
        *parents, name = path.split("__")
        at = config
        for parent in parents:
            at = at.setdefault(parent, {})
        at[name] = value
    return config


def with_args(*args, **more):
    return changed(process__args=list(args), **more)


def privileged(**more):
    return changed(process__capabilities={name: ALL_CAPABILITIES for name in SETS}, **more)


# The process and its surroundings.

@program
def default(t):
    look_inside(t, default_config())


@program
def hostname(t):
    look_inside(t, changed(hostname=""))
    look_inside(t, changed(hostname="hostname-specific"))


@program
def process(t):
    config = changed(process__cwd="/work")
    config["process"]["env"] += ["testa=valuea", "testb=123"]
    look_inside(t, config, lambda bundle: os.mkdir(bundle.path + "/work", 0o700))


@program
def process_user(t):
    look_inside(t, changed(process__user={"uid": 10, "gid": 10, "additionalGids": [5], "umask": 0o002}),
                lambda bundle: os.chmod(bundle.path, 0o777))


@program
def process_rlimits(t):
    config = default_config()
    config["process"]["rlimits"].append({"type": "RLIMIT_CORE", "soft": 0, "hard": 4096})
    look_inside(t, config)


@program
def process_rlimits_fail(t):
    refused(t, changed(process__rlimits=[{"type": "RLIMIT_TEST", "soft": 1024, "hard": 1024}]))


@program
def process_capabilities(t):
    look_inside(t, privileged())


@program
def process_capabilities_fail(t):
    config = default_config()
    config["process"]["capabilities"]["bounding"] = CAPABILITIES + ["CAP_TEST"]
    refused(t, config)


def refused(t, config):
    with Bundle() as bundle:
        bundle.configure(config)
        with t.container(bundle) as id:
            t.check("create fails", not t.runtime.create(id, bundle))
            t.check("and says why", t.runtime.error)


@program
def process_oom_score_adj(t):
    look_inside(t, changed(process__oomScoreAdj=500))


@program
def root_readonly_true(t):
    look_inside(t, changed(root__readonly=True))


@program
def linux_devices(t):
    look_inside(t, changed(linux__devices=[
        {"path": "/dev/test1", "type": "c", "major": 10, "minor": 666, "fileMode": 0o660, "uid": 0, "gid": 0},
        {"path": "/dev/test2", "type": "b", "major": 8, "minor": 666, "fileMode": 0o660, "uid": 0, "gid": 0},
        {"path": "/dev/test3", "type": "p", "major": 8, "minor": 666, "fileMode": 0o660}]))


@program
def linux_sysctl(t):
    look_inside(t, changed(linux__sysctl={"net.ipv4.ip_forward": "1"}))


@program
def linux_seccomp(t):
    look_inside(t, changed(linux__seccomp={"defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_X86_64"],
                                           "syscalls": [{"names": ["getcwd"], "action": "SCMP_ACT_ERRNO"}]}))


def guarded_paths(t, field):
    """maskedPaths or readonlyPaths: of a tree, of devices, and what is to be refused."""
    def tree(bundle):
        os.makedirs(bundle.path + "/dir/sub")
        for name in ("file", "dir/file", "dir/sub/file"):
            bundle.write(name, "secret")

    look_inside(t, changed(**{"linux__" + field: ["/dir", "/file", "/dir/sub", "/dir/file", "/dir/sub/file"]}), tree)
    # Not of the programs, which stop before they ask the runtime: paths that lead nowhere are passed over.
    look_inside(t, changed(**{"linux__" + field: ["/nowhere"]}))
    devices = {"block": stat.S_IFBLK, "char": stat.S_IFCHR, "fifo": stat.S_IFIFO}

    def nodes(bundle):
        for name, kind in devices.items():
            os.mknod(f"{bundle.path}/{name}", kind | 0o666)

    look_inside(t, changed(**{"linux__" + field: ["/" + name for name in devices]}), nodes)


@program
def linux_masked_paths(t):
    guarded_paths(t, "maskedPaths")


@program
def linux_readonly_paths(t):
    guarded_paths(t, "readonlyPaths")


@program
def linux_rootfs_propagation(t):
    for mode in ("shared", "slave", "private", "unbindable"):
        look_inside(t, privileged(linux__rootfsPropagation=mode))


@program
def linux_uid_mappings(t):
    mappings = [{"containerID": 0, "hostID": 1000, "size": 2000}]
    config = changed(linux__uidMappings=mappings, linux__gidMappings=mappings)
    config["linux"]["namespaces"].append({"type": "user"})

    def own(bundle):  # by the container's root
        for top, directories, files in os.walk(bundle.path):
            for name in [".", *directories, *files]:
                os.lchown(f"{top}/{name}", 1000, 1000)

    look_inside(t, config, own)


@program
def linux_process_apparmor_profile(t):
    look_inside(t, changed(process__apparmorProfile="acme_secure_profile"))


@program
def linux_mount_label(t):
    look_inside(t, changed(linux__mountLabel="system_u:object_r:svirt_sandbox_file_t:s0:c715,c811"))


@program
def mounts(t):
    config = default_config()
    for mode in ("shared", "slave", "private"):
        config["mounts"].append({"destination": "/tmp/" + mode, "type": "tmpfs", "source": "tmpfs",
                                 "options": ["nosuid", "strictatime", "mode=755", "size=1k", mode]})
    for mode in ("shared", "slave", "private", "unbindable"):
        for bind, prefix in (("bind", ""), ("rbind", "r")):
            config["mounts"].append({"destination": f"/mnt/etc-{prefix}{mode}", "source": "/etc",
                                     "options": ["nosuid", "strictatime", bind, prefix + mode]})
    look_inside(t, config)


# The life cycle.

@program
def create(t):
    with Bundle() as bundle:
        bundle.configure(with_args("/bin/ls"))
        with t.container(bundle) as id:
            t.check("without an id it fails", not t.runtime.create("", bundle))
            t.check("it makes a container", t.runtime.create(id, bundle), t.runtime.error)
            t.check("whose state is told", (t.runtime.state(id) or {}).get("id") == id)
            t.check("an id once used is refused", not t.runtime.create(id, bundle))


@program
def start(t):
    with Bundle() as bundle:
        bundle.configure(with_args("/bin/sh", "-c", "echo called >>/output"))
        with t.container(bundle) as id:
            t.check("without an id it fails", not t.runtime.verb("start"))
            t.check("without a container it fails", not t.runtime.verb("start", id))
            t.check("create", t.runtime.create(id, bundle), t.runtime.error)
            t.check("nothing runs before", bundle.read("output") is None)
            t.check("start", t.runtime.verb("start", id), t.runtime.error)
            t.runtime.wait(id, "stopped")
            t.check("the program has run", bundle.read("output") == "called\n", bundle.read("output"))
            t.check("of a stopped one it fails", not t.runtime.verb("start", id))
            t.check("and does nothing", bundle.read("output") == "called\n", bundle.read("output"))
            t.check("delete", t.runtime.verb("delete", id), t.runtime.error)
        config = default_config()
        del config["process"]
        bundle.configure(config)
        with t.container(bundle) as id:
            if t.check("create without a process", t.runtime.create(id, bundle), t.runtime.error):
                t.check("start without a process does not fail", t.runtime.verb("start", id), t.runtime.error)


@program
def state(t):
    with Bundle() as bundle:
        bundle.configure(with_args("/bin/true"))
        with t.container(bundle) as id:
            t.check("without an id it fails", not t.runtime.verb("state"))
            t.check("without a container it fails", not t.runtime.verb("state", id))
            t.check("create", t.runtime.create(id, bundle), t.runtime.error)
            found = t.runtime.state(id) or {}
            t.check("it tells the state", found.get("status") == "created" and found.get("bundle") == bundle.path and
                    found.get("ociVersion") and found.get("pid", 0) > 0, found)


@program
def kill(t):
    with Bundle() as bundle:
        bundle.configure(with_args("/bin/true"))
        with t.container(bundle) as id:
            t.check("without an id it fails", not t.runtime.verb("kill"))
            t.check("without a container it fails", not t.runtime.verb("kill", id, "KILL"))
            t.check("create", t.runtime.create(id, bundle), t.runtime.error)
            t.check("of a created one", t.runtime.verb("kill", id, "KILL"), t.runtime.error)
            t.check("it stops", t.runtime.wait(id, "stopped"))
            t.check("delete", t.runtime.verb("delete", id), t.runtime.error)
        with t.container(bundle) as id:
            t.check("create and start", t.runtime.create(id, bundle) and t.runtime.verb("start", id), t.runtime.error)
            t.runtime.wait(id, "stopped")
            t.check("of a stopped one it fails", not t.runtime.verb("kill", id, "KILL"))
        bundle.configure(with_args("/bin/sleep", "30"))
        with t.container(bundle) as id:
            t.check("create and start", t.runtime.create(id, bundle) and t.runtime.verb("start", id), t.runtime.error)
            t.check("of a running one", t.runtime.verb("kill", id, "KILL"), t.runtime.error)
            t.check("it stops", t.runtime.wait(id, "stopped"))


@program
def kill_no_effect(t):
    with Bundle() as bundle:
        bundle.configure(with_args("/bin/true"))
        with t.container(bundle) as id:
            t.check("create and start", t.runtime.create(id, bundle) and t.runtime.verb("start", id), t.runtime.error)
            t.runtime.wait(id, "stopped")
            before = t.runtime.state(id)
            t.runtime.verb("kill", id, "KILL")
            t.check("the state is as before", t.runtime.state(id) == before, before)


@program
def killsig(t):
    with Bundle() as bundle:
        for signal in ("TERM", "USR1", "USR2"):
            script = f"trap 'touch /{signal}' {signal}; : >/ready; sleep 10 & wait $!"
            bundle.configure(with_args("/bin/sh", "-c", script))
            with t.container(bundle) as id:
                t.check("create and start", t.runtime.create(id, bundle) and t.runtime.verb("start", id),
                        t.runtime.error)
                t.until(lambda: bundle.read("ready") is not None)
                os.unlink(bundle.path + "/ready")
                t.check("kill " + signal, t.runtime.verb("kill", id, signal), t.runtime.error)
                t.runtime.wait(id, "stopped")
                t.check(f"{signal} has arrived", bundle.read(signal) is not None)


@program
def delete(t):
    t.check("without an id it fails", not t.runtime.verb("delete"))
    with Bundle() as bundle:
        bundle.configure(with_args("/bin/sleep", "30"))
        with t.container(bundle) as id:
            t.check("create", t.runtime.create(id, bundle), t.runtime.error)
            t.check("of a created one it fails", not t.runtime.verb("delete", id))
            if t.check("and does nothing", t.runtime.state(id)):
                t.runtime.verb("start", id)
                t.check("of a running one it fails", not t.runtime.verb("delete", id))
                t.check("and does nothing", t.runtime.state(id))


@program
def pidfile(t):
    with Bundle() as bundle:
        bundle.configure(with_args("/bin/true"))
        with t.container(bundle) as id:
            t.check("create", t.runtime.create(id, bundle, "--pid-file", bundle.path + "/pid"), t.runtime.error)
            t.check("the file has the pid", bundle.read("pid") == str((t.runtime.state(id) or {}).get("pid")),
                    bundle.read("pid"))


@program
def config_updates_without_affect(t):
    config = changed(process__oomScoreAdj=100, linux__sysctl={"net.ipv4.ip_forward": "1"},
                     linux__maskedPaths=["/proc/kcore"], linux__readonlyPaths=["/proc/fs"],
                     linux__rootfsPropagation="shared")
    with Bundle() as bundle:
        prepare(bundle, config)
        os.rmdir(bundle.path + "/probe/propagation")  # takes a capability
        bundle.configure(config)
        with t.container(bundle) as id:
            t.check("create", t.runtime.create(id, bundle), t.runtime.error)
            bundle.write("config.json", '{"ociVersion": "1.0.0"}')
            t.check("start", t.runtime.verb("start", id), t.runtime.error)
            t.check("it ends", t.runtime.wait(id, "stopped"))
            judge(t, {**config, "linux": {**config["linux"], "rootfsPropagation": ""}}, bundle.read("stdout"))
            t.check("delete", t.runtime.verb("delete", id), t.runtime.error)


@program
def misc_props(t):
    with Bundle() as bundle:
        for what, more in (("an unknown annotation", {"annotations": {"org.example.unknown": ""}}),
                           ("an unknown property", {"unknown": "unknown"})):
            bundle.configure({**with_args("/bin/true"), **more})
            with t.container(bundle) as id:
                t.check(what, t.runtime.create(id, bundle) and t.runtime.verb("start", id) and
                        t.runtime.wait(id, "stopped") and t.runtime.verb("delete", id), t.runtime.error)
        bundle.configure(changed(ociVersion="invalid"))
        with t.container(bundle) as id:
            t.check("a version that is none is refused", not t.runtime.create(id, bundle))


# Hooks.

def hook(bundle, name, script):
    return {"path": "/bin/sh", "args": ["sh", "-c", f"{script} >>{bundle.path}/{name}"]}


def life(t, bundle, config, before_delete=lambda: None):
    """Creates, starts and deletes; returns (created, started, deleted) as far as it got."""
    bundle.configure(config)
    with t.container(bundle) as id:
        if not t.runtime.create(id, bundle):
            return (False, False, False)
        if not t.runtime.verb("start", id):
            return (True, False, False)
        t.runtime.wait(id, "stopped")
        before_delete()
        return (True, True, t.runtime.verb("delete", id))


@program
def hooks(t):
    with Bundle() as bundle:
        config = with_args("/bin/true", hooks={
            kind: [hook(bundle, "output", f"echo {kind}{i}") for i in (1, 2)]
            for kind in ("prestart", "poststart", "poststop")})
        t.check("a life", all(life(t, bundle, config)), t.runtime.error)
        t.check("hooks are called in their order", (bundle.read("output") or "").split() == [
            "prestart1", "prestart2", "poststart1", "poststart2", "poststop1", "poststop2"], bundle.read("output"))


@program
def hooks_stdin(t):
    with Bundle() as bundle:
        kinds = {"prestart": ("created", "creating"), "poststart": ("running",), "poststop": ("stopped",)}
        config = with_args("/bin/sleep", "0.3", annotations={"org.example": "hook"},
                           hooks={kind: [{**hook(bundle, kind, "cat"), "timeout": 5}] for kind in kinds})
        bundle.configure(config)
        with t.container(bundle) as id:
            t.check("create", t.runtime.create(id, bundle), t.runtime.error)
            pid = (t.runtime.state(id) or {}).get("pid")
            t.check("start", t.runtime.verb("start", id), t.runtime.error)
            t.runtime.wait(id, "stopped")
            t.check("delete", t.runtime.verb("delete", id), t.runtime.error)
            for kind, statuses in kinds.items():
                found = json.loads(bundle.read(kind) or "{}")
                t.check(f"{kind} reads the state", found.get("id") == id and found.get("bundle") == bundle.path and
                        (kind == "poststop" or found.get("pid") == pid) and found.get("status") in statuses and
                        found.get("annotations") == {"org.example": "hook"}, found)


@program
def prestart(t):
    with Bundle() as bundle:
        bundle.configure(with_args("/bin/sh", "-c", "echo process >>/output",
                                   hooks={"prestart": [hook(bundle, "output", "echo hook")]}))
        with t.container(bundle) as id:
            t.check("create", t.runtime.create(id, bundle), t.runtime.error)
            t.check("not called by create", bundle.read("output") is None, bundle.read("output"))
            t.check("start", t.runtime.verb("start", id), t.runtime.error)
            t.runtime.wait(id, "stopped")
            t.check("called before the process", bundle.read("output") == "hook\nprocess\n", bundle.read("output"))


@program
def prestart_fail(t):
    with Bundle() as bundle:
        config = with_args("/bin/touch", "/output", hooks={"prestart": [hook(bundle, "none", "false")]})
        bundle.configure(config)
        with t.container(bundle) as id:
            t.check("an error", not (t.runtime.create(id, bundle) and t.runtime.verb("start", id)))
            t.check("the process has not run", bundle.read("output") is None)
            t.check("nothing is left", not t.runtime.state(id))


@program
def poststart(t):
    with Bundle() as bundle:
        # Called once the process has been executed, the hook will see what it writes; called before, never.
        wait = f"for i in $(seq 100); do [ -s {bundle.path}/output ] && break; sleep 0.1; done; echo hook"
        config = with_args("/bin/sh", "-c", "echo process >>/output",
                           hooks={"poststart": [hook(bundle, "output", wait)]})
        t.check("a life", all(life(t, bundle, config)), t.runtime.error)
        t.check("called after the process", bundle.read("output") == "process\nhook\n", bundle.read("output"))


@program
def poststart_fail(t):
    failing_hook(t, "poststart")


def failing_hook(t, kind):
    with Bundle() as bundle:
        hooks = {kind: [hook(bundle, "none", "false"), hook(bundle, "output", "echo hook")]}
        config = with_args("/bin/true", hooks=hooks)
        t.check("life goes on", all(life(t, bundle, config)), t.runtime.error)
        t.check("and so do the hooks", bundle.read("output") == "hook\n", bundle.read("output"))


@program
def poststop(t):
    with Bundle() as bundle:
        config = with_args("/bin/sh", "-c", "echo process >>/output",
                           hooks={"poststop": [hook(bundle, "output", "echo hook")]})
        early = []
        t.check("a life", all(life(t, bundle, config, lambda: early.append(bundle.read("output")))), t.runtime.error)
        t.check("called by delete", early == ["process\n"] and bundle.read("output") == "process\nhook\n",
                (early, bundle.read("output")))


@program
def poststop_fail(t):
    failing_hook(t, "poststop")


# Namespaces, as the pid of the state shows them.

NAMESPACES = {"cgroup": "cgroup", "ipc": "ipc", "mnt": "mount", "net": "network", "pid": "pid", "user": "user",
              "uts": "uts"}


def namespace(pid, name):
    return os.readlink(f"/proc/{pid}/ns/{name}")


def created_namespaces(t, config):
    """Of the container's pid after create; {} when that fails."""
    with Bundle() as bundle:
        bundle.configure(config)
        with t.container(bundle) as id:
            if not t.check("create", t.runtime.create(id, bundle), t.runtime.error):
                return {}
            pid = t.runtime.state(id)["pid"]
            return {name: namespace(pid, name) for name in NAMESPACES}


@program
def linux_ns_itype(t):
    config = changed(linux__namespaces=[])
    del config["hostname"]
    for name, found in created_namespaces(t, config).items():
        t.check(f"{name} is the caller's", found == namespace("self", name), found)


@program
def linux_ns_nopath(t):
    mapping = [{"containerID": 0, "hostID": 1000, "size": 1000}]
    config = changed(linux__namespaces=[{"type": type} for type in NAMESPACES.values()],
                     linux__uidMappings=mapping, linux__gidMappings=mapping)
    for name, found in created_namespaces(t, config).items():
        t.check(f"{name} is its own", found != namespace("self", name), found)


@program
def linux_ns_path(t):
    for name, option in (("ipc", "--ipc"), ("mnt", "--mount"), ("net", "--net"), ("pid", "--pid"), ("uts", "--uts")):
        holder = subprocess.Popen(["unshare", option, "--fork", "--kill-child", "sleep", "100"])
        try:
            link = name + ("_for_children" if name == "pid" else "")
            t.until(lambda: namespace(holder.pid, link) != namespace("self", link))
            config = default_config()
            replace_namespace(config, NAMESPACES[name], f"/proc/{holder.pid}/ns/{link}")
            found = created_namespaces(t, config).get(name)
            t.check(f"{name} is that of the path", found == namespace(holder.pid, link), found)
        finally:
            holder.kill()
            holder.wait()


def replace_namespace(config, type, path):
    others = [one for one in config["linux"]["namespaces"] if one["type"] != type]
    config["linux"]["namespaces"] = [*others, {"type": type, "path": path}]


@program
def linux_ns_path_type(t):
    for name, other in (("cgroup", "ipc"), ("ipc", "mnt"), ("mnt", "net"), ("net", "pid"), ("pid", "user"),
                        ("user", "uts"), ("uts", "cgroup")):
        config = copy.deepcopy(default_config())
        replace_namespace(config, NAMESPACES[name], "/proc/self/ns/" + other)
        with Bundle() as bundle:
            bundle.configure(config)
            with t.container(bundle) as id:
                t.check(f"{other} in place of {name} is refused", not t.runtime.create(id, bundle))
