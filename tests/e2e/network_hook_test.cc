// SPDX-License-Identifier: Apache-2.0
// A hook that makes the network while the guest is made, as Docker's does.
#include <csignal>
#include <thread>

#include <doctest/doctest.h>
#include <unistd.h>

#include "base/file.h"
#include "tests/e2e/host.h"

namespace cc::test {

namespace {

// By this name Docker's hook is known. `script` has the container's process in $pid.
void AddHook(Json& config, const std::string& script) {
    const std::string whole =
        Cat("read -r state; pid=${state#*\\\"pid\\\":}; pid=${pid%%[,\\}]*}; ", script);
    config["hooks"]["prestart"] = {
        {{"path", "/bin/sh"}, {"args", {"libnetwork-setkey", "-c", whole}}}};
}

// Ends when the VM's keeper is there: the guest is made meanwhile, or never would be.
std::string AwaitVm(const Host& host) {
    return Cat("n=0; until [ -S ", host.run_directory(),
               "/vm/*/vm.sock ]; do n=$((n + 1)); [ $n -lt 1000 ] || exit 7; sleep 0.1; done; ");
}

constexpr const char* kMakeLink =
    "net=\"nsenter --net=/proc/$pid/ns/net ip\"; $net link add eth0 type veth peer name other && "
    "$net link set other addrgenmode none up && $net addr add 10.66.0.2/24 dev eth0 && $net link "
    "set eth0 up && "
    "$net route add default via 10.66.0.1; ";

// As Docker writes it.
void MountHosts(Json& config, const Host& host, const std::string& last_line) {
    const std::string path = host.directory() + "/hosts";
    REQUIRE(WriteFileAtomic(path, Cat("127.0.0.1\tlocalhost\n", last_line), 0644));
    config["mounts"].push_back({{"destination", "/etc/hosts"},
                                {"type", "bind"},
                                {"source", path},
                                {"options", {"rbind", "rprivate"}}});
}

bool SkipWithoutIpTool() {
    if (RunProgram("/bin/sh", {"sh", "-c", "command -v ip nsenter"}).status == 0) return false;
    Skip("ip or nsenter is not installed");
    return true;
}

constexpr const char* kShowNetwork =
    "ls /sys/class/net; ip -o -4 addr show dev eth0 | grep -o 10.66.0.2/24; "
    "ip route | grep -c 'default via 10.66.0.1'";

}  // namespace

TEST_CASE(
    "a network that a hook makes meanwhile is the container's, whether it was expected or not") {
    if (SkipWithoutIpTool()) return;
    Host host;
    const std::string hostname = "guest";
    for (const std::string line : {"", "10.66.0.2\tguest\n"}) {
        CAPTURE(line);
        const auto edit = [&](Json& config) {
            config["hostname"] = hostname;
            MountHosts(config, host, line);
            AddHook(config, AwaitVm(host) + kMakeLink);
        };
        const Finished run = host.Run("c1", {"sh", "-c", kShowNetwork}, "", edit);
        CHECK_MESSAGE(run.status == 0, run.err);
        CHECK(run.out == "eth0\nlo\n10.66.0.2/24\n1\n");
        host.CheckNoResidue();
        // The hook made nothing.
        const Finished none =
            host.Run("c2", {"sh", "-c", "ls /sys/class/net; ip route"}, "", [&](Json& config) {
                edit(config);
                AddHook(config, AwaitVm(host));
            });
        CHECK_MESSAGE(none.status == 0, none.err);
        CHECK(none.out == "lo\n");
        host.CheckNoResidue();
    }
}

TEST_CASE("a hook that fails while the guest is made is one clear line, and nothing is left") {
    Host host;
    for (const std::string& before : {std::string(), AwaitVm(host)}) {
        CAPTURE(before);
        const Finished run = host.Run("c1", {"echo", "ran"}, "", [&](Json& config) {
            AddHook(config, before + "echo because >&2; exit 9");
            config["hooks"]["poststop"] = {
                {{"path", "/bin/sh"},
                 {"args", {"sh", "-c", Cat("echo cleaned >>", host.directory(), "/log")}}}};
        });
        CHECK(run.status == 1);
        CHECK(run.out == "");
        CHECK(Split(std::string(Trim(run.err)), '\n').size() == 1);
        CHECK_MESSAGE(Has(run.err, "ended with status 9, saying \"because\""), run.err);
        CHECK(ReadFile(host.directory() + "/log", 100).value_or("") == "cleaned\n");
        REQUIRE(RemoveTree(host.directory() + "/log"));
        host.CheckNoResidue();
    }
}

TEST_CASE("a failure after any step beside a hook leaves nothing behind") {
    Host host;
    const std::string bundle =
        host.Bundle("b", {"true"}, [&](Json& config) { AddHook(config, "sleep 0.1"); });
    const Finished steps = host.Runtime({"create", "--list-steps"});
    REQUIRE(steps.status == 0);
    for (const auto& name : Split(std::string(Trim(steps.out)), '\n')) {
        CAPTURE(name);
        const Finished run = host.Runtime({"run", "--fail-after", name, "--bundle", bundle, "c1"});
        CHECK(run.status == 1);
        CHECK_MESSAGE(Has(run.err, Cat("'", name, "'")), run.err);
        host.CheckNoResidue();
    }
    for (const std::string name : {"vm", "pod"}) {
        CAPTURE(name);
        (void)host.Runtime({"create", "--kill-after", name, "--bundle", bundle, "c1"});
        CHECK(host.Runtime({"delete", "--force", "c1"}).status == 0);
        host.CheckNoResidue();
    }
}

TEST_CASE("an interrupt does not wait for a hook that the guest is made beside") {
    Host host;
    Finished run;
    const std::string waiting = host.directory() + "/waiting";
    std::thread runs([&] {
        run = host.Run("c1", {"true"}, "", [&](Json& config) {
            AddHook(config, Cat(AwaitVm(host), "echo >", waiting, "; exec sleep 1000"));
        });
    });
    for (int i = 0; i < 6000 && !Exists(waiting); ++i)
        ::usleep(10000);
    CHECK(Exists(waiting));
    CHECK(host.Kill("cc-runtime", SIGTERM));
    runs.join();
    CHECK(run.status == 1);
    CHECK_MESSAGE(Has(run.err, "interrupted by signal 15"), run.err);
    host.CheckNoResidue();
}

}  // namespace cc::test
