// SPDX-License-Identifier: Apache-2.0
// Several containers with the real agent: what they share when they say so, and that everything
// else is apart.
#include <csignal>

#include <doctest/doctest.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json_full.h"
#include "tests/unit/agent/host_side.h"
#include "tests/unit/agent/messages.h"

namespace cc::agent {

namespace {

// Namespaces as the runtime writes them, "type" or "type=container whose it is".
Json Config(const std::string& script, const std::vector<std::string>& namespaces,
            const std::string& shm = "") {
    Json config = Json::parse(R"({"ociVersion":"1.2.0","root":{"path":"rootfs"},
        "process":{"cwd":"/","env":["PATH=/bin"],"user":{"uid":0,"gid":0}},
        "mounts":[{"destination":"/proc","type":"proc","source":"proc"},
          {"destination":"/dev","type":"tmpfs","source":"tmpfs","options":["mode=755"]}],
        "linux":{"namespaces":[{"type":"mount"}]}})");
    config["process"]["args"] = {"sh", "-c", script};
    for (const auto& text : namespaces) {
        const size_t equals = text.find('=');
        Json entry = {{"type", text.substr(0, equals)}};
        if (equals != std::string::npos) entry["path"] = "container:" + text.substr(equals + 1);
        config["linux"]["namespaces"].push_back(entry);
    }
    if (!shm.empty())
        config["mounts"].push_back({{"destination", "/dev/shm"},
                                    {"type", "pod-shm"},
                                    {"source", shm},
                                    {"options", {"size=1m", "mode=1777", "nosuid"}}});
    return config;
}

class SharingPod {
  public:
    HostSide& host() { return host_; }
    void Start(const std::string& id, uint64_t stdio, const Json& config) {
        Acknowledged(host_.Call(ControlCode::kNewContainer,
                                NewContainerOf(id, Shell("", stdio), config.dump())));
    }
    std::string Fails(const std::string& id, const Json& config) {
        return host_.CallFails(ControlCode::kNewContainer,
                               NewContainerOf(id, Shell("", 99), config.dump()));
    }
    // What a script in a container that has started says.
    std::string Ask(const std::string& id, const std::string& script) {
        const uint64_t stdio = next_;
        next_ += 2;
        Acknowledged(host_.Call(ControlCode::kExecCmd, ExecIn(id, Shell(script, stdio))));
        CHECK(host_.WaitExit(stdio) == 0);
        return host_.Output(stdio);
    }
    std::string Namespace(const std::string& id, const std::string& type) {
        return Ask(id, "readlink /proc/self/ns/" + type);
    }
    void Kill(const std::string& id) {
        Acknowledged(
            host_.Call(ControlCode::kKillContainer, Encode(KillContainer{id, SIGKILL, false, 0})));
    }

  private:
    HostAgent agent_;
    HostSide host_ = agent_.StartPod();
    uint64_t next_ = 101;
};

constexpr const char* kPause = "exec sleep 1000";

}  // namespace

TEST_CASE("a container waits for what its machine has grown by") {
    if (SkipWithoutRoot()) return;
    SharingPod pod;
    Json message = Json::parse(
        NewContainerOf("c", Shell("", 3), Config(kPause, {"pid", "ipc", "uts"}).dump()));
    message["memoryMib"] = 1;
    message["cpus"] = 1;
    Acknowledged(pod.host().Call(ControlCode::kNewContainer, message.dump()));
    CHECK(pod.Ask("c", "echo there") == "there\n");
}

TEST_CASE("namespaces of another container are shared where that is asked for, and no others") {
    if (SkipWithoutRoot()) return;
    SharingPod pod;
    Json own = Config(kPause, {"pid", "ipc", "uts"});
    own["hostname"] = "the-pod";
    pod.Start("pod", 3, own);
    pod.Start("a", 5, Config(kPause, {"pid", "ipc=pod", "uts=pod"}));
    pod.Start("b", 7, Config(kPause, {"pid=pod", "ipc=pod", "uts"}));
    for (const auto* type : {"ipc", "uts", "pid", "mnt", "cgroup"}) {
        CAPTURE(std::string(type));
        const bool a = pod.Namespace("a", type) == pod.Namespace("pod", type);
        const bool b = pod.Namespace("b", type) == pod.Namespace("pod", type);
        const std::string name = type;
        CHECK(a == (name == "ipc" || name == "uts"));
        CHECK(b == (name == "ipc" || name == "pid"));
    }
    // Without a name of its own a container keeps the pod's, which all of them see.
    CHECK(pod.Ask("a", "hostname") == "the-pod\n");
    CHECK(pod.Ask("b", "hostname") == "pod\n");
    CHECK(pod.Ask("pod", "hostname") == "the-pod\n");
    // The agent itself is where it was.
    pod.Start("c", 9, Config(kPause, {"pid", "ipc", "uts"}));
    CHECK(pod.Namespace("c", "ipc") != pod.Namespace("pod", "ipc"));
}

