# SPDX-License-Identifier: Apache-2.0
"""A client of the Kubernetes container runtime interface (runtime.v1): the calls and fields that our tests need."""

import grpc

from protobuf import Schema

_ID = {"pod_sandbox_id": (1, "string")}
_CONTAINER_ID = {"container_id": (1, "string")}

SCHEMA = Schema({
    "Empty": {},
    "VersionResponse": {"runtime_name": (2, "string"), "runtime_version": (3, "string")},
    "Condition": {"type": (1, "string"), "status": (2, "int"), "reason": (3, "string"), "message": (4, "string")},
    "RuntimeStatus": {"conditions": (1, "*Condition")},
    "StatusResponse": {"status": (1, "RuntimeStatus")},

    "PodMetadata": {"name": (1, "string"), "uid": (2, "string"), "namespace": (3, "string"), "attempt": (4, "int")},
    "Dns": {"servers": (1, "*string"), "searches": (2, "*string"), "options": (3, "*string")},
    "Namespaces": {"network": (1, "int"), "pid": (2, "int"), "ipc": (3, "int"), "target_id": (4, "string")},
    "Int64": {"value": (1, "int")},
    "SecurityProfile": {"profile_type": (1, "int"), "localhost_ref": (2, "string")},
    "PodSecurity": {"namespace_options": (1, "Namespaces"), "privileged": (6, "int"),
                    "seccomp": (9, "SecurityProfile")},
    "PortMapping": {"protocol": (1, "int"), "container_port": (2, "int"), "host_port": (3, "int")},
    "PodLinux": {"cgroup_parent": (1, "string"), "security_context": (2, "PodSecurity"), "sysctls": (3, "map"),
                 "overhead": (4, "Resources"), "resources": (5, "Resources")},
    "PodConfig": {"metadata": (1, "PodMetadata"), "hostname": (2, "string"), "log_directory": (3, "string"),
                  "dns_config": (4, "Dns"), "port_mappings": (5, "*PortMapping"), "labels": (6, "map"),
                  "annotations": (7, "map"), "linux": (8, "PodLinux")},
    "RunPodSandboxRequest": {"config": (1, "PodConfig"), "runtime_handler": (2, "string")},
    "PodId": _ID,
    "PodNetwork": {"ip": (1, "string")},
    "PodStatus": {"id": (1, "string"), "state": (3, "int"), "network": (5, "PodNetwork"), "labels": (7, "map"),
                  "annotations": (8, "map"), "runtime_handler": (9, "string")},
    "PodStatusResponse": {"status": (1, "PodStatus")},
    "Pod": {"id": (1, "string"), "state": (3, "int"), "runtime_handler": (7, "string")},
    "Pods": {"items": (1, "*Pod")},
    "PodFilter": {"id": (1, "string")},
    "ListPodsRequest": {"filter": (1, "PodFilter")},

    "Resources": {"cpu_period": (1, "int"), "cpu_quota": (2, "int"), "cpu_shares": (3, "int"),
                  "memory_limit_in_bytes": (4, "int"), "oom_score_adj": (5, "int"),
                  "memory_swap_limit_in_bytes": (10, "int")},
    "Image": {"image": (1, "string")},
    "KeyValue": {"key": (1, "string"), "value": (2, "string")},
    "Mount": {"container_path": (1, "string"), "host_path": (2, "string"), "readonly": (3, "int"),
              "propagation": (5, "int")},
    "Capability": {"add_capabilities": (1, "*string"), "drop_capabilities": (2, "*string")},
    "ContainerSecurity": {"capabilities": (1, "Capability"), "privileged": (2, "int"),
                          "namespace_options": (3, "Namespaces"), "run_as_user": (5, "Int64"),
                          "run_as_username": (6, "string"), "readonly_rootfs": (7, "int"),
                          "supplemental_groups": (8, "*int"),
                          "no_new_privs": (11, "int"), "run_as_group": (12, "Int64"), "masked_paths": (13, "*string"),
                          "readonly_paths": (14, "*string"), "seccomp": (15, "SecurityProfile")},
    "ContainerLinux": {"resources": (1, "Resources"), "security_context": (2, "ContainerSecurity")},
    "ContainerMetadata": {"name": (1, "string"), "attempt": (2, "int")},
    "ContainerConfig": {"metadata": (1, "ContainerMetadata"), "image": (2, "Image"), "command": (3, "*string"),
                        "args": (4, "*string"), "working_dir": (5, "string"), "envs": (6, "*KeyValue"),
                        "mounts": (7, "*Mount"), "labels": (9, "map"), "annotations": (10, "map"),
                        "log_path": (11, "string"), "stdin": (12, "int"), "stdin_once": (13, "int"), "tty": (14, "int"),
                        "linux": (15, "ContainerLinux")},
    "CreateContainerRequest": {**_ID, "config": (2, "ContainerConfig"), "sandbox_config": (3, "PodConfig")},
    "ContainerId": _CONTAINER_ID,
    "StopContainerRequest": {**_CONTAINER_ID, "timeout": (2, "int")},
    "Container": {"id": (1, "string"), "pod_sandbox_id": (2, "string"), "state": (6, "int")},
    "Containers": {"containers": (1, "*Container")},
    "ContainerFilter": {"id": (1, "string")},
    "ListContainersRequest": {"filter": (1, "ContainerFilter")},
    "StatsFilter": {"id": (1, "string"), "label_selector": (3, "map")},
    "ListStatsRequest": {"filter": (1, "StatsFilter")},
    "ContainerStatus": {"id": (1, "string"), "state": (3, "int"), "started_at": (5, "int"), "finished_at": (6, "int"),
                        "exit_code": (7, "int"), "reason": (10, "string"), "message": (11, "string"),
                        "mounts": (14, "*Mount"), "log_path": (15, "string")},
    "ContainerStatusResponse": {"status": (1, "ContainerStatus")},
    "UpdateRequest": {**_CONTAINER_ID, "linux": (2, "Resources")},
    "ExecSyncRequest": {**_CONTAINER_ID, "cmd": (2, "*string"), "timeout": (3, "int")},
    "ExecSyncResponse": {"stdout": (1, "bytes"), "stderr": (2, "bytes"), "exit_code": (3, "int")},
    "ExecRequest": {**_CONTAINER_ID, "cmd": (2, "*string"), "tty": (3, "int"), "stdin": (4, "int"), "stdout": (5, "int"),
                    "stderr": (6, "int")},
    "AttachRequest": {**_CONTAINER_ID, "stdin": (2, "int"), "tty": (3, "int"), "stdout": (4, "int"),
                      "stderr": (5, "int")},
    "PortForwardRequest": {**_ID, "port": (2, "*int")},
    "Url": {"url": (1, "string")},
    "UInt64": {"value": (1, "int")},
    "Cpu": {"timestamp": (1, "int"), "usage_core_nano_seconds": (2, "UInt64")},
    "Memory": {"timestamp": (1, "int"), "working_set_bytes": (2, "UInt64")},
    "StatsAttributes": {"id": (1, "string"), "metadata": (2, "ContainerMetadata")},
    "Stats": {"attributes": (1, "StatsAttributes"), "cpu": (2, "Cpu"), "memory": (3, "Memory")},
    "StatsResponse": {"stats": (1, "Stats")},
    "StatsList": {"stats": (1, "*Stats")},
    "Interface": {"name": (1, "string"), "rx_bytes": (2, "UInt64"), "tx_bytes": (4, "UInt64")},
    "Network": {"default_interface": (2, "Interface")},
    "Process": {"process_count": (2, "UInt64")},
    "PodLinuxStats": {"cpu": (1, "Cpu"), "memory": (2, "Memory"), "network": (3, "Network"), "process": (4, "Process")},
    "PodStats": {"linux": (2, "PodLinuxStats")},
    "PodStatsResponse": {"stats": (1, "PodStats")},
})

