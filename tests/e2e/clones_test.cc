// SPDX-License-Identifier: Apache-2.0
// VMs that come of a template: they are as good as booted ones, and nobody's twin.
#include <csignal>
#include <ctime>
#include <set>
#include <thread>

#include <doctest/doctest.h>
#include <unistd.h>

#include "base/file.h"
#include "tests/e2e/templates.h"

namespace cc::test {

namespace {

// What must differ from clone to clone, a line each, and the guest's time.
const std::vector<std::string> kSecrets{
    "sh", "-c",
    "head -c 16 /dev/urandom | hexdump -e '16/1 \"%02x\"'; echo; cat /proc/sys/kernel/random/uuid; "
    "cat /proc/sys/kernel/random/boot_id; sequence-number; date +%s"};

void CheckUnique(const std::vector<std::string>& outputs) {
    for (size_t line = 0; line < 3; ++line) {
        std::set<std::string> seen;
        for (const auto& output : outputs) {
            const auto lines = Split(output, '\n');
            REQUIRE(lines.size() >= 5);
            CHECK(lines[line].size() >= 32);
            CHECK_MESSAGE(seen.insert(lines[line]).second, "twice the same: ", lines[line]);
        }
    }
    // How far the first sequence number of a connection is from what the clock makes of it: the
    // same where the kernel's secret is the same.
    std::vector<uint32_t> secrets;
    for (const auto& output : outputs)
        secrets.push_back(ParseNumber<uint32_t>(Split(output, '\n')[3]).value());
    constexpr uint32_t kClose = 50'000'000;  // 3 s of that clock; by chance once in 43
    int close = 0, pairs = 0;
    for (size_t i = 0; i < secrets.size(); ++i)
        for (size_t j = 0; j < i; ++j, ++pairs) {
            const uint32_t apart = secrets[i] - secrets[j];
            close += std::min(apart, 0U - apart) < kClose ? 1 : 0;
        }
    CHECK(close < pairs);
}

Finished RunSecrets(Host& host, const std::string& id) {
    std::error_code ignored;
    if (!Exists(host.rootfs() + "/bin/sequence-number"))
        REQUIRE(RunProgram("/bin/cp",
                           {"cp", CC_SEQUENCE_NUMBER, host.rootfs() + "/bin/sequence-number"})
                    .status == 0);
    return host.Run(id, kSecrets, "", [](Json& config) {
        for (const char* set : {"bounding", "effective", "permitted"})
            config["process"]["capabilities"][set].push_back("CAP_NET_RAW");
    });
}

}  // namespace

TEST_CASE("clones differ in all that is random, and their clocks are right") {
    Host host = Host::WithTemplates(kNoPool);
    std::vector<std::string> outputs;
    for (int i = 0; i < 3; ++i) {
        const Finished run = RunSecrets(host, "c1");
        REQUIRE_MESSAGE(run.status == 0, run.err);
        outputs.push_back(run.out);
        const auto guest = ParseNumber<int64_t>(Split(run.out, '\n')[4]);
        REQUIRE(guest);
        CHECK(std::abs(*guest - static_cast<int64_t>(::time(nullptr))) <= 10);
    }
    CheckUnique(outputs);
    CHECK(Template(host)["clones"] == 3);
}

TEST_CASE("so do those of a pool, which is filled again") {
    Host host = Host::WithTemplates("vm_cache_number = 1");
    std::vector<std::string> outputs;
    REQUIRE(host.Runtime({"template", "build"}).status == 0);
    for (int i = 0; i < 3; ++i) {
        REQUIRE(WaitPool(host, 1));
        const Finished run = RunSecrets(host, "c1");
        REQUIRE_MESSAGE(run.status == 0, run.err);
        outputs.push_back(run.out);
    }
    CheckUnique(outputs);
    CHECK(Template(host)["clones"] == 3);
}

TEST_CASE("a container with a higher memory limit gets a clone that has grown") {
    Host host = Host::WithTemplates("vm_cache_number = 1");
    REQUIRE(host.Runtime({"template", "build"}).status == 0);
    REQUIRE(WaitPool(host, 1));
    const auto limit = [](Json& config) {
        config["linux"]["resources"] = {{"memory", {{"limit", 512 << 20}}}};
    };
    // Of the pool, and one that is not.
    for (int64_t clones : {1, 2}) {
        const Finished run =
            host.Run("c1",
                     {"sh", "-c",
                      "grep MemTotal /proc/meminfo; cat /proc/sys/kernel/threads-max; ulimit -u"},
                     "", limit);
        REQUIRE_MESSAGE(run.status == 0, run.err);
        const auto lines = Split(Trim(run.out), '\n');
        REQUIRE(lines.size() == 3);
        const auto words = Split(lines[0], ' ');
        REQUIRE(words.size() > 2);
        CHECK(ParseNumber<int64_t>(words[words.size() - 2]).value() > 512 << 10);
        CHECK(ParseNumber<int64_t>(lines[1]).value() > 4000);
        CHECK(Template(host)["clones"] == clones);
    }
}

TEST_CASE("clones take the code that their template has translated, and share its pages") {
    const std::string own = CC_SHARE_DIR "/../../libexec/clear-containers/cc-qemu";
    if (!Exists(own)) return Skip("shared translations: our QEMU is not built (make qemu)");
    Host host = Host::WithTemplates(kNoPool, Cat("path = \"", own, "\""));
    host.Start("c1", {"sleep", "1000"});
    REQUIRE(host.WaitStatus("c1", "running"));
    CHECK(Template(host)["clones"] == 1);
    int64_t kib[2] = {};  // generated code of the template in use here, and of its own
    int which = -1;
    for (const auto& line :
         Split(ReadFile(Cat("/proc/", host.PidOf(kVmm), "/smaps"), 1 << 20).value(), '\n')) {
        if (line.find('-') != std::string::npos && line.find(" 00:") != std::string::npos)
            which = Has(line, " r-xp ") && Has(line, "cc-template-translations") ? 0
                    : Has(line, " rwxp ")                                        ? 1
                                                                                 : -1;
        if (which >= 0 && line.starts_with("Rss:"))
            kib[which] += ParseNumber<int64_t>(Trim(line.substr(4, line.size() - 7))).value_or(0);
    }
    CAPTURE(kib[0]);
    CAPTURE(kib[1]);
    CHECK(kib[0] > 3 * kib[1]);
    CHECK(kib[1] > 0);
    // Programs of its own, and code that changes, are translated as ever.
    const Finished exec = host.Runtime(
        {"exec", "c1", "sh", "-c",
         "for i in 1 2 3; do cp /bin/busybox /tmp/busybox$i && /tmp/busybox$i echo $i; done"});
    CHECK_MESSAGE(exec.out == "1\n2\n3\n", exec.err);
    CHECK(host.Runtime({"delete", "--force", "c1"}).status == 0);
}

TEST_CASE("the kernel of a clone knows that it has been cloned") {
    for (const char* machine : {"pc", "q35"}) {
        CAPTURE(machine);
        Host host = Host::WithTemplates(kNoPool, Cat("machine_type = \"", machine, "\""));
        const Finished run = host.Run("c1", {"dmesg"}, "", [](Json& config) {
            for (const char* set : {"bounding", "effective", "permitted"})
                config["process"]["capabilities"][set].push_back("CAP_SYSLOG");
        });
        CHECK_MESSAGE(run.status == 0, run.err);
        CHECK(run.out.find("crng reseeded due to virtual machine fork") != std::string::npos);
        CHECK(Template(host)["clones"] == 1);
    }
}

TEST_CASE("a container that may use more processors gets a clone with more of them") {
    Host host = Host::WithTemplates("vm_cache_number = 1");
    if (::sysconf(_SC_NPROCESSORS_ONLN) < 2) return Skip("this host has one processor");
    REQUIRE(host.Runtime({"template", "build"}).status == 0);
    REQUIRE(WaitPool(host, 1));
    // A clone of the pool, and one that is not.
    const Json limits[] = {{{"quota", 150000}, {"period", 100000}}, {{"cpus", "0-1"}}};
    for (int64_t clones : {1, 2}) {
        const Finished run = host.Run(
            "c1", {"grep", "-c", "^processor", "/proc/cpuinfo"}, "",
            [&](Json& config) { config["linux"]["resources"]["cpu"] = limits[clones - 1]; });
        CHECK_MESSAGE(run.status == 0, run.err);
        CHECK(run.out == "2\n");
        CHECK(Template(host)["clones"] == clones);
    }
}

TEST_CASE("update makes the VM of a container that runs larger") {
    Host host = Host::WithTemplates(kNoPool);
    host.Start("c1", {"sleep", "1000"});
    const auto guest = [&](const std::string& command) {
        const Finished said = host.Runtime({"exec", "c1", "sh", "-c", command});
        REQUIRE_MESSAGE(said.status == 0, said.err);
        return ParseNumber<int64_t>(Trim(said.out)).value_or(0);
    };
    const std::string memory = "awk '/MemTotal/ {print $2}' /proc/meminfo";
    const std::string processors = "grep -c ^processor /proc/cpuinfo";
    CHECK(guest(memory) < 200 << 10);
    CHECK(guest(processors) == 1);
    const Finished update = host.Runtime({"update", "--memory", "256m", "--memory-swap", "256m",
                                          "--cpu-quota", "200000", "--cpu-period", "100000", "c1"});
    REQUIRE_MESSAGE(update.status == 0, update.err);
    // The guest's kernel takes both into use in its own time.
    const bool two = ::sysconf(_SC_NPROCESSORS_ONLN) > 1;
    bool larger = false;
    for (int i = 0; i < 300 && !larger; ++i) {
        std::this_thread::sleep_for(std::chrono::milliseconds(100));
        larger = guest(memory) > 256 << 10 && (!two || guest(processors) == 2);
    }
    CHECK(larger);
    // What is there already is not plugged in twice, and nothing shrinks.
    CHECK(host.Runtime({"update", "--memory", "64m", "--memory-swap", "64m", "c1"}).status == 0);
    CHECK(guest(memory) > 256 << 10);
    const Finished much = host.Runtime({"update", "--memory", "8g", "--memory-swap", "8g", "c1"});
    CHECK(much.status == 1);
    CHECK_MESSAGE(much.err.find("raise the limit in steps") != std::string::npos, much.err);
    CHECK(host.Runtime({"delete", "--force", "c1"}).status == 0);
}

TEST_CASE("a container outlives the template and the pool that it came of") {
    Host host = Host::WithTemplates("vm_cache_number = 1");
    REQUIRE(host.Runtime({"template", "build"}).status == 0);
    REQUIRE(WaitPool(host, 1));
    host.Start("c1", {"sleep", "1000"});
    REQUIRE(host.Runtime({"template", "rm", "--all"}).status == 0);
    CHECK(Template(host).is_null());
    CHECK(host.State("c1")["status"] == "running");
    const Finished exec = host.Runtime({"exec", "c1", "echo", "still here"});
    CHECK_MESSAGE(exec.out == "still here\n", exec.err);
    CHECK(host.Runtime({"delete", "--force", "c1"}).status == 0);
}

TEST_CASE("the keeper of a template is killed: the next container has another made") {
    Host host = Host::WithTemplates(kNoPool);
    CHECK(host.Run("c1", {"true"}).status == 0);
    const auto first = Template(host)["pid"].get<pid_t>();
    REQUIRE(::kill(first, SIGKILL) == 0);
    CHECK(host.Run("c1", {"true"}).status == 0);
    const Json second = Template(host);
    CHECK(second["pid"].get<pid_t>() != first);
    CHECK(second["clones"] == 1);
}

TEST_CASE("a template's keeper is killed while a container waits for it: another makes it") {
    Host host = Host::WithTemplates(kNoPool);
    Finished run;
    std::thread waits([&] { run = host.Run("c1", {"echo", "up"}); });
    bool killed = false;
    for (int i = 0; i < 1000 && !killed; ++i) {
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
        if (host.PidOf(kVmm) == 0) continue;
        const Json one = Template(host);
        killed = one.is_object() && one.value("state", "") == "building" &&
                 ::kill(one.at("pid").get<pid_t>(), SIGKILL) == 0;
    }
    waits.join();
    CHECK(killed);
    CHECK_MESSAGE(run.status == 0, run.err);
    CHECK(run.out == "up\n");
    CHECK_MESSAGE(Template(host).value("clones", int64_t{0}) == 1, run.err);
}

TEST_CASE("eight at once, with a template that is yet to be made") {
    Host host = Host::WithTemplates("vm_cache_number = 2");
    std::vector<std::thread> threads;
    std::vector<Finished> runs(8);
    for (size_t i = 0; i < runs.size(); ++i)
        host.Bundle(Cat("c", i), {"echo", Cat("container ", i)});
    for (size_t i = 0; i < runs.size(); ++i)
        threads.emplace_back([&, i] {
            const std::string id = Cat("c", i);
            runs[i] = host.Runtime({"run", "--bundle", host.directory() + "/bundles/" + id, id});
        });
    for (auto& thread : threads)
        thread.join();
    for (size_t i = 0; i < runs.size(); ++i) {
        CHECK_MESSAGE(runs[i].status == 0, runs[i].err);
        CHECK(runs[i].out == Cat("container ", i, "\n"));
    }
    CHECK(Template(host)["clones"] == 8);
}

TEST_CASE("clones of every machine type run containers") {
    for (const char* machine : {"q35", "microvm"}) {
        CAPTURE(machine);
        if (std::string_view(machine) == "microvm" && !Exists(CC_SHARE_DIR "/vmlinux.container")) {
            Skip("clones on microvm: Debian's prebuilt kernel does not boot there (make kernel)");
            continue;
        }
        Host host = Host::WithTemplates(kNoPool, Cat("machine_type = \"", machine, "\""));
        for (int i = 0; i < 2; ++i) {
            const Finished run = host.Run("c1", {"echo", "here"});
            CHECK_MESSAGE(run.out == "here\n", run.err);
        }
        CHECK(Template(host)["machine"] == machine);
        CHECK(Template(host)["clones"] == 2);
    }
}

TEST_CASE("clones of a machine without a root image, whose console is a module") {
    if (!Exists(CC_SHARE_DIR "/vmlinux.debian"))
        return Skip("clones without a root image: there is no prebuilt kernel (make image)");
    Host host = Host::WithTemplates(kNoPool, "kernel = \"" CC_SHARE_DIR
                                             "/vmlinux.debian\"\nimage = \"\"\ninitrd = "
                                             "\"" CC_SHARE_DIR "/initrd.debian\"");
    const Finished run = host.Run("c1", {"echo", "here"});
    CHECK_MESSAGE(run.out == "here\n", run.err);
    CHECK(Template(host)["clones"] == 1);
}

}  // namespace cc::test
