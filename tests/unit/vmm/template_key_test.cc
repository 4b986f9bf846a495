// SPDX-License-Identifier: Apache-2.0
#include "host/template_key.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "tests/unit/vmm/fixtures.h"

namespace cc {

namespace {

struct Files {
    test::TemporaryDirectory directory;
    VmConfig config;
    Files() {
        config.hypervisor = directory.Write("qemu", "q");
        config.kernel = directory.Write("kernel", "k");
        config.image = directory.Write("image", "i");
    }
    std::string Key() const {
        const auto key = TemplateKey(config.hypervisor, config);
        REQUIRE(key);
        return *key;
    }
};

}  // namespace

TEST_CASE("a template's key does not depend on whose VM it is, and on everything else") {
    Files files;
    const std::string key = files.Key();
    files.config.name = "web";
    files.config.directory = "/run/x";
    files.config.origin = VmOrigin::kPooled;
    CHECK(files.Key() == key);

    const auto differs = [&](const auto& change) {
        Files other;
        other.config = files.config;
        change(other.config);
        return other.Key() != key;
    };
    CHECK(differs([](VmConfig& config) { config.memory_mib += 1; }));
    CHECK(differs([](VmConfig& config) { config.vcpus += 1; }));
    CHECK(differs([](VmConfig& config) { config.machine = MachineType::kQ35; }));
    CHECK(differs([](VmConfig& config) { config.acceleration = Acceleration::kTcg; }));
    CHECK(differs([](VmConfig& config) { config.kernel_params = "quiet"; }));
    CHECK(differs([](VmConfig& config) { config.machine_accelerators = "hpet=off"; }));
    CHECK(differs([](VmConfig& config) { config.debug = true; }));
    CHECK(differs([](VmConfig& config) { config.initrd = config.image; }));
}

TEST_CASE("a file that was replaced, changed or restored with its old times makes another key") {
    Files files;
    const std::string key = files.Key();
    SUBCASE("replaced by the same content") {
        files.directory.Write("kernel", "k");
    }
    SUBCASE("changed in place") {
        const Fd kernel = OpenFile(files.config.kernel, O_WRONLY).value();
        REQUIRE(WriteAll(kernel.get(), "K"));
    }
    SUBCASE("changed in place, and its old time put back") {
        struct stat before {};
        REQUIRE(::stat(files.config.image.c_str(), &before) == 0);
        const Fd image = OpenFile(files.config.image, O_WRONLY).value();
        REQUIRE(WriteAll(image.get(), "I"));
        const timespec times[] = {before.st_atim, before.st_mtim};
        REQUIRE(::futimens(image.get(), times) == 0);
    }
    CHECK(files.Key() != key);
}

TEST_CASE("a missing file is an error that names it") {
    Files files;
    files.config.kernel = "/nowhere/kernel";
    CHECK(test::Contains(test::ErrorOf(TemplateKey(files.config.hypervisor, files.config)),
                         "/nowhere/kernel"));
}

TEST_CASE("a VM whose memory shall be its own from the start is not cloned") {
    VmConfig config;
    CHECK(CanBeCloned(config));
    config.hugepages = true;
    CHECK_FALSE(CanBeCloned(config));
    config.hugepages = false;
    config.mem_prealloc = true;
    CHECK_FALSE(CanBeCloned(config));
}

TEST_CASE(
    "a machine whose share is served by another program is cloned where that can be plugged in") {
    VmConfig config;
    config.shared_fs = SharedFs::kVirtioFs;
    CHECK(CanBeCloned(config));
    config.machine = MachineType::kMicrovm;
    CHECK_FALSE(CanBeCloned(config));
}

}  // namespace cc
