// SPDX-License-Identifier: Apache-2.0
#include "vmm/qemu/arguments.h"

#include <algorithm>

#include "tests/unit/vmm/fixtures.h"

namespace cc::qemu {

namespace {

using Words = std::vector<std::string>;

VmConfig Config(MachineType machine) {
    VmConfig config;
    config.name = "web";
    config.directory = "/run/vm";
    config.machine = machine;
    config.hypervisor = "/usr/bin/qemu-system-x86_64";
    config.kernel = "/k/vmlinux";
    config.image = "/k/root.img";
    return config;
}

MachineFacts Emulated() {
    return {.acceleration = Acceleration::kTcg,
            .tsc_khz = 2250000,
            .host_memory_mib = 24000,
            .host_cpus = 2,
            .image_bytes = 4194304,
            .firmware = ""};
}

Words ArgumentsOf(const VmConfig& config, const MachineFacts& facts = Emulated()) {
    auto arguments = Arguments(config, facts, {});
    REQUIRE(arguments);
    return *arguments;
}

// The word after `flag`.
std::string After(const Words& words, std::string_view flag) {
    const auto found = std::find(words.begin(), words.end(), flag);
    REQUIRE(found != words.end());
    return *(found + 1);
}

}  // namespace

TEST_CASE("the argument vector of an emulated pc, whole") {
    const Words expected{
        "-name",
        "guest=web",
        "-nodefaults",
        "-no-user-config",
        "-display",
        "none",
        "-no-reboot",
        "-sandbox",
        "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny",
        "-machine",
        "pc,memory-backend=ram,dump-guest-core=off,usb=off,graphics=off,vmport=off,nvdimm=on",
        "-accel",
        "tcg,tb-size=64",
        "-cpu",
        "max,-erms,-fsrm",
        "-smp",
        "cpus=1,sockets=2,cores=1,threads=1,maxcpus=2",
        "-m",
        "size=128M,slots=8,maxmem=25024M",
        "-object",
        "memory-backend-ram,id=ram,size=128M",
        "-chardev",
        "socket,id=control,fd=3",
        "-mon",
        "chardev=control,mode=control",
        "-device",
        "virtio-serial-pci,id=serial0,bus=pci.0,addr=0x02,max_ports=4",
        "-chardev",
        "socket,id=console,fd=4,mux=on",
        "-device",
        "virtconsole,bus=serial0.0,nr=0,chardev=console",
        "-serial",
        "chardev:console",
        "-chardev",
        "socket,id=ctl,fd=5,server=on,wait=off",
        "-device",
        "virtserialport,bus=serial0.0,nr=1,chardev=ctl,name=sh.hyper.channel.0",
        "-chardev",
        "socket,id=io,fd=6,server=on,wait=off",
        "-device",
        "virtserialport,bus=serial0.0,nr=2,chardev=io,name=sh.hyper.channel.1",
        "-chardev",
        "socket,id=dns,fd=10",
        "-device",
        "virtserialport,bus=serial0.0,nr=3,chardev=dns,name=sh.clearcontainers.dns.0",
        "-object",
        "rng-random,id=random,filename=/dev/urandom",
        "-device",
        "virtio-rng-pci,id=rng0,bus=pci.0,addr=0x03,rng=random",
        "-fsdev",
        "local,id=share,path=/run/vm/share,security_model=passthrough,multidevs=remap",
        "-device",
        "virtio-9p-pci,id=share0,bus=pci.0,addr=0x04,fsdev=share,mount_tag=hyperShared",
        "-object",
        "memory-backend-file,id=image,share=on,readonly=on,mem-path=/k/root.img,size=4194304",
        "-device",
        "nvdimm,id=image0,memdev=image,unarmed=on",
        "-kernel",
        "/k/vmlinux",
        "-append",
        "console=hvc0 earlyprintk=ttyS0 quiet panic=-1 reboot=t cgroup_no_v1=all "
        "random.trust_cpu=on no_timer_check memhp_default_state=online noreplace-smp "
        "swiotlb=noforce cryptomgr.notests "
        "tsc_early_khz=2250000 tsc=reliable acpi=noirq root=/dev/pmem0 rootfstype=erofs "
        "rootflags=dax=always "
        "ro init=/init",
    };
    CHECK(ArgumentsOf(Config(MachineType::kPc)) == expected);
}

TEST_CASE("the argument vector of an accelerated q35 with its root ports, whole") {
    auto config = Config(MachineType::kQ35);
    config.vcpus = 4;
    config.memory_mib = 2048;
    config.mem_prealloc = true;
    config.machine_accelerators = "kernel_irqchip=split";
    config.initrd = "/k/initrd";
    config.kernel_params = "quiet loglevel=3";
    auto facts = Emulated();
    facts.acceleration = Acceleration::kKvm;
    facts.firmware = "/fw/qboot.rom";
    const Words expected{
        "-name",
        "guest=web",
        "-nodefaults",
        "-no-user-config",
        "-display",
        "none",
        "-no-reboot",
        "-sandbox",
        "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny",
        "-machine",
        "q35,memory-backend=ram,dump-guest-core=off,usb=off,graphics=off,vmport=off,sata=off,smbus="
        "off,nvdimm=on,"
        "kernel_irqchip=split",
        "-accel",
        "kvm",
        "-cpu",
        "host",
        "-smp",
        "cpus=4,sockets=4,cores=1,threads=1,maxcpus=4",
        "-m",
        "size=2048M,slots=8,maxmem=25024M",
        "-object",
        "memory-backend-ram,id=ram,size=2048M,prealloc=on",
        "-chardev",
        "socket,id=control,fd=3",
        "-mon",
        "chardev=control,mode=control",
        "-device",
        "virtio-serial-pci,id=serial0,bus=pcie.0,addr=0x02,max_ports=4",
        "-chardev",
        "socket,id=console,fd=4,mux=on",
        "-device",
        "virtconsole,bus=serial0.0,nr=0,chardev=console",
        "-serial",
        "chardev:console",
        "-chardev",
        "socket,id=ctl,fd=5,server=on,wait=off",
        "-device",
        "virtserialport,bus=serial0.0,nr=1,chardev=ctl,name=sh.hyper.channel.0",
        "-chardev",
        "socket,id=io,fd=6,server=on,wait=off",
        "-device",
        "virtserialport,bus=serial0.0,nr=2,chardev=io,name=sh.hyper.channel.1",
        "-chardev",
        "socket,id=dns,fd=10",
        "-device",
        "virtserialport,bus=serial0.0,nr=3,chardev=dns,name=sh.clearcontainers.dns.0",
        "-object",
        "rng-random,id=random,filename=/dev/urandom",
        "-device",
        "virtio-rng-pci,id=rng0,bus=pcie.0,addr=0x03,rng=random",
        "-fsdev",
        "local,id=share,path=/run/vm/share,security_model=passthrough,multidevs=remap",
        "-device",
        "virtio-9p-pci,id=share0,bus=pcie.0,addr=0x04,fsdev=share,mount_tag=hyperShared",
        "-device",
        "pcie-root-port,id=hotplug0,bus=pcie.0,addr=0x10.0,chassis=1,multifunction=on",
        "-device",
        "pcie-root-port,id=hotplug1,bus=pcie.0,addr=0x10.1,chassis=2,multifunction=on",
        "-device",
        "pcie-root-port,id=hotplug2,bus=pcie.0,addr=0x10.2,chassis=3,multifunction=on",
        "-device",
        "pcie-root-port,id=hotplug3,bus=pcie.0,addr=0x10.3,chassis=4,multifunction=on",
        "-object",
        "memory-backend-file,id=image,share=on,readonly=on,mem-path=/k/root.img,size=4194304",
        "-device",
        "nvdimm,id=image0,memdev=image,unarmed=on",
        "-bios",
        "/fw/qboot.rom",
        "-kernel",
        "/k/vmlinux",
        "-initrd",
        "/k/initrd",
        "-append",
        "console=hvc0 earlyprintk=ttyS0 quiet panic=-1 reboot=t cgroup_no_v1=all "
        "random.trust_cpu=on no_timer_check memhp_default_state=online noreplace-smp "
        "swiotlb=noforce cryptomgr.notests "
        "root=/dev/pmem0 "
        "rootfstype=erofs rootflags=dax=always ro init=/init quiet loglevel=3",
    };
    CHECK(ArgumentsOf(config, facts) == expected);
}

TEST_CASE("our QEMU records what a template translates, and its clones and a pool's VMs get it") {
    for (const auto& [origin, wanted] : {std::pair{VmOrigin::kBoot, "tcg,tb-size=64"},
                                         {VmOrigin::kTemplate, "tcg,tb-size=64,record-fd=13"},
                                         {VmOrigin::kClone, "tcg,tb-size=64,archive-fd=13"},
                                         {VmOrigin::kPooled, "tcg,tb-size=64,archive-fd=13"}}) {
        auto config = Config(MachineType::kPc);
        config.origin = origin;
        config.hypervisor = "/usr/bin/qemu-system-x86_64";
        CHECK(test::Contains(Join(ArgumentsOf(config), " "), "-accel tcg,tb-size=64 "));
        config.hypervisor = "/usr/libexec/clear-containers/cc-qemu";
        CHECK(test::Contains(Join(ArgumentsOf(config), " "), Cat("-accel ", wanted, " ")));
    }
}

TEST_CASE("the argument vector of a microvm with debug output, whole") {
    auto config = Config(MachineType::kMicrovm);
    config.initrd = "/k/initrd";
    config.debug = true;
    const Words expected{
        "-name",
        "guest=web",
        "-nodefaults",
        "-no-user-config",
        "-display",
        "none",
        "-no-reboot",
        "-sandbox",
        "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny",
        "-machine",
        "microvm,memory-backend=ram,dump-guest-core=off,usb=off,graphics=off,acpi=off,pit=on,pic="
        "on,rtc=on,pcie=off,"
        "isa-serial=on",
        "-accel",
        "tcg,tb-size=64",
        "-cpu",
        "max,-erms,-fsrm",
        "-smp",
        "cpus=1,sockets=1,cores=1,threads=1,maxcpus=1",
        "-m",
        "size=128M",
        "-object",
        "memory-backend-ram,id=ram,size=128M",
        "-global",
        "virtio-mmio.force-legacy=false",
        "-chardev",
        "socket,id=control,fd=3",
        "-mon",
        "chardev=control,mode=control",
        "-device",
        "virtio-serial-device,id=serial0,bus=virtio-mmio-bus.0,max_ports=4",
        "-chardev",
        "socket,id=console,fd=4,mux=on",
        "-device",
        "virtconsole,bus=serial0.0,nr=0,chardev=console",
        "-serial",
        "chardev:console",
        "-chardev",
        "socket,id=ctl,fd=5,server=on,wait=off",
        "-device",
        "virtserialport,bus=serial0.0,nr=1,chardev=ctl,name=sh.hyper.channel.0",
        "-chardev",
        "socket,id=io,fd=6,server=on,wait=off",
        "-device",
        "virtserialport,bus=serial0.0,nr=2,chardev=io,name=sh.hyper.channel.1",
        "-chardev",
        "socket,id=dns,fd=10",
        "-device",
        "virtserialport,bus=serial0.0,nr=3,chardev=dns,name=sh.clearcontainers.dns.0",
        "-object",
        "rng-random,id=random,filename=/dev/urandom",
        "-device",
        "virtio-rng-device,id=rng0,bus=virtio-mmio-bus.1,rng=random",
        "-fsdev",
        "local,id=share,path=/run/vm/share,security_model=passthrough,multidevs=remap",
        "-device",
        "virtio-9p-device,id=share0,bus=virtio-mmio-bus.2,fsdev=share,mount_tag=hyperShared",
        "-kernel",
        "/k/vmlinux",
        "-initrd",
        "/k/initrd",
        "-append",
        "console=hvc0 earlyprintk=ttyS0 loglevel=7 panic=-1 reboot=t cgroup_no_v1=all "
        "random.trust_cpu=on "
        "no_timer_check memhp_default_state=online noreplace-smp swiotlb=noforce cryptomgr.notests "
        "tsc_early_khz=2250000 "
        "tsc=reliable init=/init",
    };
    CHECK(ArgumentsOf(config) == expected);
}

TEST_CASE("no path or name can end its option and begin another") {
    auto config = Config(MachineType::kPc);
    config.name = "x,process=evil";
    config.directory = "/run/a,security_model=none";
    config.image = "/k/a,share=off";
    const auto words = ArgumentsOf(config);
    CHECK(After(words, "-name") == "guest=x,,process=evil");
    CHECK(After(words, "-fsdev") ==
          "local,id=share,path=/run/a,,security_model=none/"
          "share,security_model=passthrough,multidevs=remap");
    CHECK(std::count(words.begin(), words.end(),
                     "memory-backend-file,id=image,share=on,readonly=on,mem-path=/k/"
                     "a,,share=off,size=4194304") == 1);
    CHECK(words.size() == ArgumentsOf(Config(MachineType::kPc)).size());
}

TEST_CASE("a kernel path or parameters that look like options stay values") {
    auto config = Config(MachineType::kPc);
    config.kernel = "-monitor";
    config.kernel_params = "-device evil,x=y";
    const auto words = ArgumentsOf(config);
    CHECK(After(words, "-kernel") == "-monitor");
    CHECK(words.back().ends_with("init=/init -device evil,x=y"));
    CHECK(words.size() == ArgumentsOf(Config(MachineType::kPc)).size());
}

TEST_CASE("machine_accelerators takes plain pairs and nothing that is ours or names a file") {
    auto config = Config(MachineType::kPc);
    config.machine_accelerators = "kernel_irqchip=split, smm=off,hpet";
    CHECK(After(ArgumentsOf(config), "-machine")
              .ends_with("nvdimm=on,kernel_irqchip=split,smm=off,hpet=on"));
    for (const auto* hostile :
         {"accel=kvm", "kernel=/etc/shadow", "dumpdtb=x", "memory-backend=y", "a=b=c", "a==", "=b",
          "smm=off,,usb=on", "smm=off\nusb=on", "x=/etc/passwd"}) {
        CAPTURE(hostile);
        config.machine_accelerators = hostile;
        const auto refused = Arguments(config, Emulated(), {});
        CHECK(test::Contains(test::ErrorOf(refused), "machine_accelerators"));
    }
}

TEST_CASE("a kernel command line that the guest would cut is refused") {
    auto config = Config(MachineType::kPc);
    config.kernel_params = std::string(2000, 'x');
    CHECK(
        test::Contains(test::ErrorOf(Arguments(config, Emulated(), {})), "shorten kernel_params"));
}

TEST_CASE("huge pages are preallocated, so that a lack of them is an error at start") {
    auto config = Config(MachineType::kPc);
    config.hugepages = true;
    const auto words = ArgumentsOf(config);
    CHECK(std::count(words.begin(), words.end(),
                     "memory-backend-memfd,id=ram,size=128M,hugetlb=on,prealloc=on") == 1);
}

TEST_CASE("what the guest frees is reported by a device that does nothing else") {
    for (const auto& [machine, device] :
         {std::pair{MachineType::kPc, "virtio-balloon-pci,id=balloon0,bus=pci.0,addr=0x06,"},
          {MachineType::kQ35, "virtio-balloon-pci,id=balloon0,bus=pcie.0,addr=0x06,"},
          {MachineType::kMicrovm, "virtio-balloon-device,id=balloon0,bus=virtio-mmio-bus.4,"}}) {
        auto config = Config(machine);
        config.reclaim_freed_memory = true;
        const auto words = ArgumentsOf(config);
        const auto whole = Cat(device, "free-page-reporting=on,page-poison=off");
        CHECK(std::count(words.begin(), words.end(), whole) == 1);
    }
}

TEST_CASE(
    "interrupt routing by ACPI is left out where it is slow, unless the user speaks of ACPI") {
    auto config = Config(MachineType::kPc);
    CHECK(test::Contains(ArgumentsOf(config).back(), " acpi=noirq "));
    config.kernel_params = "acpi=force";
    CHECK_FALSE(test::Contains(ArgumentsOf(config).back(), "acpi=noirq"));
    config.kernel_params.clear();
    auto facts = Emulated();
    facts.acceleration = Acceleration::kKvm;
    CHECK_FALSE(test::Contains(ArgumentsOf(config, facts).back(), "acpi=noirq"));
    CHECK_FALSE(test::Contains(ArgumentsOf(Config(MachineType::kQ35)).back(), "acpi=noirq"));
}

TEST_CASE("without a time stamp counter of known rate the guest measures its own") {
    auto facts = Emulated();
    facts.tsc_khz = 0;
    CHECK_FALSE(test::Contains(ArgumentsOf(Config(MachineType::kPc), facts).back(), "tsc"));
}

TEST_CASE("frames that the host's kernel carries come through a second descriptor") {
    VmConfig config = Config(MachineType::kPc);
    config.nic = true;
    Descriptors descriptors;
    descriptors.vhosts = {Descriptors::VhostFd(0)};
    const auto words = Arguments(config, Emulated(), descriptors);
    REQUIRE(words);
    CHECK(After(*words, "-netdev") == "tap,id=net0,fd=9,vhost=on,vhostfd=11");
}

TEST_CASE("a machine that is cloned has a number that is new in each clone") {
    auto config = Config(MachineType::kPc);
    const auto has = [&] {
        const Words words = ArgumentsOf(config);
        return std::find(words.begin(), words.end(), "vmgenid,guid=auto") != words.end();
    };
    CHECK_FALSE(has());
    config.generation_id = true;
    CHECK(has());
}

TEST_CASE("each queue of a network device has descriptors of its own") {
    Descriptors descriptors;
    for (int queue = 1; queue < 3; ++queue)
        descriptors.taps.push_back(Descriptors::TapFd(queue));
    for (const auto machine : {MachineType::kPc, MachineType::kMicrovm}) {
        VmConfig config = Config(machine);
        if (machine == MachineType::kMicrovm) config.image.clear(), config.initrd = "/k/initrd";
        config.nic = true;
        const auto words = Arguments(config, Emulated(), descriptors);
        REQUIRE(words);
        CHECK(After(*words, "-netdev") == "tap,id=net0,fds=9:16:17,vhost=off");
        const auto device = std::find_if(words->begin(), words->end(), [](const auto& word) {
            return word.starts_with("virtio-net");
        });
        REQUIRE(device != words->end());
        // Interrupts are numbered where there is a PCI bus.
        CHECK(device->ends_with(machine == MachineType::kPc ? ",romfile=,mq=on,vectors=8"
                                                            : "guest_announce=off,mq=on"));
    }
    descriptors.vhosts = {Descriptors::VhostFd(0), Descriptors::VhostFd(1),
                          Descriptors::VhostFd(2)};
    VmConfig config = Config(MachineType::kPc);
    config.nic = true;
    CHECK(After(*Arguments(config, Emulated(), descriptors), "-netdev") ==
          "tap,id=net0,fds=9:16:17,vhost=on,vhostfds=11:32:33");
}

TEST_CASE("a network device has its fixed place, and its tap is a descriptor") {
    const auto device = [](MachineType machine) {
        VmConfig config = Config(machine);
        if (machine == MachineType::kMicrovm) config.image.clear(), config.initrd = "/k/initrd";
        config.nic = true;
        const Words words = ArgumentsOf(config);
        CHECK(After(words, "-netdev") == "tap,id=net0,fd=9,vhost=off");
        for (const auto& word : words)
            if (word.starts_with("virtio-net")) return word;
        return std::string();
    };
    CHECK(device(MachineType::kPc) ==
          "virtio-net-pci,id=nic0,bus=pci.0,addr=0x05,netdev=net0,mac=02:cc:00:00:00:00,"
          "guest_announce=off,romfile=");
    CHECK(device(MachineType::kQ35) ==
          "virtio-net-pci,id=nic0,bus=pcie.0,addr=0x05,netdev=net0,mac=02:cc:00:00:00:00,"
          "guest_announce=off,romfile=");
    CHECK(device(MachineType::kMicrovm) ==
          "virtio-net-device,id=nic0,bus=virtio-mmio-bus.3,netdev=net0,mac=02:cc:00:00:00:00,"
          "guest_announce=off");
}

TEST_CASE(
    "cards come behind the root ports that they sit in, and memory that others map is shared") {
    auto config = Config(MachineType::kQ35);
    config.shared_memory = true;
    config.cards = {{4, CardKind::kVhostUser, "/run/switch/vhu.sock"},
                    {3, CardKind::kPhysical, "0000:03:10.0"}};
    const auto words = ArgumentsOf(config);
    CHECK(After(words, "-object") == "memory-backend-memfd,id=ram,size=128M,share=on");
    const auto at = [&](const std::string& word) {
        return std::find(words.begin(), words.end(), word);
    };
    const auto port =
        at("pcie-root-port,id=hotplug3,bus=pcie.0,addr=0x10.3,chassis=4,multifunction=on");
    const auto served =
        at("driver=virtio-net-pci,id=nic4,bus=hotplug3,netdev=net4,mac=02:cc:00:00:00:04,romfile=,"
           "vectors=0,guest_announce=off");
    REQUIRE(port != words.end());
    REQUIRE(served != words.end());
    CHECK(port < served);
    CHECK(at("driver=vfio-pci,id=nic3,bus=hotplug2,host=0000:03:10.0,rombar=0") != words.end());
    CHECK(at("socket,id=vhost4,path=/run/switch/vhu.sock") != words.end());
    const auto again = ParseVmConfig(Encode(config));
    REQUIRE(again);
    CHECK(again->cards == config.cards);
    CHECK(again->shared_memory);
    config.cards.push_back(config.cards.front());
    CHECK_FALSE(ParseVmConfig(Encode(config)));
}

TEST_CASE("interrupt lines are routed where a card may have one") {
    auto config = Config(MachineType::kPc);
    CHECK(test::Contains(After(ArgumentsOf(config), "-append"), "acpi=noirq"));
    config.cards = {{15, CardKind::kVhostUser, "/run/switch/vhu.sock"}};
    CHECK_FALSE(test::Contains(After(ArgumentsOf(config), "-append"), "acpi=noirq"));
}

TEST_CASE(
    "a share that another program serves is a device with a descriptor, and memory for both") {
    const auto words_of = [](MachineType machine, VmOrigin origin) {
        VmConfig config = Config(machine);
        if (machine == MachineType::kMicrovm) config.image.clear(), config.initrd = "/k/initrd";
        config.shared_fs = SharedFs::kVirtioFs;
        config.origin = origin;
        return ArgumentsOf(config);
    };
    const auto has = [](const Words& words, std::string_view part) {
        return std::any_of(words.begin(), words.end(),
                           [&](const auto& word) { return test::Contains(word, part); });
    };
    const auto pc = words_of(MachineType::kPc, VmOrigin::kBoot);
    CHECK(has(pc, "socket,id=share,fd=14"));
    CHECK(has(pc,
              "driver=vhost-user-fs-pci,id=share0,bus=pci.0,addr=0x04,chardev=share,"
              "tag=hyperShared"));
    CHECK(After(pc, "-object") == "memory-backend-memfd,id=ram,size=128M,share=on");
    CHECK(test::Contains(After(pc, "-append"), "agent.share=virtiofs"));
    CHECK(has(words_of(MachineType::kMicrovm, VmOrigin::kBoot),
              "driver=vhost-user-fs-device,id=share0,bus=virtio-mmio-bus.2,chardev=share"));
    // What is saved, and what comes of it, begins without.
    for (const auto origin : {VmOrigin::kTemplate, VmOrigin::kClone, VmOrigin::kPooled}) {
        const auto restored = words_of(MachineType::kPc, origin);
        CHECK_FALSE(has(restored, "share0"));
        CHECK(After(restored, "-object") ==
              "memory-backend-file,id=ram,size=128M,mem-path=/proc/self/fd/7,share=on");
        CHECK(has(words_of(MachineType::kQ35, origin),
                  "pcie-root-port,id=hotplug-share,bus=pcie.0,addr=0x04,chassis=5"));
    }
    for (const auto& words : {pc, words_of(MachineType::kQ35, VmOrigin::kTemplate)}) {
        CHECK_FALSE(has(words, "9p"));
        CHECK_FALSE(has(words, "fsdev"));
    }
}

}  // namespace cc::qemu
