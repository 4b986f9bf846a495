# SPDX-License-Identifier: Apache-2.0
"""What critest (kubernetes-sigs/cri-tools) asks of a CRI runtime and pod.py does not; docs/conformance.md lists it.

Left out: images, SELinux, AppArmor, and what this containerd does not tell to support. Each container takes time, so
that one answers several questions.
"""

import json
import os
import subprocess
import urllib.request

import grpc

from kubelet import (CONTAINER, CREATED, EXITED, NODE, NOT_READY, READY, RUNNING, Pod, check, container_config,
                     fails, output, pod_config, until)
from websocket import STDERR, STDIN, STDOUT, Channels

PAUSE = "while :; do sleep 0.2; done"
RUNTIME_DEFAULT, UNCONFINED, LOCALHOST = 0, 1, 2  # SecurityProfile.ProfileType
PRIVATE, FROM_HOST, BOTH_WAYS = 0, 1, 2  # MountPropagation
MIB = 1 << 20


def config_of(arguments, name, **more):
    """A pod's configuration; `linux` and `security` are added to the defaults'."""
    config = pod_config(arguments)
    config.update(metadata={"name": name, "uid": name + "-uid", "namespace": "default"}, hostname=name,
                  log_directory=f"{arguments.directory}/logs-{name}")
    del config["dns_config"]
    config["linux"] = {"cgroup_parent": arguments.cgroup, **more.pop("linux", {}),
                       "security_context": {"namespace_options": {"pid": CONTAINER}, **more.pop("security", {})}}
    config.update(more)
    return config


def container(name, script=PAUSE, **more):
    return container_config(name, script, pid=more.pop("pid", CONTAINER), **more)


def page(url):
    try:
        return urllib.request.urlopen(url, timeout=5).read()
    except OSError:
        return None


def run(cri, arguments):
    with Pod(cri, arguments, config_of(arguments, "plain")) as pod:
        basic_operations(cri, pod)
        statistics(cri, pod)
        logs(cri, pod)
        streaming(cri, pod)
        volumes(pod, arguments)
        users(pod, arguments)
        capabilities(pod)
        paths(pod)
        seccomp(pod, arguments)
    sandboxes(cri, arguments)
    with Pod(cri, arguments, config_of(arguments, "mighty", security={"privileged": 1})) as pod:
        privileged(pod, arguments)
        out_of_memory(pod)
    networks(cri, arguments)
    host_namespaces(cri, arguments)
    idempotence(cri)


def basic_operations(cri, pod):
    a = pod.create(container("basic"))

    def listed(id):
        return [one["id"] for one in cri.ListContainers(filter={"id": id})["containers"]] == [id]

    check("a container that is created is listed", listed(a) and pod.status(a)["state"] == CREATED)
    cri.RemoveContainer(container_id=a)
    check("one that is created can be removed", not listed(a))
    a = pod.start(container("basic"))
    check("one that is started runs", until(lambda: pod.status(a)["state"] == RUNNING))
    cri.RemoveContainer(container_id=a)
    check("one that runs can be removed", not listed(a))
    a = pod.start(container("basic"))
    cri.StopContainer(container_id=a, timeout=1)
    check("one that is stopped has ended", until(lambda: pod.status(a)["state"] == EXITED))
    cri.StopContainer(container_id=a, timeout=1)
    cri.RemoveContainer(container_id=a)
    check("and can be removed", not listed(a))
    cri.RemoveContainer(container_id=a)
    a = pod.start(container("basic"))
    check("exec says what it is told to", pod.run(a, "echo hello") == (0, "hello\n", ""))
    check("exec that outlasts its time is an error", fails(lambda: pod.run(a, "sleep 4321", timeout=1),
                                                           grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.UNKNOWN))
    check("and leaves no process", until(lambda: pod.out(a, "ps | grep -c '[s]leep 4321'") == "0\n"))
    cri.RemoveContainer(container_id=a)


def statistics(cri, pod):
    containers = [pod.start(container(f"counted-{i}", labels={"which": str(i)})) for i in range(3)]

    def ids(**filter):
        request = {"filter": filter} if filter else {}
        return {one["attributes"]["id"] for one in cri.ListContainerStats(**request)["stats"]}

    stats = cri.ContainerStats(container_id=containers[0])["stats"]
    check("statistics name their container", stats["attributes"]["id"] == containers[0] and
          stats["attributes"]["metadata"]["name"] == "counted-0", stats)
    check("and their time", stats["cpu"]["timestamp"] > 0 and stats["memory"]["timestamp"] > 0, stats)
    check("statistics of all", set(containers) <= ids())
    check("of one by its id", ids(id=containers[1]) == {containers[1]})
    check("of one by its label", ids(label_selector={"which": "2"}) == {containers[2]} and
          ids(label_selector={"which": "9"}) == set())
    for id in containers:
        cri.RemoveContainer(container_id=id)


