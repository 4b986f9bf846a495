// SPDX-License-Identifier: Apache-2.0
#include "vmm/preflight.h"

#include <sys/stat.h>
#include <unistd.h>

#include "protocol/vm_verbs.h"
#include "tests/unit/vmm/fixtures.h"

namespace cc {

namespace {

// A configuration in which nothing is wrong.
VmConfig GoodConfig(const test::TemporaryDirectory& directory) {
    VmConfig config;
    config.directory = directory.path();
    config.hypervisor = "/bin/true";
    config.kernel = directory.Write("vmlinux", "kernel");
    config.image = directory.Write("root.img", std::string(4096, '\0') + "NVDIMM_PFN_INFO");
    return config;
}

}  // namespace

TEST_CASE("a good configuration passes, and the image's size is known") {
    const test::TemporaryDirectory directory;
    const auto checked = CheckVmConfig(GoodConfig(directory));
    REQUIRE(checked);
    CHECK(checked->image_bytes == 4096 + 15);
    CHECK(checked->warning.empty());
    CHECK(CheckVmDirectory(directory.path()));
}

TEST_CASE("each file that is missing, empty or of another kind is named with what to do") {
    const test::TemporaryDirectory directory;
    struct Case {
        std::string VmConfig::*path;
        const char* what;
        const char* remedy;
    };
    for (const auto& [path, what, remedy] :
         {Case{&VmConfig::hypervisor, "hypervisor", "install qemu-system-x86"},
          Case{&VmConfig::kernel, "guest kernel", "set \"kernel\""},
          Case{&VmConfig::image, "root image", "set \"image\""},
          Case{&VmConfig::initrd, "initrd", "set \"initrd\""},
          Case{&VmConfig::firmware, "firmware", "set \"firmware\""}}) {
        const std::string fifo = directory / what;
        REQUIRE(::mkfifo(fifo.c_str(), 0600) == 0);
        for (const auto& bad : {std::string("/nonexistent/file"), directory.path(),
                                std::string("relative"), directory.Write("empty", ""), fifo}) {
            CAPTURE(bad);
            auto config = GoodConfig(directory);
            config.*path = bad;
            const auto message = test::ErrorOf(CheckVmConfig(config));
            CHECK(test::Contains(message, what));
            CHECK(test::Contains(message, bad));
            CHECK(test::Contains(message, remedy));
        }
    }
}

TEST_CASE("a hostile path does not reach the terminal as it is") {
    const test::TemporaryDirectory directory;
    auto config = GoodConfig(directory);
    config.kernel = "/\x1b[2J\n";
    const auto message = test::ErrorOf(CheckVmConfig(config));
    CHECK_FALSE(test::Contains(message, "\x1b"));
    CHECK_FALSE(test::Contains(message, "\n"));
}

TEST_CASE("a guest without a root is refused") {
    const test::TemporaryDirectory directory;
    auto config = GoodConfig(directory);
    config.image.clear();
    CHECK(test::Contains(test::ErrorOf(CheckVmConfig(config)), "\"image\" or \"initrd\""));
    config = GoodConfig(directory);
    config.machine = MachineType::kMicrovm;
    CHECK(test::Contains(test::ErrorOf(CheckVmConfig(config)), "microvm"));
    config.initrd = config.kernel;
    CHECK(CheckVmConfig(config));
}

TEST_CASE("an image without its header works, with a warning") {
    const test::TemporaryDirectory directory;
    auto config = GoodConfig(directory);
    config.image = directory.Write("plain", "erofs");
    const auto checked = CheckVmConfig(config);
    REQUIRE(checked);
    CHECK(test::Contains(checked->warning, "nd_pfn"));
}

TEST_CASE("a VM's directory that others can write to, or that is a link, is refused") {
    const test::TemporaryDirectory directory;
    CHECK_FALSE(CheckVmDirectory(directory / "absent"));
    CHECK_FALSE(CheckVmDirectory("relative"));
    REQUIRE(::symlink(directory.path().c_str(), (directory / "link").c_str()) == 0);
    CHECK(test::Contains(test::ErrorOf(CheckVmDirectory(directory / "link")), "not a directory"));
    REQUIRE(::chmod(directory.path().c_str(), 0777) == 0);
    CHECK(test::Contains(test::ErrorOf(CheckVmDirectory(directory.path())), "written by others"));
    REQUIRE(::chmod(directory.path().c_str(), 0700) == 0);
}

TEST_CASE("a configuration survives its encoding, and bad ones name the key") {
    VmConfig config;
    config.name = "a,\"b\"\n";
    config.directory = "/run/x";
    config.machine = MachineType::kQ35;
    config.acceleration = Acceleration::kTcg;
    config.kernel_params = "x=y";
    config.vcpus = 3;
    config.memory_mib = 512;
    config.hugepages = config.reclaim_freed_memory = config.debug = true;
    config.start_deadline_ms = 77;
    config.shared_fs = SharedFs::kVirtioFs;
    config.file_server = {"/v", "none", {"-o", "x"}};
    const auto back = ParseVmConfig(Encode(config));
    REQUIRE(back);
    CHECK(Encode(*back) == Encode(config));
    CHECK(back->file_server == config.file_server);
    for (const auto& [text, key] : {std::pair{"{\"vcpus\":0}", "vcpus"},
                                    {"{\"shared_fs\":\"nfs\"}", "nfs"},
                                    {"{\"file_server\":{\"cache\":\"x\"}}", "cache"},
                                    {"{\"file_server\":{\"arguments\":[1]}}", "argument"},
                                    {"{\"file_server\":1}", "file_server"},
                                    {"{\"memory_mib\":\"x\"}", "memory_mib"},
                                    {"{\"memory_mib\":99999999999999999999}", "memory_mib"},
                                    {"{\"machine\":\"isapc\"}", "isapc"},
                                    {"{\"acceleration\":\"hvf\"}", "hvf"},
                                    {"{\"kernel\":\"a\\u0000b\"}", "kernel"},
                                    {"{\"kernel\":[]}", "kernel"},
                                    {"[]", "not a JSON object"},
                                    {"", "JSON"}}) {
        CAPTURE(text);
        CHECK(test::Contains(test::ErrorOf(ParseVmConfig(text)), key));
    }
}

TEST_CASE("verbs survive their encoding, and paths that leave the share do not parse") {
    for (const auto verb :
         {VmVerb::kStatus, VmVerb::kConsole, VmVerb::kPause, VmVerb::kResume, VmVerb::kStop}) {
        const auto back = ParseVmRequest(Encode(VmRequest{.verb = verb, .path = {}}));
        REQUIRE(back);
        CHECK(back->verb == verb);
    }
    const auto good =
        ParseVmRequest(Encode(VmRequest{.verb = VmVerb::kShareAdd, .path = "web/..x/rootfs"}));
    REQUIRE(good);
    CHECK(good->path == "web/..x/rootfs");
    const std::string long_name(300, 'x'), cut("a\0b", 3);
    for (const auto& path : std::vector<std::string>{"", "/", "/etc", "..", "a/../b", "a//b", "a/",
                                                     ".", "a/.", long_name, cut}) {
        CAPTURE(path);
        CHECK_FALSE(ParseVmRequest(Encode(VmRequest{.verb = VmVerb::kShareAdd, .path = path})));
        CHECK_FALSE(ParseVmRequest(Encode(VmRequest{.verb = VmVerb::kShareRemove, .path = path})));
    }
    for (const auto* text :
         {"", "{}", "[]", "{\"verb\":1}", "{\"verb\":\"explode\"}", "{\"verb\":\"share_add\"}"})
        CHECK_FALSE(ParseVmRequest(text));
}

TEST_CASE("replies survive their encoding; the largest console fits its message") {
    VmReply reply;
    reply.status = {.keeper_pid = 1,
                    .vmm_pid = 2,
                    .paused = true,
                    .acceleration = "tcg",
                    .acceleration_reason = "r",
                    .vmm_start_ms = 3};
    auto back = ParseVmReply(Encode(reply, VmVerb::kStatus));
    REQUIRE(back);
    CHECK(back->status.vmm_pid == 2);
    CHECK(back->status.paused);
    CHECK(back->status.acceleration_reason == "r");
    reply.console = std::string(kConsoleTail, '\x01');
    const auto text = Encode(reply, VmVerb::kConsole);
    CHECK(text.size() < kMaxVmMessage);
    CHECK(ParseVmReply(text)->console == reply.console);
    reply.console = "\xff\xfe";
    CHECK(ParseVmReply(Encode(reply, VmVerb::kConsole)));
    CHECK(
        ParseVmReply(Encode({.error = "no", .status = {}, .console = {}}, VmVerb::kStop))->error ==
        "no");
    CHECK_FALSE(ParseVmReply("{}"));
    CHECK_FALSE(ParseVmReply("nonsense"));
}

}  // namespace cc
