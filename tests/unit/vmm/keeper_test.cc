// SPDX-License-Identifier: Apache-2.0
// cc-vmm as the process it is, with a fake VMM, driven through the runtime's own client.
#include <csignal>

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include "client/vm_client.h"
#include "protocol/network.h"
#include "tests/unit/netns/namespace.h"
#include "tests/unit/vmm/fixtures.h"

namespace cc {

namespace {

using std::chrono::seconds;

// A VM's directory and configuration, and its keeper, which is gone when the test ends.
struct Vm {
    test::TemporaryDirectory directory;
    VmConfig config;
    KeeperHandle keeper;

    explicit Vm(std::string_view behaviour = "") {
        config.name = "web";
        config.directory = directory / "vm";
        REQUIRE(MakeDirectories(config.directory, 0700));
        config.acceleration = Acceleration::kTcg;
        config.hypervisor = CC_FAKE_VMM;
        config.kernel = directory.Write("vmlinux", "kernel");
        config.initrd = directory.Write("initrd", "initrd");
        config.kernel_params = behaviour;
    }
    ~Vm() {
        if (keeper.process) keeper.process.Kill();
    }
    Result<void> Start() {
        CC_ASSIGN(keeper, StartKeeper(CC_TEST_KEEPER, config, nullptr));
        return {};
    }
    VmClient Connect() {
        auto client = VmClient::Connect(config.directory);
        REQUIRE(client);
        return std::move(*client);
    }
    // The keeper's exit status.
    int WaitEnd() {
        REQUIRE(keeper.process.WaitEnd(seconds(10)).value_or(false));
        const int status = ExitCodeOf(keeper.process.Reap().value_or(-1));
        keeper.process = {};
        return status;
    }
    std::string File(std::string_view name) {
        return ReadFile(Cat(config.directory, "/", name), 2 << 20).value_or("");
    }
    std::vector<std::string> Left() {
        return ListDirectory(config.directory).value_or(std::vector<std::string>());
    }
};

// Whether the process ends within a while. It need not be our child.
bool Ends(int64_t pid) {
    for (int i = 0; i < 1000; ++i) {
        if (!StartTimeOf(static_cast<pid_t>(pid))) return true;
        ::usleep(10000);
    }
    return false;
}

Fd Detached(const std::string& path) {
    Fd tree = Fd::Adopt(
        ::open_tree(AT_FDCWD, path.c_str(), OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE));
    REQUIRE(tree);
    return tree;
}

std::string Mounts(std::string_view process) {
    return ReadFile(Cat("/proc/", process, "/mountinfo"), 1 << 20).value_or("");
}

const std::vector<std::string> kLogsOnly{std::string(kConsoleLogName), std::string(kKeeperLogName)};

}  // namespace

TEST_CASE(
    "a keeper starts its VM, tells so, serves, stops it when told, and leaves nothing but logs") {
    Vm vm;
    const auto started = vm.Start();
    REQUIRE_MESSAGE(started, (started ? "" : started.error().message));
    CHECK(vm.keeper.status.keeper_pid == vm.keeper.process.pid());
    CHECK(vm.keeper.status.acceleration == "tcg");
    auto client = vm.Connect();
    const auto status = client.Status();
    REQUIRE(status);
    CHECK(status->vmm_pid == vm.keeper.status.vmm_pid);
    CHECK_FALSE(status->paused);
    CHECK(client.Pause());
    CHECK(client.Status()->paused);
    const std::string sign = Cat(vm.config.directory, "/", kPausedFileName);
    CHECK(::access(sign.c_str(), F_OK) == 0);
    CHECK(client.Resume());
    CHECK_FALSE(client.Status()->paused);
    CHECK(::access(sign.c_str(), F_OK) != 0);
    const auto grown = [&](int64_t mib, int64_t cpus) {
        const auto now = client.Status();
        return now && now->memory_mib == vm.config.memory_mib + mib &&
               now->cpus == vm.config.vcpus + cpus;
    };
    CHECK(grown(0, 0));
    CHECK(client.Grow({.mib = 256, .cpus = 2}));
    CHECK(grown(256, 2));
    CHECK_FALSE(client.Grow({.mib = 100, .cpus = 0}));
    CHECK_FALSE(client.Grow({}));
    const auto none = client.Grow({.mib = 128, .cpus = 3});
    REQUIRE_FALSE(none);
    CHECK(test::Contains(none.error().message, "room for 2 more processors, not for 3"));
    CHECK(grown(256, 2));
    CHECK(test::Contains(client.Console().value(), "fake guest: up"));
    struct stat mode {};
    for (const auto name : {kCtlSocketName, kIoSocketName, kVerbSocketName}) {
        REQUIRE(::stat(Cat(vm.config.directory, "/", name).c_str(), &mode) == 0);
        CHECK((mode.st_mode & 0777) == 0600);
    }
    CHECK(ConnectUnix(Cat(vm.config.directory, "/", kCtlSocketName), SOCK_STREAM));
    CHECK(client.Stop());
    CHECK(Ends(status->vmm_pid));
    CHECK(vm.WaitEnd() == 0);
    CHECK(vm.Left() == kLogsOnly);
}

TEST_CASE(
    "the VMM has its own process group, few capabilities, no core dumps, and only the descriptors "
    "meant for it") {
    Vm vm;
    const Fd stray =
        Fd::Adopt(::open("/dev/zero", O_RDONLY));  // neither close-on-exec nor meant for anyone
    REQUIRE(vm.Start());
    const auto pid = static_cast<pid_t>(vm.keeper.status.vmm_pid);
    CHECK(::getpgid(pid) == pid);
    CHECK(::getsid(pid) == vm.keeper.process.pid());
    const auto status = ReadFile(Cat("/proc/", pid, "/status"), 65536).value_or("");
    CHECK(test::Contains(status, "NoNewPrivs:\t1"));
    for (const auto* set : {"CapPrm", "CapEff", "CapBnd"})
        CHECK(test::Contains(status, Cat(set, ":\t000000008000001f")));
    for (const auto* set : {"CapInh", "CapAmb"})
        CHECK(test::Contains(status, Cat(set, ":\t0000000000000000")));
    CHECK(test::Contains(ReadFile(Cat("/proc/", pid, "/limits"), 65536).value_or(""),
                         "Max core file size        0                    0"));
    CHECK(ListDirectory(Cat("/proc/", pid, "/fd")).value() ==
          std::vector<std::string>{"0", "1", "10", "12", "2", "3", "4", "5", "6"});
    CHECK(ReadLink(Cat("/proc/", pid, "/fd/0")).value() == "/dev/null");
    CHECK(vm.Connect().Stop());
    CHECK(vm.WaitEnd() == 0);
}

TEST_CASE(
    "shared trees appear in the keeper's mount namespace, read-only root and all, and never in "
    "ours") {
    Vm vm;
    REQUIRE(MakeDirectories(vm.directory / "rootfs/etc", 0755));
    vm.directory.Write("rootfs/etc/motd", "hello");
    vm.directory.Write("volume", "a file");
    REQUIRE(vm.Start());
    auto client = vm.Connect();
    const auto before = Mounts("self");
    CHECK(client.ShareAdd("web/rootfs", Detached(vm.directory / "rootfs")));
    CHECK(client.ShareAdd("web/mounts/0", Detached(vm.directory / "volume")));
    const std::string seen =
        Cat("/proc/", vm.keeper.status.vmm_pid, "/root", vm.config.directory, "/share");
    CHECK(ReadFile(seen + "/web/rootfs/etc/motd", 100).value_or("") == "hello");
    CHECK(ReadFile(seen + "/web/mounts/0", 100).value_or("") == "a file");
    // The guest can write in what is shared, and nowhere else.
    CHECK(WriteFileAtomic(seen + "/web/rootfs/new", "x", 0644));
    CHECK(test::Contains(test::ErrorOf(WriteFileAtomic(seen + "/new", "x", 0644)), "Read-only"));
    CHECK(
        test::Contains(test::ErrorOf(WriteFileAtomic(seen + "/web/new", "x", 0644)), "Read-only"));
    for (const auto& line : Split(Mounts(Cat(vm.keeper.status.vmm_pid)), '\n'))
        if (test::Contains(line, "/share")) {
            CAPTURE(line);
            CHECK(test::Contains(line, "nosuid,nodev,noexec"));
            CHECK_FALSE(test::Contains(line, "shared:"));
        }
    CHECK(Mounts("self") == before);
    CHECK(ListDirectory(vm.config.directory + "/share").value().empty());

    CHECK(client.ShareRemove("web/mounts/0"));
    CHECK_FALSE(Exists(seen + "/web/mounts"));
    CHECK(client.ShareRemove("web/rootfs"));
    CHECK_FALSE(Exists(seen + "/web"));
    CHECK(Exists(vm.directory / "rootfs/etc/motd"));

    // All of one container at once, and nothing of one with a similar name.
    CHECK(client.ShareAdd("web/rootfs", Detached(vm.directory / "rootfs")));
    CHECK(client.ShareAdd("web/mounts/0", Detached(vm.directory / "volume")));
    CHECK(client.ShareAdd("web2/rootfs", Detached(vm.directory / "rootfs")));
    CHECK(client.ShareRemove("web"));
    CHECK_FALSE(client.ShareRemove("web"));
    CHECK_FALSE(Exists(seen + "/web"));
    CHECK(Exists(seen + "/web2/rootfs/etc/motd"));
    CHECK(client.Stop());
    CHECK(vm.WaitEnd() == 0);
}

TEST_CASE(
    "a share that is in the way of another, is none, or leaves the root is refused and leaves "
    "nothing") {
    Vm vm;
    REQUIRE(MakeDirectories(vm.directory / "tree/sub", 0755));
    REQUIRE(::symlink("/etc", (vm.directory / "tree/link").c_str()) == 0);
    REQUIRE(vm.Start());
    auto client = vm.Connect();
    const auto tree = [&] { return Detached(vm.directory / "tree"); };
    REQUIRE(client.ShareAdd("web/rootfs", tree()));
    for (const auto* path :
         {"web/rootfs", "web/rootfs/sub", "web/rootfs/link/x", "web", "../x", "/x", ""}) {
        CAPTURE(path);
        CHECK_FALSE(client.ShareAdd(path, tree()));
    }
    const Fd plain = Fd::Adopt(::open("/tmp", O_PATH | O_CLOEXEC));
    CHECK_FALSE(client.ShareAdd("other/plain", plain));
    CHECK_FALSE(client.ShareAdd("other/none", Fd()));
    CHECK_FALSE(client.ShareRemove("other/plain"));
    const std::string seen =
        Cat("/proc/", vm.keeper.status.vmm_pid, "/root", vm.config.directory, "/share");
    CHECK(ListDirectory(seen).value() == std::vector<std::string>{"web"});
    CHECK(client.Stop());
    CHECK(vm.WaitEnd() == 0);
}

TEST_CASE(
    "what a guest unmounts or mounts in its share does not travel to where the tree came from") {
    Vm vm;
    // A tree that is a mount of its own, with another in it, both of a peer group.
    REQUIRE(MakeDirectories(vm.directory / "tree", 0755));
    const std::string tree = vm.directory / "tree";
    REQUIRE(::mount("t", tree.c_str(), "tmpfs", 0, nullptr) == 0);
    REQUIRE(::mount(nullptr, tree.c_str(), nullptr, MS_SHARED, nullptr) == 0);
    REQUIRE(MakeDirectories(tree + "/inner", 0755));
    REQUIRE(::mount("t", (tree + "/inner").c_str(), "tmpfs", 0, nullptr) == 0);
    const auto before = Mounts("self");
    REQUIRE(vm.Start());
    auto client = vm.Connect();
    CHECK(client.ShareAdd("web/rootfs", Detached(tree)));
    CHECK(client.ShareRemove("web/rootfs"));
    CHECK(client.ShareAdd("web/rootfs", Detached(tree)));
    CHECK(client.Stop());
    CHECK(vm.WaitEnd() == 0);
    CHECK(Mounts("self") == before);
    CHECK(::umount2((tree + "/inner").c_str(), MNT_DETACH) == 0);
    CHECK(::umount2(tree.c_str(), MNT_DETACH) == 0);
}

TEST_CASE("a VMM that refuses is reported with what it said, made safe for a terminal") {
    Vm vm("fake.refuse");
    const auto message = test::ErrorOf(vm.Start());
    CHECK(test::Contains(message, "exited with status 1"));
    CHECK(test::Contains(message, "unsupported machine type"));
    CHECK_FALSE(test::Contains(message, "\x1b"));
    CHECK_FALSE(test::Contains(message, "\n"));
    CHECK(vm.Left() == kLogsOnly);
}

TEST_CASE("a VMM that never answers is killed when its time is up, and the error names the time") {
    Vm vm("fake.silent");
    vm.config.start_deadline_ms = 200;
    const auto message = test::ErrorOf(vm.Start());
    CHECK(test::Contains(message, "within 200 ms"));
    CHECK(vm.Left() == kLogsOnly);
}

TEST_CASE("a VMM that speaks nonsense is killed") {
    Vm vm("fake.garbage");
    const auto message = test::ErrorOf(vm.Start());
    CHECK(test::Contains(message, "was killed"));
    CHECK_FALSE(test::Contains(message, "\x1b"));
    CHECK(vm.Left() == kLogsOnly);
}

TEST_CASE("a guest that powers off ends its keeper with status 0") {
    Vm vm("fake.poweroff");
    REQUIRE(vm.Start());
    CHECK(vm.WaitEnd() == 0);
    CHECK(test::Contains(vm.File(kKeeperLogName), "the guest powered off"));
    CHECK(vm.Left() == kLogsOnly);
}

TEST_CASE(
    "a guest that panics ends its keeper with status 1; its last words are in the console's log") {
    Vm vm("fake.reset");
    REQUIRE(vm.Start());
    CHECK(vm.WaitEnd() == 1);
    CHECK(test::Contains(vm.File(kConsoleLogName), "Kernel panic"));
    CHECK(test::Contains(vm.File(kKeeperLogName), "panics"));
    CHECK(vm.Left() == kLogsOnly);
}

TEST_CASE("a VMM that crashes or is killed ends its keeper with status 1, which says how") {
    Vm crashed("fake.crash");
    REQUIRE(crashed.Start());
    CHECK(crashed.WaitEnd() == 1);
    CHECK(test::Contains(crashed.File(kKeeperLogName), "signal 11"));

    Vm killed;
    REQUIRE(killed.Start());
    auto client = killed.Connect();
    REQUIRE(client.Status());
    REQUIRE(::kill(static_cast<pid_t>(killed.keeper.status.vmm_pid), SIGKILL) == 0);
    CHECK(killed.WaitEnd() == 1);
    CHECK(test::Contains(killed.File(kKeeperLogName), "signal 9"));
    CHECK_FALSE(client.Status());
    CHECK(killed.Left() == kLogsOnly);
}

TEST_CASE("everything that a guest prints at its end is kept, within bounds") {
    Vm vm("fake.chatty fake.poweroff");
    REQUIRE(vm.Start());
    CHECK(vm.WaitEnd() == 0);
    const auto log = vm.File(kConsoleLogName);
    CHECK(log.size() <= 1024 * 1024);
    CHECK(log.size() >= 64 * 1024);
    CHECK(log.ends_with(std::string(1022, 'a' + (3 * 1024 - 1) % 26) + "\r\n"));
}

TEST_CASE("a VMM that does not obey is killed two seconds after the stop") {
    Vm vm("fake.deaf");
    REQUIRE(vm.Start());
    CHECK(vm.Connect().Stop());
    CHECK(Ends(vm.keeper.status.vmm_pid));
    CHECK(vm.WaitEnd() == 0);
}

TEST_CASE("SIGTERM to the keeper stops its VM in the same way") {
    Vm vm;
    REQUIRE(vm.Start());
    REQUIRE(vm.keeper.process.Signal(SIGTERM));
    CHECK(vm.WaitEnd() == 0);
    CHECK(Ends(vm.keeper.status.vmm_pid));
    CHECK(vm.Left() == kLogsOnly);
}

TEST_CASE("a keeper that is killed takes its VM with it") {
    Vm vm;
    REQUIRE(vm.Start());
    vm.keeper.process.Kill();
    CHECK(Ends(vm.keeper.status.vmm_pid));
    // The sockets lie in the directory still; nobody listens.
    CHECK_FALSE(VmClient::Connect(vm.config.directory));
    const auto listens = [&] {
        return ConnectUnix(Cat(vm.config.directory, "/", kCtlSocketName), SOCK_STREAM).has_value();
    };
    for (int i = 0; i < 500 && listens(); ++i)
        ::usleep(10000);
    CHECK_FALSE(listens());
    // A new keeper of the same directory does not stumble over what is left.
    CHECK(vm.Start());
}

TEST_CASE("a missing file is one clear error, and nothing is left") {
    Vm vm;
    vm.config.kernel = "/nonexistent/vmlinux";
    auto message = test::ErrorOf(vm.Start());
    CHECK(test::Contains(message, "/nonexistent/vmlinux"));
    CHECK(test::Contains(message, "No such file"));
    CHECK(vm.Left() == std::vector<std::string>{std::string(kKeeperLogName)});

    vm.config.directory = "/nonexistent";
    message = test::ErrorOf(vm.Start());
    CHECK(test::Contains(message, "/nonexistent"));
}

TEST_CASE("a directory whose sockets' paths would be too long is refused by name and length") {
    Vm vm;
    vm.config.directory = vm.directory / std::string(120, 'd');
    REQUIRE(MakeDirectories(vm.config.directory, 0700));
    const auto message = test::ErrorOf(vm.Start());
    CHECK(test::Contains(message, "at most 107"));
    CHECK(vm.Left() == kLogsOnly);
}

TEST_CASE("a keeper whose starter has gone does not keep a VM that nobody knows of") {
    Vm vm;
    auto text = MakePipe(), ready = MakePipe();
    REQUIRE(text);
    REQUIRE(ready);
    SpawnOptions options;
    options.executable = CC_TEST_KEEPER;
    options.arguments = {"cc-vmm", "--config-fd", "3", "--ready-fd", "4"};
    options.fds = {{text->first.get(), 3}, {ready->second.get(), 4}};
    auto process = Spawn(options);
    REQUIRE(process);
    vm.keeper.process = std::move(*process);
    text->first.Reset();
    ready->first.Reset();
    ready->second.Reset();
    REQUIRE(WriteAll(text->second.get(), Encode(vm.config)));
    text->second.Reset();
    CHECK(vm.WaitEnd() == 0);
    CHECK(vm.Left() == kLogsOnly);
}

TEST_CASE("hostile packets cost their sender an error, and nobody else anything") {
    Vm vm;
    REQUIRE(vm.Start());
    auto socket = ConnectUnix(Cat(vm.config.directory, "/", kVerbSocketName), SOCK_SEQPACKET);
    REQUIRE(socket);
    for (const auto& packet : {std::string("\0\xff", 2), std::string("{"), std::string(1000, '['),
                               std::string(kMaxVmMessage, 'x')}) {
        REQUIRE(SendWithFds(socket->get(), packet, {}));
        const auto reply = ReceiveWithFds(socket->get(), kMaxVmMessage);
        REQUIRE(reply);
        CHECK(test::Contains(reply->bytes, "error"));
    }
    CHECK(vm.Connect().Status());
    // One that asks and never reads is dropped; others are served.
    for (int i = 0; i < 10000; ++i)
        if (::send(socket->get(), "{\"verb\":\"status\"}", 17, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
            break;
    CHECK(vm.Connect().Status());
    CHECK(vm.Connect().Stop());
    CHECK(vm.WaitEnd() == 0);
}

TEST_CASE("bad usage of cc-vmm is an error and status 1") {
    for (const auto& arguments : {std::vector<std::string>{"cc-vmm"},
                                  {"cc-vmm", "--config-fd", "77"},
                                  {"cc-vmm", "--config-fd", "x"},
                                  {"cc-vmm", "--config-fd", "0", "--ready-fd", "99"}}) {
        SpawnOptions options;
        options.executable = CC_TEST_KEEPER;
        options.arguments = arguments;
        const auto process = Spawn(options);
        REQUIRE(process);
        CHECK(ExitCodeOf(process->Reap().value_or(0)) == 1);
    }
}

TEST_CASE("the real QEMU takes our arguments, answers, and dies with its keeper") {
    constexpr const char* kQemu = "/usr/bin/qemu-system-x86_64";
    if (!Exists(kQemu)) {
        MESSAGE("skipped: " << kQemu << " is not installed");
        return;
    }
    for (const auto machine : {MachineType::kPc, MachineType::kQ35, MachineType::kMicrovm}) {
        CAPTURE(Name(machine));
        Vm vm;
        vm.config.machine = machine;
        vm.config.hypervisor = kQemu;
        // What no kernel is: QEMU says so itself, in its own words.
        const auto message = test::ErrorOf(vm.Start());
        CAPTURE(message);
        CHECK(test::Contains(message, "exited with status 1; it said:"));
        // A boot sector is enough of a kernel for QEMU to come up with (its "header" says
        // protocol 2.00).
        std::string kernel(4096, '\0');
        kernel.replace(0x1f1, 1, "\x01");
        kernel.replace(0x202, 4, "HdrS");
        kernel.replace(0x206, 2, std::string("\x00\x02", 2));
        vm.config.kernel = vm.directory.Write("vmlinux", kernel);
        const auto started = vm.Start();
        REQUIRE_MESSAGE(started, (started ? "" : started.error().message));
        const auto tree = vm.directory / "tree";
        REQUIRE(MakeDirectories(tree, 0755));
        CHECK(vm.Connect().ShareAdd("web/rootfs", Detached(tree)));
        CHECK(vm.Connect().Pause());
        CHECK(vm.Connect().Status()->paused);
        vm.keeper.process.Kill();
        CHECK(Ends(vm.keeper.status.vmm_pid));
        vm.keeper.process = {};
    }
}

TEST_CASE("a keeper gives the machine's network device to a network namespace, once") {
    Vm vm;
    vm.config.nic = true;
    const auto started = vm.Start();
    REQUIRE_MESSAGE(started, (started ? "" : started.error().message));
    const auto inode = [](const std::string& path) {
        struct stat status {};
        return ::stat(path.c_str(), &status) == 0 ? status.st_ino : 0;
    };
    const auto own = inode("/proc/self/ns/net");
    // Neither keeper nor VMM is in the network of who started them.
    CHECK(inode(Cat("/proc/", vm.keeper.status.keeper_pid, "/ns/net")) != own);
    CHECK(inode(Cat("/proc/", vm.keeper.status.vmm_pid, "/ns/net")) ==
          inode(Cat("/proc/", vm.keeper.status.keeper_pid, "/ns/net")));
    const Fd place = test::NewNetworkNamespace();
    auto client = vm.Connect();
    const Fd no_namespace = OpenFile("/dev/null", O_RDONLY).value();
    CHECK(test::Contains(test::ErrorOf(client.AttachNetwork(0, no_namespace)),
                         "no network namespace"));
    const auto attached = client.AttachNetwork(0, place);
    REQUIRE_MESSAGE(attached, attached.error().message);
    const netns::Socket socket = test::SocketIn(place);
    CHECK(netns::FindLink(socket, std::string(kTapName)));
    CHECK(client.AttachNetwork(0, place));
    CHECK(test::Contains(test::ErrorOf(client.AttachNetwork(0, test::NewNetworkNamespace())),
                         "already"));
    // The VMM has the only descriptor.
    CHECK(client.Stop());
    CHECK(Ends(vm.keeper.status.keeper_pid));
    CHECK_FALSE(netns::FindLink(socket, std::string(kTapName)));
}

TEST_CASE("a machine without a network device has none to give") {
    Vm vm;
    REQUIRE(vm.Start());
    const Fd place = test::NewNetworkNamespace();
    CHECK(test::Contains(test::ErrorOf(vm.Connect().AttachNetwork(0, place)), "no network device"));
}

TEST_CASE("a machine that runs is given more network devices, each with a tap") {
    Vm vm;
    vm.config.nic = true;
    REQUIRE(vm.Start());
    const Fd place = test::NewNetworkNamespace();
    const netns::Socket socket = test::SocketIn(place);
    auto client = vm.Connect();
    for (const int number : {0, 1, 2, 1}) {
        const auto attached = client.AttachNetwork(number, place);
        REQUIRE_MESSAGE(attached, attached.error().message);
    }
    for (const int number : {0, 1, 2})
        CHECK(netns::FindLink(socket, TapName(number)));
    CHECK_FALSE(netns::FindLink(socket, TapName(3)));
    CHECK(test::Contains(test::ErrorOf(client.AttachNetwork(kMostNics, place)), "nic"));
    CHECK(client.Stop());
    CHECK(Ends(vm.keeper.status.keeper_pid));
    for (const int number : {0, 1, 2})
        CHECK_FALSE(netns::FindLink(socket, TapName(number)));
}

TEST_CASE("a machine is given devices that are no taps, from its start and later, each once") {
    const Card from_start{15, CardKind::kPhysical, "0000:03:10.0"};
    const Card later{14, CardKind::kPhysical, "0000:03:10.2"};
    const Card served{13, CardKind::kVhostUser, "/run/vhu.sock"};
    for (const bool shared : {false, true}) {
        CAPTURE(shared);
        Vm vm;
        vm.config.nic = true;
        vm.config.shared_memory = shared;
        if (shared) vm.config.cards = {from_start};
        REQUIRE(vm.Start());
        // As far as this process may raise it.
        const auto locked = [&] {
            rlimit limit{};
            const auto pid = static_cast<pid_t>(vm.keeper.status.vmm_pid);
            REQUIRE(::prlimit(pid, RLIMIT_MEMLOCK, nullptr, &limit) == 0);
            return limit.rlim_cur == limit.rlim_max;
        };
        if (shared) CHECK(locked());
        auto client = vm.Connect();
        for (const Card& card : {from_start, later, later}) {
            const auto attached = client.AttachCard(card);
            CHECK_MESSAGE(attached, attached.error().message);
        }
        // All that the guest has stays where it is.
        CHECK(locked());
        const auto attached = client.AttachCard(served);
        if (shared)
            CHECK_MESSAGE(attached, attached.error().message);
        else
            CHECK(test::Contains(test::ErrorOf(attached), "memory is its own"));
        CHECK(test::Contains(
            test::ErrorOf(client.AttachCard({14, CardKind::kPhysical, "0000:03:10.4"})),
            "device 14"));
        const Fd place = test::NewNetworkNamespace();
        CHECK(test::Contains(test::ErrorOf(client.AttachNetwork(14, place)), "no tap"));
        CHECK(client.AttachNetwork(1, place));
        CHECK(test::Contains(
            test::ErrorOf(client.AttachCard({1, CardKind::kPhysical, "0000:03:10.4"})), "a tap"));
        CHECK(client.Stop());
    }
    Vm full("fake.no-room");
    REQUIRE(full.Start());
    for (int i = 0; i < 2; ++i)
        CHECK(test::Contains(test::ErrorOf(full.Connect().AttachCard(later)), "not there"));
}

TEST_CASE("a machine that runs is given disks, which leave it with their owner") {
    Vm vm;
    vm.config.nic = true;
    REQUIRE(vm.Start());
    const auto node = [&](unsigned minor) {
        const std::string path = vm.directory / Cat("node", minor);
        REQUIRE(::mknod(path.c_str(), S_IFBLK | 0600, makedev(7, minor)) == 0);
        return OpenFile(path, O_PATH).value();
    };
    const Fd first = node(1), second = node(2);
    auto client = vm.Connect();
    const auto add = [&](const char* owner, const Fd& device, bool read_only) {
        const auto added = client.AddDisk(owner, device, read_only);
        REQUIRE_MESSAGE(added, added.error().message);
        return *added;
    };
    CHECK(add("a", first, false) == 0);
    CHECK(add("b", second, true) == 1);
    CHECK(add("b", first, true) == 0);
    CHECK(test::Contains(test::ErrorOf(client.AddDisk("a", {}, false)), "no block device"));
    // They fill the machine from its other end.
    const Fd place = test::NewNetworkNamespace();
    CHECK(test::Contains(test::ErrorOf(client.AttachNetwork(15, place)), "a disk is in the place"));
    CHECK(client.RemoveDisks("b"));
    CHECK(client.RemoveDisks("b"));
    CHECK(client.AttachNetwork(15, place));
    CHECK(add("c", second, true) == 2);
    CHECK(client.RemoveDisks("a"));
    CHECK(add("c", first, true) == 0);
    CHECK(client.Stop());
}

TEST_CASE("a guest that keeps a disk is told of, and so is a machine without room") {
    Vm vm("fake.keeps-disks");
    REQUIRE(vm.Start());
    const std::string path = vm.directory / "node";
    REQUIRE(::mknod(path.c_str(), S_IFBLK | 0600, makedev(7, 1)) == 0);
    const Fd device = OpenFile(path, O_PATH).value();
    auto client = vm.Connect();
    CHECK(client.AddDisk("a", device, false));
    CHECK(test::Contains(test::ErrorOf(client.RemoveDisks("a")), "does not let go of disk 0"));
    CHECK(client.AddDisk("b", device, false).value() == 1);
    CHECK(client.Stop());
    Vm full("fake.no-room");
    REQUIRE(full.Start());
    for (int i = 0; i < 2; ++i)
        CHECK(
            test::Contains(test::ErrorOf(full.Connect().AddDisk("a", device, false)), "not there"));
}

TEST_CASE("a network device that the machine cannot be given leaves no tap") {
    const Fd place = test::NewNetworkNamespace();
    const netns::Socket socket = test::SocketIn(place);
    for (const bool room : {true, false}) {
        CAPTURE(room);
        Vm vm(room ? "fake.no-room" : "");
        vm.config.nic = true;
        if (!room) vm.config.machine = MachineType::kMicrovm;
        REQUIRE(vm.Start());
        auto client = vm.Connect();
        CHECK(client.AttachNetwork(0, place));
        CHECK(test::Contains(test::ErrorOf(client.AttachNetwork(1, place)),
                             room ? "not there" : "fewer networks"));
        CHECK_FALSE(netns::FindLink(socket, TapName(1)));
        CHECK(client.Stop());
        CHECK(Ends(vm.keeper.status.keeper_pid));
    }
}

TEST_CASE("a keeper starts a proxy for whoever misses it, outside of the VM's namespaces") {
    Vm vm;
    REQUIRE(vm.Start());
    const std::string starts = vm.directory / "starts";
    const std::string program = vm.directory.Write(
        "cc-proxy", Cat("#!/bin/sh\necho $$ \"$@\" >> ", starts,
                        "\n[ \"$4\" = error ] && echo 'no space left' >&3 && exit 1\n"
                        "echo >&3\nexec sleep 1000 3>&-\n"));
    REQUIRE(::chmod(program.c_str(), 0755) == 0);
    const Fd socket =
        ConnectUnix(Cat(vm.config.directory, "/", kVerbSocketName), SOCK_SEQPACKET).value();
    const auto ask = [&](const ProxyAddress& proxy) {
        REQUIRE(SendWithFds(socket.get(),
                            Encode(VmRequest{.verb = VmVerb::kStartProxy, .proxy = proxy}), {}));
        return ParseVmReply(ReceiveWithFds(socket.get(), kMaxVmMessage).value().bytes).value();
    };
    ProxyAddress proxy{vm.directory / "proxy.sock", program, "warn", "off"};
    CHECK(ask(proxy).error.empty());
    const std::string line = ReadFile(starts, 4096).value();
    const pid_t pid = ParseNumber<pid_t>(line.substr(0, line.find(' '))).value();
    CHECK(line.substr(line.find(' ') + 1) ==
          Cat("-socket-path ", proxy.socket, " -log warn --on-demand --ready-fd 3 -ksm off\n"));
    CHECK(ReadLink(Cat("/proc/", pid, "/ns/pid")).value() == ReadLink("/proc/self/ns/pid").value());
    REQUIRE(::kill(pid, SIGKILL) == 0);
    CHECK(Ends(pid));
    proxy.log_level = "error";
    CHECK(ask(proxy).error == "starting cc-proxy: no space left");
    proxy.executable = "cc-proxy";
    CHECK(test::Contains(ask(proxy).error, "is not the absolute path of a program"));
}

TEST_CASE("a keeper watches one network namespace") {
    Vm vm;
    REQUIRE(vm.Start());
    const Fd place = test::NewNetworkNamespace();
    auto client = vm.Connect();
    CHECK(test::Contains(test::ErrorOf(client.WatchNetwork(place, "run", "web")), "absolute path"));
    const auto watched = client.WatchNetwork(place, "/run/somewhere", "web");
    CHECK_MESSAGE(watched, watched.error().message);
    CHECK(test::Contains(test::ErrorOf(client.WatchNetwork(place, "/run/somewhere", "web")),
                         "already"));
}

}  // namespace cc