def logs(cri, pod):
    a = pod.start(container("talks", "while :; do echo line; sleep 0.1; done"))
    check("a container's log grows", until(lambda: pod.log("talks")))
    path = pod.status(a)["log_path"]
    check("its status tells where", path == f"{pod.log_directory}/talks.log", path)
    os.rename(path, path + ".old")
    cri.ReopenContainerLog(container_id=a)
    check("a log that is opened anew is there", until(lambda: os.path.exists(path) and pod.log("talks")))
    size = os.path.getsize(path + ".old")
    before = len(pod.log("talks"))
    until(lambda: len(pod.log("talks")) > before + 3)
    check("and the old one is left alone", os.path.getsize(path + ".old") == size)
    cri.RemoveContainer(container_id=a)


def streaming(cri, pod):
    a = pod.start(container("streams"))
    url = cri.Exec(container_id=a, cmd=["echo", "-n", "hello"], stdout=1, stderr=1)["url"]
    streams = Channels(url).read_all()
    check("exec, streamed, without standard input", streams.get(STDOUT) == b"hello" and not streams.get(STDERR),
          streams)
    url = cri.Exec(container_id=a, cmd=["echo", "-n", "hello"], tty=1, stdin=1, stdout=1)["url"]
    streams = Channels(url).read_all()
    check("with a terminal", streams.get(STDOUT) == b"hello", streams)
    cri.RemoveContainer(container_id=a)
    shell = container_config("shell", "", pid=CONTAINER, stdin=1, stdin_once=1)
    shell["command"] = ["/bin/sh"]
    a = pod.start(shell)
    stream = Channels(cri.Attach(container_id=a, stdin=1, stdout=1, stderr=1)["url"])
    stream.send(STDIN, b"echo -n hello\n")
    message = stream.receive()
    while message is not None and not message[1]:
        message = stream.receive()
    check("attach to a shell", message == (STDOUT, b"hello"), message)
    stream.close()
    cri.RemoveContainer(container_id=a)


def volumes(pod, arguments):
    base = arguments.directory + "/volume"
    os.makedirs(base)
    open(base + "/file", "w").close()
    os.symlink(base, base + "-link")
    lines = output(pod, container("sees", "ls /by-name /by-link", mounts=[
        {"container_path": "/by-name", "host_path": base},
        {"container_path": "/by-link", "host_path": base + "-link"}]))
    check("a volume, and one by a symbolic link", lines == ["/by-link:", "file", "", "/by-name:", "file"], lines)
    # What is mounted in it is read-only, too, which critest does not ask for (docs/limitations.md).
    os.mkdir(base + "/inner")
    subprocess.run(["mount", "-t", "tmpfs", "none", base + "/inner"], check=True)
    open(base + "/inner/seen", "w").close()
    lines = output(pod, container("reads", "ls /there/inner; touch /there/file2 || echo no; touch /there/inner/f || "
                                  "echo nor here", mounts=[
                                      {"container_path": "/there", "host_path": base, "readonly": 1}]))
    check("a read-only volume with a mount in it", lines == ["seen", "no", "nor here"], lines)
    subprocess.run(["umount", base + "/inner"], check=True)


def users(pod, arguments):
    lines = output(pod, container("by-name", "id -nu", security={"run_as_username": "user"}))
    check("a user by name", lines == ["user"], lines)
    check("a group without a user is refused", fails(
        lambda: pod.create(container("no-user", security={"run_as_group": {"value": 1002}})),
        grpc.StatusCode.UNKNOWN, grpc.StatusCode.INVALID_ARGUMENT))
    if arguments.effective_user:
        for name, guarded, wanted in (("rises", 0, "0"), ("stays", 1, "1000")):
            lines = output(pod, container(name, "/bin/set-user-id", security={
                "no_new_privs": guarded, "run_as_user": {"value": 1000}}))
            check(f"a set-user-id program with no_new_privs {guarded}", lines == [wanted], lines)


# Needs CAP_NET_ADMIN, as the bridge does that critest makes, for which the guest's kernel has no module.
LINK = "ip link set lo mtu 60000"


