// SPDX-License-Identifier: Apache-2.0
// A share that virtiofsd serves: what containers do on it, and what becomes of them without it.
// More tests run so with CC_TEST_SHARED_FS=virtio-fs (tests/run.sh).
#include <csignal>

#include <doctest/doctest.h>
#include <unistd.h>

#include "base/file.h"
#include "tests/e2e/templates.h"

namespace cc::test {

namespace {

bool HasFileServer() {
    if (::access("/usr/lib/qemu/virtiofsd", X_OK) == 0) return true;
    Skip("virtiofs: no virtiofsd here (Debian: qemu-system-common)");
    return false;
}

std::string StatusLine(pid_t pid, std::string_view key) {
    const std::string status = ReadFile(Cat("/proc/", pid, "/status"), 65536).value_or("");
    for (const auto& line : Split(status, '\n'))
        if (line.starts_with(key)) return std::string(Trim(line.substr(key.size())));
    return "none";
}

// The one that serves, which is the other one's child.
pid_t FileServerOf(const Host& host) {
    pid_t last = 0;
    for (const auto& process : host.Processes())
        if (process.name == "virtiofsd") last = std::max(last, process.pid);
    return last;
}

constexpr const char* kSleep = "trap 'exit 0' TERM; echo up; while :; do sleep 0.1; done";

}  // namespace

TEST_CASE("by virtiofs files do what programs expect of them, in clones and after a boot") {
    if (!HasFileServer()) return;
    const auto check = [](Host& host) {
        REQUIRE(MakeDirectories(host.directory() + "/data", 0777));
        REQUIRE(
            RunProgram("/bin/cp", {"cp", CC_FILE_SEMANTICS, host.rootfs() + "/bin/fs"}).status ==
            0);
        const Finished run = host.Run(
            "c1", {"sh", "-c", "cd /data && fs; cd /root && fs; grep -c virtiofs /proc/mounts"}, "",
            [&](Json& config) {
                config["mounts"].push_back({{"destination", "/data"},
                                            {"type", "bind"},
                                            {"source", host.directory() + "/data"},
                                            {"options", {"rbind", "rw"}}});
                for (auto& set : config["process"]["capabilities"])
                    for (const char* more : {"CAP_MKNOD", "CAP_SETFCAP", "CAP_DAC_OVERRIDE",
                                             "CAP_FOWNER", "CAP_FSETID"})
                        set.push_back(more);
            });
        CHECK_MESSAGE(run.status == 0, run.err);
        int good = 0;
        for (const auto& line : Split(run.out, '\n')) {
            CHECK_MESSAGE(!Has(line, "failed"), line);
            good += line.ends_with(" ok") ? 1 : 0;
        }
        CHECK(good == 24);
        CHECK(run.out.ends_with("\n2\n"));
        CHECK(ListDirectory(host.directory() + "/data").value().empty());
    };
    Host cloned = Host::WithVirtioFs();
    check(cloned);
    Host booted("shared_fs = \"virtio-fs\"");
    check(booted);
}

TEST_CASE("virtiofsd and QEMU have no more rights than they need, and go with the container") {
    if (!HasFileServer()) return;
    Host host = Host::WithVirtioFs();
    host.Start("c1", {"sh", "-c", kSleep});
    const pid_t server = FileServerOf(host), vmm = host.PidOf(kVmm);
    REQUIRE(server != 0);
    // CHOWN, DAC_OVERRIDE, FOWNER, FSETID, SETGID, SETUID, SETFCAP.
    CHECK(StatusLine(server, "CapEff:") == "00000000800000db");
    CHECK(StatusLine(server, "CapBnd:") == "0000000000000000");
    CHECK(StatusLine(vmm, "CapEff:") == "0000000000000000");
    CHECK(StatusLine(vmm, "CapPrm:") == "0000000000000000");
    for (const pid_t pid : {server, vmm}) {
        CHECK(StatusLine(pid, "NoNewPrivs:") == "1");
        CHECK(StatusLine(pid, "Seccomp:") == "2");
    }
    // Its whole world is the share.
    CHECK(ListDirectory(Cat("/proc/", server, "/root")).value() == std::vector<std::string>{"c1"});
    CHECK(host.Runtime({"delete", "--force", "c1"}).status == 0);
    host.CheckNoResidue();
}

TEST_CASE("a container is paused and goes on with its files, by virtiofs") {
    if (!HasFileServer()) return;
    Host host = Host::WithVirtioFs();
    host.Start("c1", {"sh", "-c", kSleep});
    CHECK(host.Runtime({"pause", "c1"}).status == 0);
    CHECK(host.Runtime({"resume", "c1"}).status == 0);
    const Finished exec =
        host.Runtime({"exec", "c1", "sh", "-c", "echo again > /root/file; cat /root/file"});
    CHECK_MESSAGE(exec.out == "again\n", exec.err);
    CHECK(host.Runtime({"delete", "--force", "c1"}).status == 0);
}

TEST_CASE("when its file server is killed a container's machine ends, and nothing is left") {
    if (!HasFileServer()) return;
    Host host = Host::WithVirtioFs();
    host.Start("c1", {"sh", "-c", kSleep});
    REQUIRE(::kill(FileServerOf(host), SIGKILL) == 0);
    CHECK(host.WaitStatus("c1", "stopped"));
    CHECK(Ends(host.PidOf(kVmm)));
    CHECK(host.Runtime({"delete", "c1"}).status == 0);
    host.CheckNoResidue();
}

TEST_CASE("a missing file server is one clear line, before anything is made") {
    Host host("shared_fs = \"virtio-fs\"\nvirtio_fs_daemon = \"/nonexistent/virtiofsd\"");
    const Finished run = host.Run("c1", {"true"});
    CHECK(run.status == 1);
    CHECK(Split(std::string(Trim(run.err)), '\n').size() == 1);
    CHECK(Has(run.err, "/nonexistent/virtiofsd"));
    CHECK(Has(run.err, "virtio_fs_daemon="));
    host.CheckNoResidue();
}

TEST_CASE("a file server that refuses its arguments is one clear line with what it said") {
    if (!HasFileServer()) return;
    Host host("shared_fs = \"virtio-fs\"\nvirtio_fs_extra_args = [\"-o\", \"no_such_option\"]");
    const Finished run = host.Run("c1", {"true"});
    CHECK(run.status == 1);
    CHECK(Split(std::string(Trim(run.err)), '\n').size() == 1);
    CHECK_MESSAGE(Has(run.err, "no_such_option"), run.err);
    host.CheckNoResidue();
}

TEST_CASE("a pool's machines have their file servers, and containers take both") {
    if (!HasFileServer()) return;
    Host host = Host::WithTemplates("vm_cache_number = 1", "shared_fs = \"virtio-fs\"");
    CHECK(host.Run("c1", {"true"}).status == 0);
    REQUIRE(WaitPool(host, 1));
    const Finished run = host.Run("c1", {"sh", "-c", "echo there > /root/f; cat /root/f"});
    CHECK_MESSAGE(run.out == "there\n", run.err);
    REQUIRE(WaitPool(host, 1));
    CHECK(host.Runtime({"template", "rm", "--all"}).status == 0);
    host.CheckNoResidue();
}

TEST_CASE("by virtiofs a q35 is cloned, and a microvm boots") {
    if (!HasFileServer()) return;
    for (const std::string_view machine : {"q35", "microvm"}) {
        CAPTURE(machine);
        if (machine == "microvm" && !Exists(CC_SHARE_DIR "/vmlinux.container")) {
            Skip("virtiofs on microvm: Debian's prebuilt kernel does not boot there (make kernel)");
            continue;
        }
        Host host = Host::WithTemplates(
            kNoPool, Cat("machine_type = \"", machine, "\"\nshared_fs = \"virtio-fs\""));
        const Finished run = host.Run("c1", {"sh", "-c", "echo here > /root/f; cat /root/f"});
        CHECK_MESSAGE(run.out == "here\n", run.err);
        CHECK(Template(host).is_null() == (machine == "microvm"));
    }
}

}  // namespace cc::test
