// SPDX-License-Identifier: Apache-2.0
// What others do to templates, with real machines: always a container that starts or one clear
// error, never a wrong or stale guest, and nothing stays behind (the host's destructor looks).
#include <csignal>
#include <filesystem>
#include <thread>

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "tests/e2e/templates.h"

namespace cc::test {

namespace fs = std::filesystem;

namespace {

constexpr const char* kPool = "vm_cache_number = 1";
// In the usual 128 MiB Debian's kernel now and then panics while it unpacks its initramfs ("System
// is deadlocked on memory"), with templates and without.
constexpr const char* kSteady = "default_memory = 256";
// For what happens to a template while it is made: the tuned kernel is up within a second, and so
// waits for two more.
constexpr const char* kUnhurried = "default_memory = 256\nkernel_params = \"rootdelay=2\"";

void CheckRuns(Host& host, const std::string& id = "c1") {
    const Finished run = host.Run(id, {"echo", "it runs"});
    CHECK_MESSAGE(run.status == 0, run.err);
    CHECK(run.out == "it runs\n");
}

int64_t Number(Host& host, const char* member) {
    const Json one = Template(host);
    CAPTURE(DumpJson(one));
    const int64_t number = one.is_object() ? one.value(member, int64_t{-1}) : -1;
    CHECK(number >= 0);
    return number;
}

// Returns the pid of its keeper.
pid_t Build(Host& host, int64_t pool = 0) {
    const Finished built = host.Runtime({"template", "build"});
    REQUIRE_MESSAGE(built.status == 0, built.err);
    if (pool > 0) REQUIRE(WaitPool(host, pool));
    return static_cast<pid_t>(Number(host, "pid"));
}

// A container starts while the template is made that it waits for, and `meanwhile` happens.
void RunMeanwhile(Host& host,
                  const std::function<void(pid_t keeper, TemplateVm builder)>& meanwhile) {
    Finished run;
    std::thread waits([&] { run = host.Run("c1", {"echo", "it runs"}); });
    const pid_t keeper = WaitBuilding(host);
    const TemplateVm builder = WaitVmOf(host, keeper);
    meanwhile(keeper, builder);
    waits.join();
    CHECK_MESSAGE(run.status == 0, run.err);
    CHECK(run.out == "it runs\n");
}

// What the guest of the template that is made has as its memory.
Fd OpenMemory(pid_t keeper) {
    std::error_code ignored;
    for (const auto& file : fs::directory_iterator(Cat("/proc/", keeper, "/fd"), ignored))
        if (fs::read_symlink(file.path(), ignored)
                .string()
                .starts_with("/memfd:cc-template-memory"))
            return OpenFile(file.path().string(), O_RDWR).value_or(Fd());
    return {};
}

bool KillIt(pid_t pid, int signal) {
    return pid > 0 && ::kill(pid, signal) == 0;
}

// A small file system; unmounted while somebody may still be in it.
class SmallTmpfs {
  public:
    SmallTmpfs(std::string path, const char* options) : path_(std::move(path)) {
        fs::create_directories(path_);
        REQUIRE(::mount("tmpfs", path_.c_str(), "tmpfs", 0, options) == 0);
    }
    ~SmallTmpfs() { Leave(); }
    void Fill() const {
        const Fd file = OpenFile(path_ + "/filling", O_WRONLY | O_CREAT, 0600).value();
        const std::string bytes(4096, 'x');
        while (WriteAll(file.get(), bytes)) {
        }
    }
    void Leave() {
        if (!path_.empty()) CHECK(::umount2(path_.c_str(), MNT_DETACH) == 0);
        path_.clear();
    }