def capabilities(pod):
    whole = {name: output(pod, container(name, f"grep CapBnd /proc/self/status; {LINK} && echo set; "
                                         "touch /new && [ -f /new ] && echo written; grep Seccomp: /proc/self/status; "
                                         "ping -c 1 -W 1 127.0.0.1 >/dev/null 2>&1 && echo pong", security={
                                             "capabilities": capabilities}))
             for name, capabilities in (("adds", {"add_capabilities": ["NET_ADMIN"]}), ("has", {}),
                                        ("drops", {"drop_capabilities": ["NET_RAW"]}),
                                        ("adds-all", {"add_capabilities": ["ALL"]}))}
    check("a capability that is added works", "set" in whole["adds"], whole["adds"])
    check("and is not there without", "set" not in whole["has"], whole["has"])
    check("one that is there", "pong" in whole["has"], whole["has"])
    check("is gone when dropped", "pong" not in whole["drops"], whole["drops"])
    check("all are added", "set" in whole["adds-all"] and "CapBnd:\t0000000000000000" not in whole["adds-all"], whole)
    check("a root file system that is written to", "written" in whole["has"], whole["has"])
    check("without a seccomp profile there is none", "Seccomp:\t0" in whole["has"], whole["has"])


def paths(pod):
    lines = output(pod, container("paths", "cat /etc/group | wc -c; touch /tmp/file 2>&1", security={
        "masked_paths": ["/etc/group"], "readonly_paths": ["/tmp"]}))
    check("a masked path and a read-only one", lines == ["0", "touch: /tmp/file: Read-only file system"], lines)


def seccomp(pod, arguments):
    profile = arguments.directory + "/profile.json"
    with open(profile, "w") as file:
        json.dump({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
            {"names": ["chmod", "fchmodat", "sethostname"], "action": "SCMP_ACT_ERRNO"}]}, file)
    ask = "grep Seccomp: /proc/self/status; chmod 400 / 2>&1; hostname other 2>/dev/null && echo named"
    local = {"profile_type": LOCALHOST, "localhost_ref": "localhost/" + profile}
    admin = {"add_capabilities": ["SYS_ADMIN"]}
    for name, wanted, security in (
            ("unconfined", ["Seccomp:\t0", "named"], {"seccomp": {"profile_type": UNCONFINED}, "capabilities": admin}),
            ("default", ["Seccomp:\t2"], {"seccomp": {"profile_type": RUNTIME_DEFAULT}}),
            ("local", ["Seccomp:\t2", "chmod: /: Operation not permitted"], {"seccomp": local, "capabilities": admin})):
        lines = output(pod, container("seccomp-" + name, ask, security=security))
        check(f"the seccomp profile: {name}", lines == wanted, lines)


def sandboxes(cri, arguments):
    sysctls = {"kernel.shm_rmid_forced": "1", "fs.mqueue.msg_max": "100"}
    pod = Pod(cri, arguments, config_of(arguments, "tuned", linux={"sysctls": sysctls}))
    listed = lambda: [one["id"] for one in cri.ListPodSandbox(filter={"id": pod.id})["items"]]
    state = lambda: cri.PodSandboxStatus(pod_sandbox_id=pod.id)["status"]["state"]
    check("a sandbox that runs is ready, and listed", state() == READY and listed() == [pod.id])
    lines = output(pod, container("reads-sysctls", "cat /proc/sys/kernel/shm_rmid_forced /proc/sys/fs/mqueue/msg_max"))
    check("sysctls, safe and unsafe", lines == ["1", "100"], lines)
    for _ in range(2):
        cri.StopPodSandbox(pod_sandbox_id=pod.id)
        check("one that is stopped is not ready", state() == NOT_READY)
    cri.RemovePodSandbox(pod_sandbox_id=pod.id)
    check("one that is removed is not listed", not listed())


def privileged(pod, arguments):
    lines = output(pod, container("bridges", LINK + " && echo set; hostname other && echo named", security={
        "privileged": 1, "seccomp": {"profile_type": LOCALHOST, "localhost_ref":
                                     f"localhost/{arguments.directory}/profile.json"}}))
    check("a privileged container sets links, whatever its seccomp profile", lines == ["set", "named"], lines)
    lines = output(pod, container("humble", LINK + " || echo not set"))
    check("one beside it that is not privileged does not", lines == ["not set"], lines)
    propagation(pod, arguments.directory + "/propagates")


