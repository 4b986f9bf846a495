#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What a kubelet does with containerd's CRI plugin: a pod of three containers, looked at and taken down again, and then
what critest asks (specs.py).

To be started in network and mount namespaces of its own; tests/e2e/engines_test.cc does. By hand:

    unshare --net --mount /usr/bin/python3 tests/e2e/cri/pod.py --directory /tmp/x --rootfs ROOTFS --config CONFIG \
        --handler cc-runtime [--machines DIR] [--effective-user PROGRAM]

ROOTFS is a directory with busybox in /bin, CONFIG what `cc-runtime setup containerd --config CONFIG` has made (with
--handler runc anything). Prints a line a check and exits with 1 when one failed.
"""

import argparse
import os
import urllib.request

import grpc

import kubelet
import specs
from client import Cri
from kubelet import (CONTAINER, EXITED, NOT_READY, READY, RUNNING, Containerd, Pod, check, container_config, fails,
                     output, until)
from websocket import ERROR, STDERR, STDIN, STDOUT, Channels

MIB = 1 << 20


def check_sandbox(cri, pod, arguments):
    status = cri.PodSandboxStatus(pod_sandbox_id=pod.id)["status"]
    check("the sandbox is ready", status["state"] == READY, status)
    check("its address is of the CNI network", status["network"]["ip"].startswith("10.68.0."), status)
    check("labels and annotations come back", status["labels"] == {"app": "web"} and
          status["annotations"] == {"note": "kept"}, status)
    check("its handler is told", status["runtime_handler"] == arguments.handler, status)
    return status["network"]["ip"]


def check_exec(pod, a):
    check("exec: output, error, exit code", pod.run(a, "echo out; echo err >&2; exit 4") == (4, "out\n", "err\n"))
    check("exec of a program that is not there is an error", fails(lambda: pod.cri.ExecSync(
        container_id=a, cmd=["no-such-program"]), grpc.StatusCode.UNKNOWN, grpc.StatusCode.INTERNAL))
    check("exec that outlasts its time is an error", fails(
        lambda: pod.run(a, "sleep 100", timeout=1), grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.UNKNOWN))
    check("and its process has ended", until(lambda: pod.out(a, "ps | grep -c '[s]leep 100$'") == "0\n"))
    check("the environment", pod.out(a, "echo $WHO") == "a\n")
    check("a megabyte through exec", pod.out(a, "head -c 1000000 /dev/zero | tr '\\0' x") == "x" * 1000000)


def check_sharing(pod, a, b, c, ip):
    check("the pod's host name", pod.out(b, "hostname") == "web-0\n")
    check("the pod's DNS", "nameserver 10.68.0.1" in pod.out(b, "cat /etc/resolv.conf"))
    check("a sysctl of the pod", pod.out(a, "cat /proc/sys/net/ipv4/ip_unprivileged_port_start") == "80\n")
    pod.run(a, "echo shared >/dev/shm/f")
    check("/dev/shm is shared", pod.out(b, "cat /dev/shm/f") == "shared\n")
    check("with pid POD all processes are seen", "/bin/sleep 100000000" in pod.out(a, "ps") and
          "httpd" in pod.out(a, "ps"), pod.out(a, "ps"))
    check("with pid CONTAINER its own", pod.out(c, "echo $(ps | grep -c '[h]ttpd')/$(cat /proc/1/comm)") == "0/sh\n")
    check("the network is shared", until(lambda: pod.out(a, "wget -qO- http://127.0.0.1/") == "served by b\n"))

    def fetch():
        try:
            return urllib.request.urlopen(f"http://{ip}/", timeout=5).read() == b"served by b\n"
        except OSError:
            return False
    check("and reached from outside", until(fetch))


def check_limits(cri, pod, a):
    limit = "cat /sys/fs/cgroup/memory.max 2>/dev/null || cat /sys/fs/cgroup/memory/memory.limit_in_bytes"
    check("a container's memory limit", pod.out(a, limit) == f"{64 * MIB}\n")
    cri.UpdateContainerResources(container_id=a, linux={"memory_limit_in_bytes": 80 * MIB})
    check("and a new one", pod.out(a, limit) == f"{80 * MIB}\n")
    stats = until(lambda: cri.ContainerStats(container_id=a)["stats"])
    check("stats of a container", stats["cpu"]["usage_core_nano_seconds"]["value"] > 0 and
          stats["memory"]["working_set_bytes"]["value"] > 0, stats)
    check("stats of all", len(cri.ListContainerStats()["stats"]) == 3)
    linux = cri.PodSandboxStats(pod_sandbox_id=pod.id)["stats"]["linux"]
    check("stats of the pod", linux["memory"]["working_set_bytes"]["value"] > 0, linux)
    check("of its network", linux["network"]["default_interface"]["name"] == "eth0" and
          linux["network"]["default_interface"]["rx_bytes"]["value"] > 0, linux)


def check_security(pod):
    lines = output(pod, container_config(
        "guarded", "id; touch /x || echo read-only; grep -E 'CapEff|NoNewPrivs' /proc/self/status; "
        "cat /etc/passwd | wc -l; mount -o remount,rw / || echo no mount", pid=CONTAINER,
        security={"run_as_user": {"value": 5}, "run_as_group": {"value": 6}, "supplemental_groups": [7, 8],
                  "readonly_rootfs": 1, "no_new_privs": 1, "masked_paths": ["/etc/passwd"],
                  "capabilities": {"drop_capabilities": ["ALL"]}}))
    check("user, groups, read-only root, no privileges, masked paths", lines == [
        "uid=5 gid=6 groups=6,7,8", "read-only", "CapEff:\t0000000000000000", "NoNewPrivs:\t1", "0", "no mount"], lines)
    lines = output(pod, container_config(
        "mighty", "mkdir /m; mount -t tmpfs none /m && echo mounted; echo 1 >/proc/sys/net/ipv4/ip_forward && echo set",
        pid=CONTAINER, security={"privileged": 1}))
    check("a privileged one may mount and set", lines == ["mounted", "set"], lines)


def check_restart(cri, pod, a, containerd):
    containerd.end()
    containerd.start()
    check("a pod goes on without containerd", until(lambda: answers(cri)) and
          cri.PodSandboxStatus(pod_sandbox_id=pod.id)["status"]["state"] == READY and pod.status(a)["state"] == RUNNING)
    check("and is entered by the next one", pod.out(a, "echo $WHO") == "a\n")


def answers(cri):
    try:
        return cri.Version()["runtime_name"] == "containerd"
    except grpc.RpcError:
        return False


def check_streams(cri, pod, a, c):
    url = cri.Exec(container_id=a, cmd=["sh", "-c", "read line; echo got $line; echo err >&2; exit 5"], stdin=1,
                   stdout=1, stderr=1)["url"]
    stream = Channels(url)
    stream.send(STDIN, b"typed\n")
    streams = stream.read_all()
    check("exec, streamed", streams.get(STDOUT) == b"got typed\n" and streams.get(STDERR) == b"err\n" and
          b'"message":"5"' in streams.get(ERROR, b""), streams)
    url = cri.Exec(container_id=a, cmd=["sh", "-c", "test -t 0 && test -t 1 && tty"], tty=1, stdin=1, stdout=1)["url"]
    streams = Channels(url).read_all()
    check("exec with a terminal", b"/dev/pts/" in streams.get(STDOUT, b""), streams)
    stream = Channels(cri.Attach(container_id=c, stdin=1, stdout=1, stderr=1)["url"])
    stream.send(STDIN, b"hello\n")
    check("attach", stream.receive() is not None and until(lambda: ("stdout", "c heard hello") in pod.log("c")),
          pod.log("c"))
    stream.close()


def check_port_forward(cri, pod):
    data, error = 0, 1
    stream = Channels(cri.PortForward(pod_sandbox_id=pod.id, port=[80])["url"] + "?port=80")
    begun = dict([stream.receive(), stream.receive()])
    check("port-forward says which port", begun == {data: b"\x50\0", error: b"\x50\0"}, begun)
    stream.send(data, b"GET / HTTP/1.0\r\n\r\n")
    answer = b""
    while b"served by b\n" not in answer and (message := stream.receive()) is not None:
        answer += message[1]
    check("and reaches what the pod serves", b"served by b\n" in answer, answer)
    stream.close()


def check_ends(cri, pod, a, arguments):
    cri.StopContainer(container_id=a, timeout=20)
    status = pod.status(a)
    check("a container that is stopped handles TERM", status["state"] == EXITED and status["exit_code"] == 3, status)
    check("its log", sorted(pod.log("a")) == [
        ("stderr", "and to this"), ("stdout", "a ends"), ("stdout", "to the log")], pod.log("a"))
    cri.RemoveContainer(container_id=a)
    again = container_config("a", "echo $WHO again >/work/f; exit 6", security={"run_as_user": {"value": 0}},
                             mounts=[{"container_path": "/work", "host_path": arguments.directory + "/work"}])
    again["metadata"]["attempt"] = 1
    a = pod.start(again)
    check("it is started again, with a volume", until(lambda: pod.status(a)["state"] == EXITED) and
          pod.status(a)["exit_code"] == 6 and open(arguments.directory + "/work/f").read() == "a again\n",
          pod.status(a))
    killed = pod.start(container_config("killed", "head -c 200m /dev/zero | tail", pid=CONTAINER,
                                        resources={"memory_limit_in_bytes": 16 * MIB}))
    check("one that takes too much memory is killed", until(lambda: pod.status(killed)["state"] == EXITED) and
          pod.status(killed)["exit_code"] == 137, pod.status(killed))


def test(cri, containerd, arguments):
    version = cri.Version()
    check("containerd answers", version["runtime_name"] == "containerd", version)
    check("runtime and network are ready", until(lambda: all(
        condition["status"] for condition in cri.Status()["status"]["conditions"])), cri.Status())
    pod = Pod(cri, arguments)
    ip = check_sandbox(cri, pod, arguments)
    a = pod.start(container_config(
        "a", "trap 'echo a ends; exit 3' TERM; echo to the log; echo and to this >&2; while :; do sleep 0.2; done",
        resources={"memory_limit_in_bytes": 64 * MIB, "cpu_shares": 512}))
    b = pod.start(container_config("b", "echo served by b >/index.html; exec httpd -f -p 80 -h /"))
    c = pod.start(container_config("c", "while read line; do echo c heard $line; done", pid=CONTAINER, stdin=1))
    check("three containers run", all(pod.status(id)["state"] == RUNNING for id in (a, b, c)))
    if arguments.machines:
        check("in one machine", len(os.listdir(arguments.machines)) == 1, os.listdir(arguments.machines))
        check("with a kernel of its own", pod.out(a, "uname -r") != os.uname().release + "\n")
    check_exec(pod, a)
    check_sharing(pod, a, b, c, ip)
    check_limits(cri, pod, a)
    check_streams(cri, pod, a, c)
    check_port_forward(cri, pod)
    check_security(pod)
    check_restart(cri, pod, a, containerd)
    check_ends(cri, pod, a, arguments)
    for _ in range(2):
        cri.StopPodSandbox(pod_sandbox_id=pod.id)
    check("a sandbox that is stopped is not ready",
          cri.PodSandboxStatus(pod_sandbox_id=pod.id)["status"]["state"] == NOT_READY)
    check("nor runs what is in it", pod.status(b)["state"] == EXITED)
    cri.RemovePodSandbox(pod_sandbox_id=pod.id)
    check("nothing is listed", not cri.ListPodSandbox()["items"] and not cri.ListContainers()["containers"])
    specs.run(cri, arguments)
    if arguments.machines:
        check("no machine is left", until(lambda: not os.listdir(arguments.machines)))


def remove_cgroups(name):
    for top, directories, _ in os.walk("/sys/fs/cgroup", topdown=False):
        if name in directories:
            os.rmdir(f"{top}/{name}")


def main():
    parser = argparse.ArgumentParser()
    for option in ("directory", "rootfs", "config"):
        parser.add_argument("--" + option, required=True)
    parser.add_argument("--handler", default="cc-runtime")
    parser.add_argument("--machines", help="where cc-runtime has a directory for each virtual machine")
    parser.add_argument("--effective-user", help="a static program that prints the effective user's id")
    arguments = parser.parse_args()
    arguments.cgroup = "/" + os.path.basename(os.path.dirname(arguments.directory)) + "-pods"
    os.makedirs(arguments.directory + "/work", exist_ok=True)
    containerd = Containerd(arguments)
    cri = Cri(containerd.socket)
    try:
        test(cri, containerd, arguments)
    finally:
        for pod in cri.ListPodSandbox()["items"]:
            cri.StopPodSandbox(pod_sandbox_id=pod["id"])
            cri.RemovePodSandbox(pod_sandbox_id=pod["id"])
        cri.close()
        containerd.end()
        remove_cgroups(arguments.cgroup[1:])
    print(f"{kubelet.failed} failed")
    return 1 if kubelet.failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
