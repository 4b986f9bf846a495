// SPDX-License-Identifier: Apache-2.0
#include "runtime/guest_files.h"

#include <doctest/doctest.h>
#include <sys/stat.h>

#include "tests/unit/runtime/temp_directory.h"

namespace cc::runtime {

using test::TempDirectory;

namespace {
struct Case {
    std::vector<std::string> present;
    MachineType machine;
    std::string kernel, image, initrd;  // names; empty kernel: an error
};
}  // namespace

TEST_CASE("the guest's files are chosen by kernel and machine type, the tuned kernel first") {
    const std::string tuned = "vmlinux.container", debian = "vmlinux.debian",
                      debian_initrd = "initrd.debian", image = "clear-containers.img",
                      initrd = "clear-containers.initrd";
    const std::vector<std::string> all = {tuned, debian, debian_initrd, image, initrd};
    const Case cases[] = {
        {all, MachineType::kPc, tuned, image, ""},
        {all, MachineType::kQ35, tuned, image, ""},
        {all, MachineType::kMicrovm, tuned, "", initrd},
        {{debian, debian_initrd, image, initrd}, MachineType::kPc, debian, image, debian_initrd},
        {{debian, debian_initrd, image, initrd}, MachineType::kMicrovm, debian, "", debian_initrd},
        {{debian, debian_initrd}, MachineType::kPc, debian, "", debian_initrd},
        {{tuned, initrd}, MachineType::kPc, tuned, "", initrd},
        {{debian, image}, MachineType::kPc, "", "", ""},
        {{tuned}, MachineType::kPc, "", "", ""},
        {{tuned, image}, MachineType::kMicrovm, "", "", ""},
        {{}, MachineType::kPc, "", "", ""},
    };
    for (const auto& wanted : cases) {
        TempDirectory directory;
        for (const auto& name : wanted.present)
            REQUIRE(WriteFileAtomic(directory / name, "x", 0600));
        RuntimeConfig config;
        config.machine = wanted.machine;
        const auto guest = FindGuest(config, {"/no/such/directory", directory.path()});
        CAPTURE(wanted.kernel);
        REQUIRE(guest.has_value() == !wanted.kernel.empty());
        if (!guest) continue;
        CHECK(guest->kernel == directory / wanted.kernel);
        CHECK(guest->image == (wanted.image.empty() ? "" : directory / wanted.image));
        CHECK(guest->initrd == (wanted.initrd.empty() ? "" : directory / wanted.initrd));
    }
}

TEST_CASE("a configured file that is missing or empty is an error that names it") {
    TempDirectory directory;
    for (const char* name : {"vmlinux.container", "clear-containers.img"})
        REQUIRE(WriteFileAtomic(directory / name, "x", 0600));
    REQUIRE(WriteFileAtomic(directory / "empty", "", 0600));
    for (const std::string& path :
         {std::string("/no/such/file"), directory / "empty", directory.path()}) {
        for (auto member :
             {&RuntimeConfig::kernel, &RuntimeConfig::image, &RuntimeConfig::initrd}) {
            RuntimeConfig config;
            config.*member = path;
            const auto guest = FindGuest(config, {directory.path()});
            REQUIRE_FALSE(guest);
            CHECK(guest.error().message.find(path) != std::string::npos);
        }
    }
    RuntimeConfig config;
    config.file_server.program = "/no/such/virtiofsd";
    CHECK(FindFileServer(config).value() == FileServerConfig());  // nobody asks for one
    config.shared_fs = SharedFs::kVirtioFs;
    for (const std::string& path : {std::string("/no/such/virtiofsd"), directory.path()}) {
        config.file_server.program = path;
        const auto server = FindFileServer(config);
        REQUIRE_FALSE(server);
        CHECK(server.error().message.find(path) != std::string::npos);
        CHECK(server.error().message.find("virtio_fs_daemon=") != std::string::npos);
    }
    config.file_server = {"/bin/true", "none", {"-d"}};
    CHECK(FindFileServer(config).value() == config.file_server);
    config.hypervisor = "/no/such/qemu";
    CHECK(FindHypervisor(config, "/no/such").error().message.find("/no/such/qemu") !=
          std::string::npos);
}

TEST_CASE("our QEMU is found beside the program or its prefix, and is for emulation alone") {
    TempDirectory directory;
    for (const char* place : {"bin", "libexec/clear-containers", "bin/libexec/clear-containers"})
        REQUIRE(MakeDirectories(directory / place, 0700));
    const std::string program = directory / "bin/clear-containers";
    RuntimeConfig config;
    config.acceleration = Acceleration::kTcg;
    const auto found = [&] { return FindHypervisor(config, program).value_or(""); };
    for (const char* place : {"bin/../libexec", "bin/libexec"}) {  // worse one first
        const std::string own = directory / Cat(place, "/clear-containers/", kOwnQemuName);
        REQUIRE(WriteFileAtomic(own, "x", 0600));
        CHECK(found() != own);  // nobody may execute it
        REQUIRE(::chmod(own.c_str(), 0700) == 0);
        CHECK(found() == own);
    }
    config.acceleration = Acceleration::kKvm;
    CHECK_FALSE(found().ends_with(kOwnQemuName));
    config.acceleration = Acceleration::kTcg;
    config.hypervisor = "/bin/true";
    CHECK(found() == "/bin/true");
}

}  // namespace cc::runtime
