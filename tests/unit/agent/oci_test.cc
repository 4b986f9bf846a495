// SPDX-License-Identifier: Apache-2.0
// Parts of an OCI configuration, each carried out by the real agent in a real container of this
// host.
#include <doctest/doctest.h>

#include "base/json_full.h"
#include "tests/unit/agent/host_side.h"
#include "tests/unit/agent/messages.h"

namespace cc::agent {

namespace {

// A container with /proc, /dev and /tmp that runs this script as root with all capabilities.
Json Config(const std::string& script) {
    Json config = Json::parse(R"({"ociVersion":"1.2.0","root":{"path":"rootfs"},
        "process":{"cwd":"/","env":["PATH=/bin"],"user":{"uid":0,"gid":0},"capabilities":{}},
        "mounts":[{"destination":"/proc","type":"proc","source":"proc"},
          {"destination":"/dev","type":"tmpfs","source":"tmpfs","options":["mode=755"]},
          {"destination":"/dev/pts","type":"devpts","source":"devpts",
           "options":["newinstance","ptmxmode=0666","mode=0620"]},
          {"destination":"/tmp","type":"tmpfs","source":"tmpfs","options":["mode=1777"]}],
        "linux":{"namespaces":[{"type":"pid"},{"type":"mount"}],
          "resources":{"devices":[{"allow":false,"access":"rwm"}]}}})");
    config["process"]["args"] = {"sh", "-c", script};
    for (const char* set : {"bounding", "effective", "permitted"})
        config["process"]["capabilities"][set] = {"CAP_MKNOD",       "CAP_CHOWN", "CAP_SETUID",
                                                  "CAP_SETGID",      "CAP_KILL",  "CAP_SYS_ADMIN",
                                                  "CAP_DAC_OVERRIDE"};
    return config;
}

std::string Message(const std::string& id, const Json& config, uint64_t stdio = 3) {
    return NewContainerOf(id, Shell("", stdio), config.dump());
}

struct Outcome {
    int code = -1;
    std::string out;
    std::string err;
};

// An agent with a pod, and the containers in it.
class Pod {
  public:
    const HostAgent& agent() const { return agent_; }
    HostSide& host() { return host_; }

    Outcome Run(const Json& config) {
        const uint64_t stdio = next_;
        next_ += 2;
        const std::string id = Cat("c", stdio);
        Acknowledged(host_.Call(ControlCode::kNewContainer, Message(id, config, stdio)));
        const int code = host_.WaitExit(stdio);
        Acknowledged(host_.Call(ControlCode::kRemoveContainer, Encode(RemoveContainer{id})));
        return {code, host_.Output(stdio), host_.Output(stdio + 1)};
    }
    std::string Fails(const Json& config) {
        return host_.CallFails(ControlCode::kNewContainer, Message("fails", config));
    }

  private:
    HostAgent agent_;
    HostSide host_ = agent_.StartPod();
    uint64_t next_ = 11;
};

}  // namespace

TEST_CASE("a device that no rule allows cannot be opened, the default ones can") {
    if (SkipWithoutRoot()) return;
    Pod pod;
    Json config = Config(
        "mknod /tmp/node c 10 200 && echo made; (: </tmp/node) && "
        "echo read; head -c 4 /dev/zero | cat >/dev/null && echo zero; "
        "echo x >/dev/full");
    CHECK(pod.Run(config).out == "made\nzero\n");
    config["linux"]["resources"]["devices"].push_back(
        {{"allow", true}, {"type", "c"}, {"major", 10}, {"minor", 200}, {"access", "r"}});
    CHECK(pod.Run(config).out == "made\nread\nzero\n");
}

}  // namespace cc::agent
