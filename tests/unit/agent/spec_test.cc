// SPDX-License-Identifier: Apache-2.0
#include "agent/spec.h"

#include <doctest/doctest.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "base/text.h"

namespace cc::agent {

namespace {

NewContainer FromFields() {
    NewContainer message;
    message.id = "ctr0";
    message.image = "ctr0";
    message.rootfs = "rootfs";
    message.process.user = "0";
    message.process.group = "0";
    message.process.args = {"sh"};
    message.process.envs = {{"PATH", "/bin"}, {"A", "b=c"}};
    message.process.workdir = "/";
    return message;
}

NewContainer FromOci(std::string oci) {
    NewContainer message = FromFields();
    message.oci = std::move(oci);
    return message;
}

std::string ErrorOf(const Result<ContainerSpec>& spec) {
    REQUIRE_FALSE(spec);
    return spec.error().message;
}

// An OCI configuration with this process, and these members beside it.
std::string Oci(std::string_view process, std::string_view more = "") {
    return Cat(R"({"ociVersion":"1.0.2",)", more, R"("process":)", process, "}");
}

constexpr std::string_view kShell = R"({"args":["sh"],"cwd":"/"})";

}  // namespace

TEST_CASE("3.0's fields make a container with 3.0's surroundings") {
    const auto spec = ParseContainer(FromFields(), "pod");
    REQUIRE(spec);
    CHECK(spec->rootfs == "ctr0/rootfs");
    CHECK(spec->hostname == "pod");
    CHECK(spec->mounts.size() == 6);
    CHECK(spec->mounts.front().destination == "/proc");
    CHECK_FALSE(spec->read_only_root);
    CHECK(spec->masked_paths.empty());
    CHECK(spec->process.user.by_name == "0:0");
    CHECK(spec->process.env == std::vector<std::string>{"PATH=/bin", "A=b=c"});
    CHECK(spec->process.capabilities == DefaultCapabilities());
}

TEST_CASE("a volume of 3.0 lies below the share unless its path is absolute") {
    auto message = FromFields();
    message.mounts = {{"vol", "/data", true, false}, {"/host", "/other", false, true}};
    const auto spec = ParseContainer(message, "pod");
    REQUIRE(spec);
    const auto& mounts = spec->mounts;
    CHECK(mounts[6].source == Cat(kGuestShareDirectory, "/vol"));
    CHECK(mounts[6].options.bind);
    CHECK(mounts[6].options.recursive_bind);
    CHECK((mounts[6].options.attributes.set & MOUNT_ATTR_RDONLY) != 0);
    CHECK(mounts[7].source == "/host");
    CHECK((mounts[7].options.attributes.set & MOUNT_ATTR_RDONLY) == 0);
}

TEST_CASE("capabilities that a 3.0 container names replace the default ones") {
    auto message = FromFields();
    message.process.capabilities.bounding = {"CAP_CHOWN"};
    message.process.capabilities.effective = {"CAP_CHOWN", "CAP_NO_SUCH"};
    const auto spec = ParseContainer(message, "pod");
    REQUIRE(spec);
    CHECK(spec->process.capabilities == CapabilitySets{1, 1, 0, 0, 0});
}

TEST_CASE("what an exec of 3.0 says of its privileges is overruled by the container") {
    ProcessSpec container;
    container.capabilities = {1, 2, 3, 4, 5};
    container.no_new_privileges = true;
    ExecCommand message;
    message.process.args = {"id"};
    message.process.user = "bob";
    message.process.capabilities.bounding = {"CAP_SYS_ADMIN"};
    const auto process = ParseExec(message, container);
    REQUIRE(process);
    CHECK(process->capabilities == container.capabilities);
    CHECK(process->no_new_privileges);
    CHECK(process->cwd == "/");
    CHECK(process->user.by_name == "bob");
}

TEST_CASE("an OCI configuration is read as a whole") {
    const auto spec = ParseContainer(FromOci(R"({
        "hostname": "web", "domainname": "example",
        "root": {"path": "rootfs", "readonly": true},
        "process": {
            "terminal": true, "consoleSize": {"height": 24, "width": 80},
            "user": {"uid": 1000, "gid": 100, "additionalGids": [5, 6], "umask": 63},
            "args": ["ls", "-l"], "env": ["A=b"], "cwd": "/srv", "noNewPrivileges": true,
            "capabilities": {"bounding": ["CAP_KILL"], "permitted": ["CAP_KILL"]},
            "rlimits": [{"type": "RLIMIT_NOFILE", "soft": 10, "hard": 18446744073709551615}],
            "oomScoreAdj": -5},
        "mounts": [
            {"destination": "/proc", "type": "proc", "source": "proc"},
            {"destination": "data", "type": "bind", "source": "/run/x", "options": ["rbind", "ro", "nosuid"]},
            {"destination": "/tmp", "type": "tmpfs", "source": "tmpfs", "options": ["size=1m", "noexec"]}],
        "linux": {
            "devices": [{"path": "/dev/fuse", "type": "c", "major": 10, "minor": 229, "fileMode": 438},
                        {"path": "/dev/null", "type": "c", "major": 1, "minor": 3, "fileMode": 8624}],
            "maskedPaths": ["/proc/kcore"], "readonlyPaths": ["/proc/sys"],
            "sysctl": {"net.ipv4.ip_forward": "1"},
            "rootfsPropagation": "rshared",
            "resources": {"memory": {"limit": 1048576}, "pids": {"limit": 64},
                          "cpu": {"quota": 50000, "period": 100000, "shares": 512},
                          "devices": [{"allow": false, "access": "rwm"}]},
            "seccomp": {"defaultAction": "SCMP_ACT_ERRNO", "architectures": ["SCMP_ARCH_X86_64"],
                        "syscalls": [{"names": ["read", "write"], "action": "SCMP_ACT_ALLOW"}]},
            "namespaces": [{"type": "network"}]}})"),
                                     "pod");
    REQUIRE_MESSAGE(spec, spec.error().message);
    CHECK(spec->hostname == "web");
    CHECK(spec->domainname == "example");
    CHECK(spec->read_only_root);
    CHECK(spec->root_propagation == (MS_SHARED | MS_REC));
    CHECK(spec->process.terminal);
    CHECK(spec->process.rows == 24);
    CHECK(spec->process.user.uid == 1000);
    CHECK(spec->process.user.additional_gids == std::vector<uint32_t>{5, 6});
    CHECK(spec->process.umask == 077);
    CHECK(spec->process.rlimits.at(0).resource == RLIMIT_NOFILE);
    CHECK(spec->process.rlimits.at(0).hard == RLIM_INFINITY);
    CHECK(spec->process.oom_score_adj == -5);
    CHECK(spec->process.capabilities == CapabilitySets{1 << 5, 0, 0, 1 << 5, 0});
    CHECK(spec->mounts.at(1).destination == "/data");
    CHECK(spec->mounts.at(1).options.bind);
    CHECK(spec->mounts.at(2).options.data == std::vector<std::string>{"size=1m"});
    CHECK(spec->devices.at(0).type == S_IFCHR);
    CHECK(spec->devices.at(0).mode == 0666);
    // S_IFCHR | 0660, as Podman has it.
    CHECK(spec->devices.at(1).mode == 0660);
    CHECK(spec->resources.cpu_shares == 512);
    CHECK(spec->resources.memory_limit == 1048576);
    REQUIRE(spec->seccomp);
    CHECK_FALSE(spec->seccomp->program.empty());
}