_CALLS = {
    "Version": ("Empty", "VersionResponse"),
    "Status": ("Empty", "StatusResponse"),
    "RunPodSandbox": ("RunPodSandboxRequest", "PodId"),
    "PodSandboxStatus": ("PodId", "PodStatusResponse"),
    "ListPodSandbox": ("ListPodsRequest", "Pods"),
    "PodSandboxStats": ("PodId", "PodStatsResponse"),
    "StopPodSandbox": ("PodId", "Empty"),
    "RemovePodSandbox": ("PodId", "Empty"),
    "CreateContainer": ("CreateContainerRequest", "ContainerId"),
    "StartContainer": ("ContainerId", "Empty"),
    "StopContainer": ("StopContainerRequest", "Empty"),
    "RemoveContainer": ("ContainerId", "Empty"),
    "ListContainers": ("ListContainersRequest", "Containers"),
    "ContainerStatus": ("ContainerId", "ContainerStatusResponse"),
    "UpdateContainerResources": ("UpdateRequest", "Empty"),
    "ReopenContainerLog": ("ContainerId", "Empty"),
    "ContainerStats": ("ContainerId", "StatsResponse"),
    "ListContainerStats": ("ListStatsRequest", "StatsList"),
    "ExecSync": ("ExecSyncRequest", "ExecSyncResponse"),
    "Exec": ("ExecRequest", "Url"),
    "Attach": ("AttachRequest", "Url"),
    "PortForward": ("PortForwardRequest", "Url"),
}


class Cri:
    """cri.ExecSync(container_id=..., cmd=[...]) and so on; errors are grpc.RpcError."""

    def __init__(self, socket, timeout_s=120):
        self._channel = grpc.insecure_channel("unix://" + socket)
        self._timeout = timeout_s

    def close(self):
        self._channel.close()

    def __getattr__(self, call):
        if call not in _CALLS:
            raise AttributeError(call)
        request, response = _CALLS[call]
        method = self._channel.unary_unary(
            "/runtime.v1.RuntimeService/" + call,
            request_serializer=lambda values: SCHEMA.encode(request, values),
            response_deserializer=lambda data: SCHEMA.decode(response, data))
        return lambda **values: method(values, timeout=self._timeout, wait_for_ready=True)
