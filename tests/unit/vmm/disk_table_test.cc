// SPDX-License-Identifier: Apache-2.0
#include "vmm/disk_table.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "tests/unit/vmm/fixtures.h"

namespace cc {

namespace {

// Takes what it is told to, or refuses.
struct DiskEngine : Engine {
    std::vector<std::string> said;
    bool refuses = false;
    std::function<void(int)> on_out = [](int) {};

    pid_t pid() const override { return 1; }
    void Pause(Done done) override { done({}); }
    void Resume(Done done) override { done({}); }
    void Grow(const VmGrowth&, Done done) override { done({}); }
    VmGrowth grown() const override { return {}; }
    void PlugNic(int, const NicBackEnd&, Done done) override { done({}); }
    void PlugCard(const Card&, Done done) override { done({}); }
    void PlugDisk(int number, const Fd&, bool read_only, Done done) override {
        said.push_back(Cat("in ", number, read_only ? " ro" : ""));
        done(refuses ? Fail("no") : Result<void>());
    }
    void UnplugDisk(int number, Done done) override {
        said.push_back(Cat("out ", number));
        if (!refuses) on_out(number);
        done(refuses ? Fail("no") : Result<void>());
    }
    void PlugShare(const Fd&, Done done) override { done({}); }
    void UnplugShare(Done done) override { done({}); }
    void BeginRehearsal(Done done) override { done({}); }
    void Save(Done done) override { done({}); }
    void Stop() override {}
};

struct Fixture {
    test::TemporaryDirectory directory;
    DiskEngine engine;
    DiskTable table;

    Fixture() {
        engine.on_out = [this](int number) { table.Gone(number); };
    }
    // A node suffices: nothing is read.
    Fd Device(unsigned minor) const {
        const std::string path = directory / Cat("node", minor);
        (void)::mknod(path.c_str(), S_IFBLK | 0600, makedev(7, minor));
        return OpenFile(path, O_PATH).value();
    }
    Result<int> Add(const std::string& owner, const Fd& device, bool read_only = false,
                    MachineType machine = MachineType::kPc, int taken = -1) {
        Result<int> added = -1;
        table.Add(
            engine, machine, [taken](int number) { return number != taken; }, owner, device,
            read_only, [&](Result<int> number) { added = std::move(number); });
        return added;
    }
    Result<void> Remove(const std::string& owner) {
        Result<void> removed = Fail("not called");
        table.Remove(engine, owner, [&](Result<void> how) { removed = std::move(how); });
        return removed;
    }
};

bool NeedsRoot() {
    if (::geteuid() == 0) return false;
    MESSAGE("SKIPPED: device nodes take root");
    return true;
}

}  // namespace

TEST_CASE("disks get the first free place and leave with their owner") {
    if (NeedsRoot()) return;
    Fixture f;
    CHECK(f.Add("a", f.Device(1)).value() == 0);
    CHECK(f.Add("b", f.Device(2), true).value() == 1);
    CHECK(f.Add("a", f.Device(3), false, MachineType::kPc, 2).value() == 3);
    CHECK(f.Remove("a"));
    CHECK_FALSE(f.table.Has(0));
    CHECK(f.table.Has(1));
    CHECK_FALSE(f.table.Has(3));
    CHECK(f.Add("c", f.Device(4)).value() == 0);
    CHECK(f.Remove("nobody"));
    CHECK(f.engine.said ==
          std::vector<std::string>{"in 0", "in 1 ro", "in 3", "out 0", "out 3", "in 0"});
}

TEST_CASE("containers share a device, unless one wants to write and the other's is read-only") {
    if (NeedsRoot()) return;
    Fixture f;
    CHECK(f.Add("a", f.Device(1)).value() == 0);
    CHECK(f.Add("a", f.Device(1)).value() == 0);
    CHECK(f.Add("b", f.Device(1), true).value() == 0);
    CHECK(f.Add("a", f.Device(2), true).value() == 1);
    CHECK(f.Add("b", f.Device(2), false).value() == 2);
    CHECK(f.Remove("a"));
    CHECK(f.table.Has(0));
    CHECK_FALSE(f.table.Has(1));
    CHECK(f.Remove("b"));
    CHECK_FALSE(f.table.Has(0));
    CHECK_FALSE(f.table.Has(2));
}

TEST_CASE("a machine that is full, or takes nothing, says so") {
    if (NeedsRoot()) return;
    Fixture f;
    for (unsigned i = 0; i < 4; ++i)
        CHECK(f.Add("a", f.Device(i), false, MachineType::kQ35));
    CHECK(test::Contains(test::ErrorOf(f.Add("a", f.Device(9), false, MachineType::kQ35)),
                         "q35 has room for 4"));
    CHECK(test::Contains(test::ErrorOf(f.Add("a", f.Device(9), false, MachineType::kMicrovm)),
                         "microvm"));
    CHECK(test::Contains(test::ErrorOf(f.Add("a", OpenFile("/dev/null", O_RDONLY).value())),
                         "no block device"));
}

TEST_CASE("a disk that was refused leaves its place, one that does not go keeps it") {
    if (NeedsRoot()) return;
    Fixture f;
    f.engine.refuses = true;
    CHECK_FALSE(f.Add("a", f.Device(1)));
    CHECK_FALSE(f.table.Has(0));
    f.engine.refuses = false;
    CHECK(f.Add("a", f.Device(1)).value() == 0);
    f.engine.refuses = true;
    CHECK_FALSE(f.Remove("a"));
    CHECK(f.table.Has(0));
    f.engine.refuses = false;
    // Nobody gets one that is on its way out.
    CHECK(f.Add("b", f.Device(1)).value() == 1);
    CHECK(f.Remove("a"));
    CHECK_FALSE(f.table.Has(0));
}

}  // namespace cc
