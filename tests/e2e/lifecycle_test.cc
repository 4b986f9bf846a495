// SPDX-License-Identifier: Apache-2.0
// create, start, exec, kill, delete: the life of a container beside its verbs.
#include <csignal>
#include <set>
#include <thread>

#include <doctest/doctest.h>
#include <unistd.h>

#include "base/file.h"
#include "tests/e2e/host.h"

namespace cc::test {

TEST_CASE("a container goes from created to running to stopped, and delete removes all of it") {
    Host host;
    const std::string pid_file = host.directory() + "/pid";
    const std::string bundle = host.Bundle("c1", {"sleep", "1000"});
    // The shim keeps the caller's stdio, so a shell that detaches it stands in for an engine.
    const Finished create =
        RunProgram("/bin/sh",
                   {"sh", "-c",
                    Cat(Join(host.RuntimeArguments(
                                 {"create", "--bundle", bundle, "--pid-file", pid_file, "c1"}),
                             " ")
                            .insert(0, Cat("exec ", CC_BIN_DIR, "/")),
                        " </dev/null >/dev/null 2>", host.directory(), "/err")},
                   "", host.Environment());
    REQUIRE_MESSAGE(create.status == 0, ReadFile(host.directory() + "/err", 10000).value());
    Json state = host.State("c1");
    CHECK(state["status"] == "created");
    CHECK(state["id"] == "c1");
    CHECK(state["bundle"] == bundle);
    const pid_t pid = state["pid"].get<pid_t>();
    CHECK(ReadFile(pid_file, 100).value() == Cat(pid));
    CHECK(host.PidOf("cc-shim") == pid);

    CHECK(host.Runtime({"start", "c1"}).status == 0);
    state = host.State("c1");
    CHECK(state["status"] == "running");
    CHECK(state["pid"] == pid);
    CHECK(host.Runtime({"start", "c1"}).status == 1);
    CHECK(host.Runtime({"delete", "c1"}).status == 1);
    CHECK(host.State("c1")["status"] == "running");

    const Finished list = host.Runtime({"list", "--format", "json"});
    CHECK(Json::parse(list.out).at(0)["id"] == "c1");
    CHECK(host.Runtime({"list", "-q"}).out == "c1\n");

    CHECK(host.Runtime({"kill", "c1", "KILL"}).status == 0);
    CHECK(host.WaitStatus("c1", "stopped"));
    CHECK(host.Runtime({"kill", "c1"}).status == 1);
    CHECK(host.Runtime({"delete", "c1"}).status == 0);
    CHECK(host.Runtime({"state", "c1"}).status == 1);
    host.CheckNoResidue();
}

TEST_CASE("at the root of the reported pid is the container, with its volumes, and not the host") {
    Host host;
    REQUIRE(MakeDirectories(host.directory() + "/data", 0755));
    REQUIRE(WriteFileAtomic(host.directory() + "/data/file", "of the volume", 0644));
    REQUIRE(MakeDirectories(host.rootfs() + "/volume", 0755));
    host.Start("c1", {"sleep", "1000"}, "", [&](Json& config) {
        const auto mount = [&](const char* type, const std::string& source, const char* where) {
            config["mounts"].push_back(
                {{"destination", where},
                 {"type", type},
                 {"source", source},
                 {"options", {type == std::string("bind") ? "rbind" : "rw"}}});
        };
        mount("bind", host.directory() + "/data", "/volume");
        // With mount points that the image has not.
        mount("bind", host.directory() + "/data", "/new/volume");
        mount("bind", host.directory() + "/data/file", "/new/file");
        mount("tmpfs", "tmpfs", "/memory");
        mount("bind", host.directory() + "/data", "/memory/volume");
    });
    const std::string root = Cat("/proc/", host.State("c1")["pid"].get<pid_t>(), "/root");
    CHECK(ReadFile(root + "/volume/file", 100).value() == "of the volume");
    CHECK(::access((root + host.directory()).c_str(), F_OK) != 0);
    // conmon kills its process group (podman run --timeout).
    const pid_t shim = host.State("c1")["pid"].get<pid_t>();
    CHECK(::getpgid(shim) == shim);
    CHECK(::access((root + "/bin/sh").c_str(), X_OK) == 0);
    // As `podman cp` does.
    REQUIRE(WriteFileAtomic(root + "/bin/copied", "from the host", 0644));
    CHECK(host.Runtime({"exec", "c1", "cat", "/bin/copied"}).out == "from the host");
    for (const char* where : {"/new/volume", "/memory/volume"}) {
        const std::string file = Cat(where, "/copied");
        REQUIRE(WriteFileAtomic(root + file, where, 0644));
        CHECK(host.Runtime({"exec", "c1", "cat", file}).out == where);
    }
    CHECK(ReadFile(root + "/new/file", 100).value() == "of the volume");
    // What would be lost is refused.
    CHECK_FALSE(WriteFileAtomic(root + "/memory/file", "nobody's", 0644));
    CHECK(host.Runtime({"exec", "c1", "touch", "/memory/file"}).status == 0);
    CHECK(host.Runtime({"delete", "--force", "c1"}).status == 0);
    host.CheckNoResidue();
}

TEST_CASE("exec runs beside the container's process, with every exit code, stdin and stderr") {
    Host host;
    host.Start("c1", {"sleep", "1000"});
    const Finished echo =
        host.Runtime({"exec", "c1", "sh", "-c", "cat; echo err >&2; exit 5"}, "through stdin");
    CHECK(echo.status == 5);
    CHECK(echo.out == "through stdin");
    CHECK(echo.err == "err\n");
    const Finished env =
        host.Runtime({"exec", "--env", "X=y=z", "--cwd", "/tmp", "--user", "1000:1000", "c1", "sh",
                      "-c", "echo $X; pwd; id -u; hostname"});
    CHECK(env.out == "y=z\n/tmp\n1000\nguest\n");
    const Finished twice =
        host.Runtime({"exec", "--env", "X=1", "--env", "X=2", "--env", "HOME=", "c1", "env"});
    CHECK(twice.out.find("X=1") == std::string::npos);
    CHECK(twice.out.find("X=2\n") != std::string::npos);
    CHECK(twice.out.find("HOME=/") != std::string::npos);
    for (int code = 0; code < 256; code += 5)
        CHECK(host.Runtime({"exec", "c1", "sh", "-c", Cat("exit ", code)}).status == code);
    CHECK(host.Runtime({"exec", "c1", "sh", "-c", "kill -9 $$"}).status == 137);
    const Finished unknown = host.Runtime({"exec", "--cap", "CAP_NO_SUCH", "c1", "true"});
    CHECK(unknown.status == 0);
    CHECK(unknown.err ==
          "cc-runtime: warning: --cap \"CAP_NO_SUCH\": no such capability, left out\n");
    const Finished missing = host.Runtime({"exec", "c1", "no-such-command"});
    CHECK(missing.status != 0);
    CHECK(missing.err.find("executable file not found in $PATH") != std::string::npos);
    CHECK(host.State("c1")["status"] == "running");
    CHECK(host.Runtime({"delete", "--force", "c1"}).status == 0);
}

TEST_CASE("signals reach the container's process by name and by number") {
    Host host;
    host.Start("c1",
               {"sh", "-c",
                "trap 'echo usr1' USR1; trap 'echo term; exit 3' TERM; echo ready; while :; do "
                "sleep 0.1; done"},
               "out");
    const auto wait_for = [&](const std::string& text) {
        for (int i = 0; i < 300; ++i) {
            if (ReadFile(host.directory() + "/out", 10000).value().find(text) != std::string::npos)
                return true;
            std::this_thread::sleep_for(std::chrono::milliseconds(100));
        }
        return false;
    };
    CHECK(wait_for("ready"));
    CHECK(host.Runtime({"kill", "c1", "SIGUSR1"}).status == 0);
    CHECK(wait_for("usr1"));
    CHECK(host.Runtime({"kill", "c1", "0"}).status == 0);
    // A signal to the shim goes to the process it stands for.
    CHECK(host.Kill("cc-shim", SIGTERM));
    CHECK(wait_for("term"));
    CHECK(host.WaitStatus("c1", "stopped"));
    CHECK(host.Runtime({"delete", "c1"}).status == 0);
}

TEST_CASE(
    "containers end with a clear error when a process of theirs is killed, and delete leaves "
    "nothing") {
    for (const char* victim : {"cc-shim", kVmm, "cc-vmm"}) {
        CAPTURE(victim);
        Host host;
        host.Start("c1", {"sleep", "1000"}, "out");
        REQUIRE(host.Kill(victim, SIGKILL));
        CHECK(host.WaitStatus("c1", "stopped"));
        const Finished removed = host.Runtime({"delete", "c1"});
        CHECK_MESSAGE(removed.status == 0, removed.err);
        host.CheckNoResidue();
    }
}

TEST_CASE("when the machine is killed under a running container, run says so and leaves nothing") {
    Host host;
    std::thread killer([&] {
        for (int i = 0; i < 600 && host.PidOf("cc-shim") == 0; ++i)
            std::this_thread::sleep_for(std::chrono::milliseconds(100));
        while (!Exists(host.directory() + "/started") && host.PidOf("cc-shim") != 0)
            std::this_thread::sleep_for(std::chrono::milliseconds(50));
        host.Kill(kVmm, SIGKILL);
    });
    const Finished run =
        host.Run("c1", {"sh", "-c", "touch /host/started; sleep 1000"}, "", [&](Json& config) {
            config["mounts"].push_back({{"destination", "/host"},
                                        {"type", "bind"},
                                        {"source", host.directory()},
                                        {"options", {"bind"}}});
        });
    killer.join();
    CHECK(run.status == 137);
    CHECK(run.err.find("virtual machine") != std::string::npos);
    host.CheckNoResidue();
}

}  // namespace cc::test