def propagation(pod, base):
    """Mounts of the host do not reach into a virtual machine that runs, nor the other way round."""
    modes = {PRIVATE: "private", FROM_HOST: "from the host", BOTH_WAYS: "both ways"}
    source = {mode: f"{base}/{mode}" for mode in modes}
    for mode, path in source.items():
        os.makedirs(path + "/inner")
        subprocess.run(["mount", "--bind", path, path], check=True)
        subprocess.run(["mount", "--make-rprivate" if mode == PRIVATE else "--make-rshared", path], check=True)
    try:
        a = pod.start(container("propagates", security={"privileged": 1}, mounts=[
            {"container_path": path, "host_path": path, "propagation": mode} for mode, path in source.items()]))
        mounts = {one["container_path"]: one["propagation"] for one in pod.status(a)["mounts"]}
        check("the propagation of volumes is told", mounts == {path: mode for mode, path in source.items()}, mounts)
        for mode, path in source.items():
            subprocess.run(["mount", "-t", "tmpfs", "none", path + "/inner"], check=True)
            open(path + "/inner/file", "w").close()
            seen = pod.out(a, f"ls -A {path}/inner; mkdir {path}/own; mount --bind /etc {path}/own || echo not mounted")
            check(f"mounts of the host and of the container stay there ({modes[mode]})", seen == "" and
                  os.listdir(path + "/own") == [], (seen, os.listdir(path + "/own")))
    finally:
        for path in source.values():
            subprocess.run(["umount", "-R", "-l", path], check=True)


def out_of_memory(pod):
    a = pod.start(container("hungry", "dd if=/dev/zero of=/dev/null bs=20M", resources={
        "memory_limit_in_bytes": 15 * MIB, "memory_swap_limit_in_bytes": 15 * MIB}))
    until(lambda: pod.status(a)["state"] == EXITED)
    check("a container that runs out of memory ends with 137", pod.status(a)["exit_code"] == 137, pod.status(a))
    check("and OOMKilled", until(lambda: pod.status(a)["reason"] == "OOMKilled", 10), pod.status(a))


def networks(cri, arguments):
    config = config_of(arguments, "served", dns_config={
        "servers": ["10.10.10.10"], "searches": ["google.com"], "options": ["ndots:8"]},
        port_mappings=[{"container_port": 80, "host_port": 12001}])
    with Pod(cri, arguments, config) as pod:
        a = pod.start(container("serves", "echo page >/index.html; echo serving; exec httpd -f -p 80 -h /"))
        b = pod.start(container("beside", "echo beside; " + PAUSE))
        resolver = pod.out(a, "cat /etc/resolv.conf")
        check("servers, searches and options of the DNS", all(
            line in resolver for line in ("nameserver 10.10.10.10", "search google.com", "options ndots:8")), resolver)
        check("the host name", pod.out(b, "hostname") == "served\n")
        ip = cri.PodSandboxStatus(pod_sandbox_id=pod.id)["status"]["network"]["ip"]
        check("a container's port", until(lambda: page(f"http://{ip}/") == b"page\n"))
        check("and the host's for it", until(lambda: page("http://127.0.0.1:12001/") == b"page\n"))
        check("logs of two containers", pod.log("serves") == [("stdout", "serving")] and
              pod.log("beside") == [("stdout", "beside")])
        seen = pod.out(b, "netstat -ltn; ipcs -m")
        check("no port and no memory segment of the host is seen", seen.count("LISTEN") == 1 and "0x" not in seen, seen)
        check("exec in both", pod.out(a, "echo a") == "a\n" and pod.out(b, "echo b") == "b\n")


def host_namespaces(cri, arguments):
    """The host's network is refused; its processes and memory segments are another kernel's, and the pod's take their
    place."""
    refused = config_of(arguments, "host-net", security={"namespace_options": {"network": NODE}})
    check("the host's network is refused", fails(lambda: Pod(cri, arguments, refused), grpc.StatusCode.UNKNOWN))
    for pod in cri.ListPodSandbox()["items"]:
        cri.RemovePodSandbox(pod_sandbox_id=pod["id"])
    options = {"pid": NODE, "ipc": NODE}
    with Pod(cri, arguments, config_of(arguments, "host-pid", security={"namespace_options": options})) as pod:
        pod.start(container("first", "echo $$ >/dev/shm/pid; exec sleep 4242", pid=NODE))
        lines = output(pod, container("second", "until ps | grep '[s]leep 4242'; do sleep 0.1; done | "
                                      "awk '{print $1}'; cat /dev/shm/pid; ps | grep -c '[c]ontainerd'", pid=NODE))
        check("the pod's processes are seen, by the same number", len(lines) == 3 and lines[0] == lines[1], lines)
        check("the host's are not", lines[-1:] == ["0"], lines)


def idempotence(cri):
    # Stopping what is not there is an error of containerd's until 1.7.
    check("a sandbox that is not there is removed without an error",
          cri.RemovePodSandbox(pod_sandbox_id="no-such-id") is not None)
    check("and so is a container", cri.RemoveContainer(container_id="no-such-id") is not None)