  private:
    std::string path_;
};

// A copy of the guest's kernel that may be replaced.
std::string CopyKernel(const std::string& directory) {
    for (const char* name : {"vmlinux.container", "vmlinux.debian"}) {
        const fs::path kernel = fs::path(CC_SHARE_DIR) / name;
        std::error_code ignored;
        if (!fs::exists(kernel, ignored)) continue;
        // Which kernel it is goes by the name.
        const std::string copy = Cat(directory, "/", name);
        fs::copy_file(kernel, copy);
        return copy;
    }
    return "";
}

// An older file of the same size takes its place, as a package that is downgraded does it.
void ReplaceByOlder(const std::string& kernel) {
    const std::string other = kernel + ".older";
    fs::copy_file(kernel, other);
    const timespec times[] = {{1'000'000'000, 0}, {1'000'000'000, 0}};
    REQUIRE(::utimensat(AT_FDCWD, other.c_str(), times, 0) == 0);
    fs::rename(other, kernel);
}

}  // namespace

TEST_CASE("template faults: its directory is removed, and its keeper and pool end by themselves") {
    Host host = Host::WithTemplates(kPool, kSteady);
    const pid_t keeper = Build(host, 1);
    const TemplateVm pooled = WaitVmOf(host, keeper);
    fs::remove_all(host.template_path());
    CHECK(Ends(keeper));
    CHECK(Ends(pooled.keeper));
    CHECK(Ends(pooled.vmm));
    CheckRuns(host);
    CHECK(Number(host, "clones") == 1);
}

TEST_CASE("template faults: killed keeper, and a directory where its socket was") {
    Host host = Host::WithTemplates(kNoPool, kSteady);
    const pid_t keeper = Build(host);
    const std::string socket =
        Cat(host.template_path(), "/", Template(host)["name"].get<std::string>(), "/template.sock");
    REQUIRE(KillIt(keeper, SIGKILL));
    CHECK(Ends(keeper));
    fs::remove(socket);
    fs::create_directories(socket + "/deeper");
    CheckRuns(host);
    CHECK(Number(host, "clones") == 1);
}

TEST_CASE("template faults: VMs of the pool that are killed or stop do not cost the template") {
    Host host = Host::WithTemplates(kPool, kSteady);
    const pid_t keeper = Build(host, 1);
    struct Fault {
        const char* what;
        pid_t TemplateVm::*whom;
        int signal;
    };
    int64_t clones = 0;
    for (const auto& [what, whom, signal] :
         {Fault{"VMM killed", &TemplateVm::vmm, SIGKILL},
          Fault{"keeper killed", &TemplateVm::keeper, SIGKILL},
          Fault{"VMM stopped", &TemplateVm::vmm, SIGSTOP},
          Fault{"keeper stopped", &TemplateVm::keeper, SIGSTOP}}) {
        CAPTURE(what);
        REQUIRE(WaitPool(host, 1));
        const TemplateVm pooled = WaitVmOf(host, keeper);
        REQUIRE(KillIt(pooled.*whom, signal));
        CheckRuns(host);
        CHECK(Ends(pooled.keeper));
        CHECK(Ends(pooled.vmm));
        CHECK(Number(host, "pid") == keeper);
        CHECK(Number(host, "clones") == ++clones);
    }
}

TEST_CASE("template faults: the VM that becomes the template is killed, and made once more") {
    Host host = Host::WithTemplates(kNoPool, kUnhurried);
    pid_t made_by = 0;
    RunMeanwhile(host, [&](pid_t keeper, TemplateVm builder) {
        made_by = keeper;
        CHECK(KillIt(builder.vmm, SIGKILL));
    });
    CHECK(Number(host, "pid") == made_by);
    CHECK(Number(host, "clones") == 1);
}

// As the mappings of a process that ends do for as long as somebody reads its smaps.
TEST_CASE("template faults: its memory can be written for a while after its VM has ended") {
    Host host = Host::WithTemplates(kNoPool, kUnhurried);
    RunMeanwhile(host, [&](pid_t keeper, const TemplateVm& builder) {
        const Fd memory = OpenMemory(keeper);
        void* writer = ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, memory.get(), 0);
        CHECK(writer != MAP_FAILED);
        CHECK(Ends(builder.keeper));
        std::this_thread::sleep_for(std::chrono::milliseconds(500));
        CHECK(Template(host)["state"] == "building");
        ::munmap(writer, 4096);
    });
    CHECK(Number(host, "clones") == 1);
}

TEST_CASE("template faults: who waits for a template can be interrupted") {
    Host host = Host::WithTemplates(kNoPool, kUnhurried);
    Finished run;
    std::thread waits([&] { run = host.Run("c1", {"echo", "it runs"}); });
    const TemplateVm builder = WaitVmOf(host, WaitBuilding(host));
    CHECK(KillIt(builder.vmm, SIGSTOP));
    CHECK(host.Kill("cc-runtime", SIGTERM));
    waits.join();
    // The template hangs as before: it is not what has ended the wait.
    CHECK(KillIt(builder.vmm, 0));
    CHECK(run.status != 0);
    CHECK_MESSAGE(run.err.find("interrupted by signal 15") != std::string::npos, run.err);
    CHECK(KillIt(builder.vmm, SIGCONT));
    CheckRuns(host);
    CHECK(Number(host, "clones") >= 1);
}

