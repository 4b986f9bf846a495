# SPDX-License-Identifier: Apache-2.0
"""Compares what probe.sh has seen in a container with the configuration that the container was made of."""

import os
import re

from bundle import SETS

_NAMES = ("CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE "
          "NET_BIND_SERVICE NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO SYS_CHROOT "
          "SYS_PTRACE SYS_PACCT SYS_ADMIN SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE "
          "AUDIT_WRITE AUDIT_CONTROL SETFCAP MAC_OVERRIDE MAC_ADMIN SYSLOG WAKE_ALARM BLOCK_SUSPEND AUDIT_READ PERFMON "
          "BPF CHECKPOINT_RESTORE")
ALL_CAPABILITIES = ["CAP_" + name for name in _NAMES.split()]
_FIELDS = dict(zip(SETS, ("CapBnd", "CapEff", "CapInh", "CapPrm", "CapAmb")))
_LIMITS = {"RLIMIT_NOFILE": "Max open files", "RLIMIT_CORE": "Max core file size", "RLIMIT_NPROC": "Max processes"}
_LINKS = {"/dev/fd": "/proc/self/fd", "/dev/ptmx": "pts/ptmx", "/dev/stdin": "/proc/self/fd/0",
          "/dev/stdout": "/proc/self/fd/1", "/dev/stderr": "/proc/self/fd/2"}
_DEVICES = [{"path": "/dev/" + name, "type": "c", "major": major, "minor": minor} for name, major, minor in (
    ("null", 1, 3), ("zero", 1, 5), ("full", 1, 7), ("random", 1, 8), ("urandom", 1, 9), ("tty", 5, 0), ("ptmx", 5, 2))]
_KINDS = {"c": "character special file", "u": "character special file", "b": "block special file", "p": "fifo"}
_FILE_SYSTEMS = {"/proc": "proc", "/sys": "sysfs", "/dev/pts": "devpts", "/dev/shm": "tmpfs"}


def prepare(bundle, config):
    """Tells the probe what to look at."""
    linux = config.get("linux", {})
    for name, items in (("devices", [device["path"] for device in linux.get("devices", [])]),
                        ("sysctls", linux.get("sysctl", {})), ("masked", linux.get("maskedPaths", [])),
                        ("readonly", linux.get("readonlyPaths", []))):
        bundle.write("probe/" + name, "".join(item + "\n" for item in items))
    if "rootfsPropagation" in linux:
        os.makedirs(bundle.path + "/probe/propagation", exist_ok=True)


def judge(t, config, output):
    seen = dict(re.findall(r"^== (\w+)\n(.*?)(?=^== )", output, re.M | re.S))
    t.check("the process ran to its end", output.endswith("== end\n"), output[-300:])
    if not seen:
        return
    linux, status = config.get("linux", {}), dict(re.findall(r"^(\w+):\s*(.*?)$", seen["status"], re.M))
    _judge_process(t, config, seen, status)
    _judge_mounts(t, config, seen)
    t.check("links in /dev", dict(line.split(" ", 1) for line in seen["links"].splitlines()) == _LINKS, seen["links"])
    _judge_devices(t, _DEVICES + linux.get("devices", []), seen["devices"])
    for name, word in (("masked", "readable"), ("readonly", "writable")):
        t.check(f"nothing {name} is {word}", word not in seen[name], seen[name])
    values = dict(line.split("=", 1) for line in seen["sysctls"].splitlines())
    t.check("sysctls", values == linux.get("sysctl", {}), values)
    for which, name in (("uid_map", "uidMappings"), ("gid_map", "gidMappings")):
        wanted = [[one["containerID"], one["hostID"], one["size"]] for one in linux.get(name, [])]
        found = [[int(word) for word in line.split()] for line in seen[which].splitlines()]
        t.check(name, not wanted or wanted == found, found)
    _judge_propagation(t, linux.get("rootfsPropagation"), seen["propagation"])


