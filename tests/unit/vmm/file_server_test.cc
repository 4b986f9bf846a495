// SPDX-License-Identifier: Apache-2.0
// The keeper of a VM whose share is served by a program of its own, here a shell that plays it.
#include "vmm/file_server.h"

#include <csignal>

#include <sys/stat.h>

#include "client/vm_client.h"
#include "tests/unit/vmm/fixtures.h"

namespace cc {

namespace {

struct ServedVm {
    test::TemporaryDirectory directory;
    VmConfig config;
    KeeperHandle keeper;

    // `script`: what the file server does.
    explicit ServedVm(std::string_view script, std::string_view behaviour = "") {
        config.name = "web";
        config.directory = directory / "vm";
        REQUIRE(MakeDirectories(config.directory, 0700));
        config.acceleration = Acceleration::kTcg;
        config.hypervisor = CC_FAKE_VMM;
        config.kernel = directory.Write("vmlinux", "kernel");
        config.initrd = directory.Write("initrd", "initrd");
        config.kernel_params = behaviour;
        config.shared_fs = SharedFs::kVirtioFs;
        config.file_server.program = directory.Write("server", Cat("#!/bin/sh\n", script, "\n"));
        REQUIRE(::chmod(config.file_server.program.c_str(), 0700) == 0);
    }
    ~ServedVm() {
        if (keeper.process) keeper.process.Kill();
    }
    Result<void> Start() {
        CC_ASSIGN(keeper, StartKeeper(CC_TEST_KEEPER, config, nullptr));
        return {};
    }
    int WaitEnd() {
        REQUIRE(keeper.process.WaitEnd(std::chrono::seconds(10)).value_or(false));
        const int status = ExitCodeOf(keeper.process.Reap().value_or(-1));
        keeper.process = {};
        return status;
    }
    std::string Log() {
        return ReadFile(Cat(config.directory, "/", kKeeperLogName), 2 << 20).value_or("");
    }
};

bool HasGone(int64_t pid) {
    for (int i = 0; i < 1000 && StartTimeOf(static_cast<pid_t>(pid)); ++i)
        ::usleep(10000);
    return !StartTimeOf(static_cast<pid_t>(pid));
}

std::string StatusLine(int64_t pid, std::string_view key) {
    for (const auto& line :
         Split(ReadFile(Cat("/proc/", pid, "/status"), 65536).value_or(""), '\n'))
        if (line.starts_with(key)) return std::string(Trim(line.substr(key.size())));
    return "none";
}

// Waits as long as it takes the shell to have started its child.
VmStatus TwoProcesses(const std::string& directory) {
    for (int i = 0; i < 500; ++i) {
        auto client = VmClient::Connect(directory);
        REQUIRE(client);
        const auto status = client->Status();
        REQUIRE(status);
        if (status->file_server_pids.size() == 2) return *status;
        ::usleep(10000);
    }
    FAIL("the file server has no child");
    return {};
}

}  // namespace

TEST_CASE("a file server is told what to serve, where it is called, and how") {
    const FileServerConfig config{"/usr/lib/qemu/virtiofsd", "always", {"--thread-pool-size=2"}};
    CHECK(FileServerArguments(config, "/run/vm/share", 3) ==
          std::vector<std::string>{"--fd=3", "--rlimit-nofile=0", "-o", "source=/run/vm/share",
                                   "-o", "sandbox=namespace", "-o", "cache=always", "-o", "xattr",
                                   "-o", "announce_submounts", "-o", "modcaps=-mknod", "-o",
                                   "log_level=warn", "--thread-pool-size=2"});
}

TEST_CASE("a VM's file server runs beside its VMM, confined, and ends with it") {
    ServedVm vm("sleep 1000 & wait");
    const auto started = vm.Start();
    REQUIRE_MESSAGE(started, started.error().message);
    const VmStatus status = TwoProcesses(vm.config.directory);
    for (const int64_t pid : status.file_server_pids) {
        CHECK(StatusLine(pid, "NoNewPrivs:") == "1");
        // CHOWN, DAC_OVERRIDE, FOWNER, FSETID, SETGID, SETUID, SETPCAP, SYS_ADMIN, SETFCAP.
        CHECK(StatusLine(pid, "CapBnd:") == "00000000802001db");
    }
    // Who serves no files needs nothing for that.
    CHECK(StatusLine(status.vmm_pid, "CapEff:") == "0000000000000000");
    CHECK(StatusLine(status.vmm_pid, "CapBnd:") == "0000000000000000");
    auto client = VmClient::Connect(vm.config.directory);
    REQUIRE(client);
    CHECK(client->Stop());
    CHECK(vm.WaitEnd() == 0);
    for (const int64_t pid : status.file_server_pids)
        CHECK(HasGone(pid));
    CHECK_FALSE(Exists(Cat(vm.config.directory, "/", kShareName)));
}

TEST_CASE("a VM whose file server is killed is stopped, and its log says why") {
    // Also one that says that all is well, as virtiofsd does when it is told to end.
    for (const int signal : {SIGKILL, SIGTERM}) {
        CAPTURE(signal);
        ServedVm vm("trap 'exit 0' TERM; sleep 1000 & wait");
        REQUIRE(vm.Start());
        const VmStatus status = TwoProcesses(vm.config.directory);
        REQUIRE(::kill(static_cast<pid_t>(status.file_server_pids.front()), signal) == 0);
        CHECK(vm.WaitEnd() == 1);
        CHECK(test::Contains(vm.Log(), signal == SIGKILL ? "server was killed by signal 9"
                                                         : "server exited with status 0"));
        CHECK(test::Contains(vm.Log(), "without its files is stopped"));
        CHECK(HasGone(status.vmm_pid));
        for (const int64_t pid : status.file_server_pids)
            CHECK(HasGone(pid));
    }
}

TEST_CASE("a keeper that is killed takes the file server with it") {
    // As virtiofsd does when its connection ends.
    ServedVm vm("cat <&3 >/dev/null 2>&1; exec sleep 0.1");
    REQUIRE(vm.Start());
    auto client = VmClient::Connect(vm.config.directory);
    REQUIRE(client);
    auto status = client->Status();
    for (int i = 0; i < 500 && status && status->file_server_pids.empty(); ++i) {
        ::usleep(10000);
        status = client->Status();
    }
    REQUIRE(status);
    REQUIRE(status->file_server_pids.size() >= 1);
    vm.keeper.process.Kill();
    vm.keeper.process = {};
    CHECK(HasGone(status->vmm_pid));
    CHECK(HasGone(status->file_server_pids.front()));
}

TEST_CASE("a file server that refuses is an error with what it said, and nothing is left") {
    ServedVm vm("echo unknown option --frob >&2; exit 3", "fake.silent");
    const std::string why = test::ErrorOf(vm.Start());
    CHECK(test::Contains(why, "exited with status 3"));
    CHECK(test::Contains(why, "unknown option --frob"));
    CHECK_FALSE(Exists(Cat(vm.config.directory, "/", kShareName)));
}

TEST_CASE("a missing file server is one clear error before anything is started") {
    ServedVm vm("");
    vm.config.file_server.program = "/nonexistent/virtiofsd";
    const std::string why = test::ErrorOf(vm.Start());
    CHECK(test::Contains(why, "/nonexistent/virtiofsd"));
    CHECK(test::Contains(why, "virtio_fs_daemon"));
    CHECK(ListDirectory(vm.config.directory).value() ==
          std::vector<std::string>{std::string(kKeeperLogName)});
}

}  // namespace cc