TEST_CASE("template faults: everything is killed while the template is made") {
    Host host = Host::WithTemplates(kNoPool, kUnhurried);
    RunMeanwhile(host, [&](pid_t keeper, TemplateVm builder) {
        for (const pid_t pid : {keeper, builder.keeper, builder.vmm})
            KillIt(pid, SIGKILL);
    });
    // Killed at its very start the container may have booted; the next one has the template made.
    CheckRuns(host);
    CHECK(Number(host, "clones") >= 1);
}

TEST_CASE("template faults: its directory is removed while it is made") {
    Host host = Host::WithTemplates(kNoPool, kUnhurried);
    pid_t first = 0;
    RunMeanwhile(host, [&](pid_t keeper, TemplateVm) {
        first = keeper;
        fs::remove_all(host.template_path());
    });
    CHECK(Ends(first));
}

TEST_CASE("template faults: an older kernel is put in place, under a template and one being made") {
    char name[] = "/tmp/cc-e2e-kernel.XXXXXX";
    const std::string directory = ::mkdtemp(name);
    const std::string kernel = CopyKernel(directory);
    if (kernel.empty()) {
        Skip("an older kernel is put in place: there is no guest kernel below " CC_SHARE_DIR);
        fs::remove_all(directory);
        return;
    }
    {
        Host host = Host::WithTemplates(kNoPool, Cat(kUnhurried, "\nkernel = \"", kernel, "\""));
        pid_t first = 0;
        RunMeanwhile(host, [&](pid_t keeper, TemplateVm) {
            first = keeper;
            ReplaceByOlder(kernel);
        });
        CHECK(Ends(first));
        const auto second = static_cast<pid_t>(Number(host, "pid"));
        CHECK(second != first);
        ReplaceByOlder(kernel);
        CHECK(Ends(second));
        CheckRuns(host);
        CHECK(Number(host, "pid") != second);
    }
    fs::remove_all(directory);
}

TEST_CASE("template faults: no room for templates, and their file system is unmounted") {
    Host host = Host::WithTemplates(kNoPool, kSteady);
    pid_t keeper = 0;
    {
        SmallTmpfs full(host.template_path(), "size=16k");
        full.Fill();
        CheckRuns(host);
        keeper = static_cast<pid_t>(Number(host, "pid"));
    }
    CHECK(Ends(keeper));
    // Not even room for a directory: the VM boots.
    SmallTmpfs none(host.template_path(), "nr_inodes=1");
    CheckRuns(host);
    CHECK(Template(host).is_null());
}

TEST_CASE("template faults: no room for a virtual machine is one error, and the template stays") {
    Host host = Host::WithTemplates(kNoPool, kSteady);
    const pid_t keeper = Build(host);
    {
        SmallTmpfs none(host.run_directory() + "/vm", "nr_inodes=2");
        const Finished run = host.Run("c1", {"true"});
        CHECK(run.status != 0);
        CHECK_MESSAGE(run.err.find("No space left on device") != std::string::npos, run.err);
    }
    CheckRuns(host);
    CHECK(Number(host, "pid") == keeper);
}

TEST_CASE("template faults: a keeper that is stopped does not stop containers") {
    Host host = Host::WithTemplates(kNoPool, kSteady);
    const pid_t keeper = Build(host);
    REQUIRE(KillIt(keeper, SIGSTOP));
    CheckRuns(host);
    REQUIRE(KillIt(keeper, SIGCONT));
    CheckRuns(host);
    CHECK(Number(host, "pid") == keeper);
}

TEST_CASE("template faults: a clone that is killed while it comes up") {
    Host host = Host::WithTemplates(kNoPool, kSteady);
    const pid_t keeper = Build(host);
    Finished run;
    std::thread waits([&] { run = host.Run("c1", {"echo", "it runs"}); });
    bool killed = false;
    for (int i = 0; i < 6000 && !killed; ++i) {
        killed = host.Kill(kVmm, SIGKILL);
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    waits.join();
    CHECK(killed);
    // It depends on how far it was: another clone has taken its place, or the VM was up already.
    if (run.status == 0)
        CHECK(run.out == "it runs\n");
    else
        CHECK_MESSAGE(Split(Trim(run.err), '\n').size() <= 2, run.err);
    CheckRuns(host);
    CHECK(Number(host, "pid") == keeper);
}

}  // namespace cc::test