def _judge_process(t, config, seen, status):
    process, user = config["process"], config["process"]["user"]
    if "getcwd" in str(config["linux"].get("seccomp")):
        t.check("getcwd is refused", "not permitted" in seen["cwd"], seen["cwd"])
    else:
        t.check("working directory", seen["cwd"] == process["cwd"] + "\n", seen["cwd"])
    t.check("environment", set(process["env"]) <= set(seen["env"].splitlines()), seen["env"])
    t.check("arguments", seen["args"].splitlines() == process["args"], seen["args"])
    t.check("user", status["Uid"].split() == [str(user["uid"])] * 4, status["Uid"])
    t.check("group", status["Gid"].split() == [str(user["gid"])] * 4, status["Gid"])
    t.check("more groups", {str(gid) for gid in user.get("additionalGids", [])} <= set(status["Groups"].split()))
    t.check("umask", int(status["Umask"], 8) == user.get("umask", 0o022), status["Umask"])
    t.check("noNewPrivileges", status["NoNewPrivs"] == str(int(process.get("noNewPrivileges", False))))
    for name in SETS:
        value = int(status[_FIELDS[name]], 16)
        found = {cap for bit, cap in enumerate(ALL_CAPABILITIES) if value >> bit & 1}
        t.check(f"{name} capabilities", found == set(process["capabilities"].get(name, [])), found)
    for limit in process.get("rlimits", []):
        values = re.search(_LIMITS[limit["type"]] + r"\s+(\S+)\s+(\S+)", seen["limits"]).groups()
        t.check(limit["type"], values == (str(limit["soft"]), str(limit["hard"])), values)
    if "oomScoreAdj" in process:
        t.check("oomScoreAdj", int(seen["oom"]) == process["oomScoreAdj"], seen["oom"])
    if config.get("hostname"):
        t.check("hostname", seen["hostname"] == config["hostname"] + "\n", seen["hostname"])
    if config["root"].get("readonly"):
        t.check("root is read-only", "writable" not in seen["root"])
    else:
        t.check("root is writable", "writable" in seen["root"])


def _judge_mounts(t, config, seen):
    mounts = []
    for line in seen["mounts"].splitlines():
        left, right = line.split(" - ")
        mounts.append((left.split()[4], left.split()[3], *right.split()[:2]))  # where, root, type, source
    types = {where: type for where, _, type, _ in mounts}
    for where, type in _FILE_SYSTEMS.items():
        t.check(f"{where} is {type}", types.get(where) == type, types.get(where))
    place = 0
    for mount in config["mounts"]:
        bind = {"bind", "rbind"} & set(mount.get("options", []))

        def is_it(found):
            where, root, type, source = found
            same = os.path.basename(root) == os.path.basename(mount["source"]) if bind else source == mount["source"]
            return where == mount["destination"] and same and mount.get("type", type) == type

        at = next((i for i in range(place, len(mounts)) if is_it(mounts[i])), None)
        t.check(f"{mount['destination']} is mounted in its turn", at is not None,
                [found for found in mounts if found[0] == mount["destination"]])
        place = place if at is None else at + 1


def _judge_devices(t, devices, seen):
    found = {line.split("|")[0]: line.split("|")[1:] for line in seen.splitlines()}
    for device in devices:
        values = found.get(device["path"])
        if not t.check(f"{device['path']} is there", bool(values), seen):
            continue
        kind, major, minor, mode, uid, gid = values
        right = kind == _KINDS[device["type"]]
        if device["type"] != "p":
            right = right and (int(major, 16), int(minor, 16)) == (device["major"], device["minor"])
        if "fileMode" in device:
            right = right and int(mode, 8) == device["fileMode"]
        right = right and device.get("uid", int(uid)) == int(uid) and device.get("gid", int(gid)) == int(gid)
        t.check(f"{device['path']} is as asked for", right, values)


def _judge_propagation(t, mode, seen):
    if mode == "unbindable":
        t.check("an unbindable root is not bound", "bound" not in seen, seen)
    elif mode:
        t.check(f"a {mode} root", "bound" in seen and ("exposed" in seen) == (mode == "shared"), seen)