TEST_CASE("an OCI process without capabilities has none, one that joins has the container's") {
    const auto spec = ParseContainer(FromOci(Oci(kShell)), "pod");
    REQUIRE(spec);
    CHECK(spec->process.capabilities == CapabilitySets{});
    ProcessSpec container;
    container.capabilities = DefaultCapabilities();
    container.rlimits = {{RLIMIT_CORE, "RLIMIT_CORE", 0, 0}};
    ExecCommand message;
    message.oci = kShell;
    const auto process = ParseExec(message, container);
    REQUIRE(process);
    CHECK(process->capabilities == container.capabilities);
    CHECK(process->rlimits.size() == 1);
}

TEST_CASE("a hostile or broken configuration is an error that says what is wrong") {
    const auto error = [](std::string_view process, std::string_view more = "") {
        return ErrorOf(ParseContainer(FromOci(Oci(process, more)), "pod"));
    };
    CHECK(ErrorOf(ParseContainer(FromOci("[]"), "pod")) ==
          "the OCI configuration is not a JSON object");
    CHECK(ErrorOf(ParseContainer(FromOci("{}"), "pod")) ==
          "the OCI configuration has no \"process\"");
    CHECK(ErrorOf(ParseContainer(FromOci(std::string(100, '[')), "pod")).find("nested deeper") !=
          std::string::npos);
    CHECK(error(R"({"args":[],"cwd":"/"})").find("args is empty") != std::string::npos);
    CHECK(error(R"({"args":["a\u0000b"],"cwd":"/"})").find("NUL") != std::string::npos);
    CHECK(error(R"({"args":["a"]})").find("\"cwd\" is missing") != std::string::npos);
    CHECK(error(R"({"args":"a","cwd":"/"})").find("\"args\" must be an array") !=
          std::string::npos);
    CHECK(error(R"({"args":["a"],"cwd":"/","user":{"uid":-1}})").find("\"uid\"") !=
          std::string::npos);
    CHECK(error(R"({"args":["a"],"cwd":"/","rlimits":[{"type":"RLIMIT_X"}]})").find("RLIMIT_X") !=
          std::string::npos);
    CHECK(error(kShell, R"("mounts":[{"destination":"/x"}],)").find("has no type") !=
          std::string::npos);
    CHECK(error(kShell, R"("mounts":[{"destination":"/x","type":"tmpfs","options":["idmap"]}],)")
              .find("id-mapped") != std::string::npos);
    CHECK(error(kShell, R"("linux":{"devices":[{"path":"/dev/x","type":"q"}]},)")
              .find("unknown type") != std::string::npos);
    CHECK(error(kShell, R"("linux":{"sysctl":{"a":1}},)").find("must be a string") !=
          std::string::npos);
}

TEST_CASE("a container id is a file name") {
    CHECK(CheckContainerId("web-1_2.3"));
    for (const std::string id : {"", ".", "..", "a/b", "a\nb"})
        CHECK_FALSE(CheckContainerId(id));
    CHECK_FALSE(CheckContainerId(std::string("a\0b", 3)));
    CHECK_FALSE(CheckContainerId(std::string(256, 'a')));
}

}  // namespace cc::agent