TEST_CASE("the end of a container in a shared pid namespace ends all of it, and nothing else") {
    if (SkipWithoutRoot()) return;
    SharingPod pod;
    pod.Start("pod", 3, Config(kPause, {"pid", "ipc"}));
    pod.Start("a", 5, Config("sleep 1000 & exec sleep 1000", {"pid=pod"}));
    pod.Start("b", 7, Config(kPause, {"pid=pod"}));
    Acknowledged(
        pod.host().Call(ControlCode::kExecCmd, ExecIn("a", Shell("exec sleep 1000", 201))));
    CHECK(pod.Ask("b", "ps").find("sleep 1000") != std::string::npos);
    pod.Kill("a");
    CHECK(pod.host().WaitExit(5) == 128 + SIGKILL);
    CHECK(pod.host().WaitExit(201) == 128 + SIGKILL);
    Acknowledged(pod.host().Call(ControlCode::kRemoveContainer, Encode(RemoveContainer{"a"})));
    CHECK(pod.Ask("b", "echo here") == "here\n");
    // Its first process is the init of them all.
    pod.Kill("pod");
    CHECK(pod.host().WaitExit(7) == 128 + SIGKILL);
    CHECK(pod.host().WaitExit(3) == 128 + SIGKILL);
    CHECK(pod.Fails("c", Config(kPause, {"ipc=pod"})).find("does not run") != std::string::npos);
}

TEST_CASE("namespaces of containers that are not there, and of users in another's, are refused") {
    if (SkipWithoutRoot()) return;
    SharingPod pod;
    CHECK(pod.Fails("a", Config(kPause, {"ipc=none"})).find("container none") != std::string::npos);
    CHECK(pod.Fails("a", Config(kPause, {"pid=../x"})).find("invalid container id") !=
          std::string::npos);
    pod.Start("pod", 3, Config(kPause, {"pid"}));
    Json mapped = Config(kPause, {"pid=pod", "user"});
    for (const char* key : {"uidMappings", "gidMappings"})
        mapped["linux"][key] = {{{"containerID", 0}, {"hostID", 1000}, {"size", 10}}};
    CHECK(pod.Fails("a", mapped).find("exclude each other") != std::string::npos);
}

TEST_CASE("shared memory of one source is one tmpfs for all containers that name it") {
    if (SkipWithoutRoot()) return;
    SharingPod pod;
    pod.Start("a", 3, Config(kPause, {"pid"}, "/run/x/shm"));
    pod.Start("b", 5, Config(kPause, {"pid"}, "/run/x/shm"));
    pod.Start("other", 7, Config(kPause, {"pid"}, "/run/y/shm"));
    Json sealed = Config(kPause, {"pid"}, "/run/x/shm");
    sealed["mounts"][2]["options"].push_back("ro");
    pod.Start("reader", 9, sealed);
    pod.Ask("a", "echo hello >/dev/shm/f");
    CHECK(pod.Ask("b", "cat /dev/shm/f; stat -f -c %T /dev/shm; stat -c %a /dev/shm") ==
          "hello\ntmpfs\n1777\n");
    CHECK(pod.Ask("other", "ls /dev/shm") == "");
    CHECK(pod.Ask("reader", "cat /dev/shm/f; touch /dev/shm/g 2>/dev/null || echo sealed") ==
          "hello\nsealed\n");
    CHECK(pod.Ask("b", "head -c 3000000 /dev/zero >/dev/shm/big 2>/dev/null || echo full") ==
          "full\n");
    Acknowledged(pod.host().Call(ControlCode::kDestroyPod));
}

TEST_CASE("an id is given once, and a pod has no more containers than it can carry") {
    if (SkipWithoutRoot()) return;
    SharingPod pod;
    pod.Start("a", 3, Config(kPause, {"pid"}));
    CHECK(pod.Fails("a", Config(kPause, {"pid"})).find("already exists") != std::string::npos);
    // Those that have ended count until they are removed.
    for (uint64_t i = 1; i < 256; ++i) {
        const uint64_t stdio = 1000 + 2 * i;
        pod.Start(Cat("c", i), stdio, Config("true", {"pid"}));
        CHECK(pod.host().WaitExit(stdio) == 0);
    }
    CHECK(pod.Fails("last", Config("true", {"pid"})).find("256 containers") != std::string::npos);
    Acknowledged(pod.host().Call(ControlCode::kDestroyPod));
}

}  // namespace cc::agent
