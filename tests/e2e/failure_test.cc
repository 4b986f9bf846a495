// SPDX-License-Identifier: Apache-2.0
// Bad input: one clear line, exit status 1, and nothing left.
#include <csignal>
#include <filesystem>

#include <doctest/doctest.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "tests/e2e/host.h"

namespace cc::test {

namespace {

void CheckOneClearLine(const Finished& run, const std::vector<std::string>& parts) {
    CHECK(run.status == 1);
    CHECK_MESSAGE(Split(std::string(Trim(run.err)), '\n').size() == 1, run.err);
    for (const auto& part : parts)
        CHECK_MESSAGE(run.err.find(part) != std::string::npos, run.err);
}

void WriteConfig(const std::string& bundle, const std::string& text) {
    REQUIRE(WriteFileAtomic(bundle + "/config.json", text, 0644));
}

// A process that is no longer seen may be closing its files.
bool Unmount(const std::string& path) {
    for (int i = 0; i < 500; ++i) {
        if (::umount(path.c_str()) == 0) return true;
        ::usleep(10000);
    }
    return false;
}

}  // namespace

TEST_CASE("a missing bundle, a broken configuration and a missing root are one clear line each") {
    Host host;
    CheckOneClearLine(host.Runtime({"run", "--bundle", "/no/such/bundle", "c1"}),
                      {"/no/such/bundle", "No such file"});
    const std::string bundle = host.Bundle("b", {"true"});
    std::string deep;
    for (int i = 0; i < 100000; ++i)
        deep += "[";
    const std::string good = ReadFile(bundle + "/config.json", 1 << 20).value();
    for (const std::string& text :
         {std::string(), std::string("{"), deep, std::string("[]"), std::string("null"),
          std::string(64 << 20, ' '), std::string("{\"ociVersion\":7}"),
          std::string("{\"ociVersion\":\"1.0.2\",\"process\":[]}")}) {
        WriteConfig(bundle, text);
        CheckOneClearLine(host.Runtime({"run", "--bundle", bundle, "c1"}), {"config.json"});
    }
    Json config = Json::parse(good);
    config["root"]["path"] = "/no/such/root";
    WriteConfig(bundle, DumpJson(config));
    CheckOneClearLine(host.Runtime({"run", "--bundle", bundle, "c1"}), {"/no/such/root"});
    host.CheckNoResidue();
}

TEST_CASE("hostile and duplicate ids are refused") {
    Host host;
    const std::string bundle = host.Bundle("b", {"sleep", "1000"});
    for (const std::string& id :
         {std::string("../x"), std::string("a/b"), std::string(".."), std::string("."),
          std::string("a b"), std::string(1025, 'x'), std::string("\n")})
        CheckOneClearLine(host.Runtime({"run", "--bundle", bundle, id}), {"id"});
    host.Start("c1", {"sleep", "1000"});
    CheckOneClearLine(host.Runtime({"run", "--bundle", bundle, "c1"}), {"exists"});
    CHECK(host.State("c1")["status"] == "running");
    CHECK(host.Runtime({"delete", "--force", "c1"}).status == 0);
}

TEST_CASE("a missing kernel, image or hypervisor is one clear line that names the file") {
    for (const char* key : {"kernel", "image", "path"}) {
        CAPTURE(key);
        Host host(Cat(key, " = \"/no/such/", key, "\""));
        CheckOneClearLine(host.Run("c1", {"true"}), {Cat("/no/such/", key)});
        host.CheckNoResidue();
    }
}

TEST_CASE("a guest that panics is one clear line with the last of its console") {
    // Neither an initial RAM disk to go on with nor a root file system, whichever kernel it is.
    Host host("kernel_params = \"rdinit=/no/such/init root=/dev/no-such-device\"");
    const Finished run = host.Run("c1", {"true"});
    CheckOneClearLine(run, {"panic", "root"});
    host.CheckNoResidue();
}

TEST_CASE("a machine that never answers is given up after the boot timeout") {
    // Without the root device the kernel waits for it for ever.
    Host host("kernel_params = \"rdinit=/no/such/init root=/dev/no-such-device rootwait\"",
              "boot_timeout = 8");
    const Finished run = host.Run("c1", {"true"});
    CheckOneClearLine(run, {"8 s"});
    host.CheckNoResidue();
}

TEST_CASE("a failure after any step of create leaves nothing behind") {
    Host host;
    const Finished steps = host.Runtime({"create", "--list-steps"});
    REQUIRE_MESSAGE(steps.status == 0, steps.err);
    const auto names = Split(std::string(Trim(steps.out)), '\n');
    REQUIRE(names.size() >= 6);
    const std::string tag = host.directory().substr(host.directory().rfind('/') + 1);
    const std::string bundle = host.Bundle("b", {"true"}, [&](Json& config) {
        config["linux"]["cgroupsPath"] = "/" + tag + "/inner";
    });
    for (const auto& name : names) {
        CAPTURE(name);
        CheckOneClearLine(host.Runtime({"run", "--fail-after", name, "--bundle", bundle, "c1"}),
                          {name});
        host.CheckNoResidue();
    }
}

TEST_CASE("a full disk under the run directory and the state root is one clear line") {
    Host host;
    const std::string bundle = host.Bundle("b", {"true"});
    for (const std::string& path : {host.run_directory(), host.root()}) {
        CAPTURE(path);
        REQUIRE(MakeDirectories(path, 0755));
        REQUIRE(::mount("tmpfs", path.c_str(), "tmpfs", 0, "size=16k,nr_inodes=64,mode=755") == 0);
        REQUIRE(WriteFileAtomic(path + "/fill", std::string(4096, 'x'), 0644));
        (void)WriteFileAtomic(path + "/fill2", std::string(4096 * 3, 'x'), 0644);
        for (int i = 0; i < 8; ++i)
            (void)WriteFileAtomic(Cat(path, "/more", i), std::string(4096, 'x'), 0644);
        const Finished run = host.Runtime({"run", "--bundle", bundle, "c1"});
        // Where only the log is in want of space the container may well run.
        if (run.status != 0) CheckOneClearLine(run, {"No space left"});
        host.Kill("cc-proxy", SIGTERM);
        for (int i = 0; i < 100 && host.PidOf("cc-proxy") > 0; ++i)
            ::usleep(50000);
        CHECK(Unmount(path));
    }
    host.CheckNoResidue();
}

TEST_CASE("a disk that is full at start is one clear error, a stopped container and no residue") {
    Host host;
    REQUIRE(MakeDirectories(host.root(), 0755));
    REQUIRE(::mount("tmpfs", host.root().c_str(), "tmpfs", 0, "size=256k,mode=755") == 0);
    const std::string bundle = host.Bundle("b", {"sleep", "1000"});
    const Finished create =
        RunProgram("/bin/sh",
                   {"sh", "-c",
                    Cat("exec ", CC_BIN_DIR, "/",
                        Join(host.RuntimeArguments({"create", "--bundle", bundle, "c1"}), " "),
                        " </dev/null >/dev/null 2>", host.directory(), "/err")},
                   "", host.Environment());
    CHECK_MESSAGE(create.status == 0, ReadFile(host.directory() + "/err", 10000).value());
    std::string fill(1 << 20, 'x');
    for (; !fill.empty(); fill.resize(fill.size() / 2))
        (void)WriteFileAtomic(Cat(host.root(), "/fill", fill.size()), fill, 0600);
    CheckOneClearLine(host.Runtime({"start", "c1"}), {"No space left"});
    CHECK(host.WaitStatus("c1", "stopped"));
    CHECK(host.Runtime({"list"}).status == 0);
    const Finished removed = host.Runtime({"delete", "c1"});
    CHECK_MESSAGE(removed.status == 0, removed.err);
    CHECK(Unmount(host.root()));
    host.CheckNoResidue();
}

}  // namespace cc::test
