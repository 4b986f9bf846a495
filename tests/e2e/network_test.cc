// SPDX-License-Identifier: Apache-2.0
// Containers in network namespaces that somebody else made, as CNI does: a bridge in a namespace of
// its own is the outside world, a veth of each container's namespace is its port.
#include <algorithm>
#include <csignal>
#include <map>

#include <doctest/doctest.h>
#include <unistd.h>

#include "base/file.h"
#include "tests/e2e/host.h"

namespace cc::test {

namespace {

bool SkipWithoutIp() {
    if (RunProgram("/bin/sh", {"sh", "-c", "command -v ip tc nsenter"}).status == 0) return false;
    Skip("ip, tc or nsenter is not installed");
    return true;
}

Finished Shell(const std::string& command) {
    return RunProgram("/bin/sh", {"sh", "-c", command});
}

void Must(const std::string& command) {
    const Finished done = Shell(command);
    REQUIRE_MESSAGE(done.status == 0, command, ": ", done.err);
}

// A process that does nothing but hold a new network namespace.
class Place {
  public:
    Place() {
        SpawnOptions options;
        options.executable = "/usr/bin/unshare";
        options.arguments = {"unshare", "--net", "sleep", "1000"};
        process_ = Spawn(options).value();
        const std::string own = ReadLink("/proc/self/ns/net").value();
        for (int i = 0; i < 500; ++i) {
            const auto there = ReadLink(path());
            if (there && *there != own) return;
            ::usleep(10000);
        }
        FAIL("no network namespace");
    }
    ~Place() {
        process_.Kill();
        (void)process_.Reap();
    }
    Place(const Place&) = delete;
    Place& operator=(const Place&) = delete;

    std::string path() const { return Cat("/proc/", process_.pid(), "/ns/net"); }
    std::string in() const { return Cat("nsenter --net=", path(), " "); }
    pid_t pid() const { return process_.pid(); }

  private:
    Process process_;
};

// The outside world: 10.55.0.1 and fd55::1 on a bridge.
class World {
  public:
    World() {
        Must(outside_.in() + "ip link set lo up");
        Must(outside_.in() + "ip link add br0 type bridge");
        Must(outside_.in() + "ip addr add 10.55.0.1/24 dev br0");
        Must(outside_.in() + "ip -6 addr add fd55::1/64 dev br0 nodad");
        Must(outside_.in() + "ip link set br0 up");
    }
    const Place& outside() const { return outside_; }

    // Gives the namespace a port with 10.55.0.`number`.
    void Connect(const Place& container, int number) const {
        const std::string port = Cat("port", number);
        Must(Cat(outside_.in(), "ip link add ", port, " type veth peer name eth0 netns ",
                 container.pid()));
        Must(Cat(outside_.in(), "ip link set ", port, " master br0 up"));
        Must(container.in() + "ip link set lo up");
        Must(Cat(container.in(), "ip link set eth0 address 02:42:0a:37:00:0", number, " mtu 1400"));
        Must(container.in() + "ip link set eth0 up");
        Must(Cat(container.in(), "ip addr add 10.55.0.", number, "/24 brd + dev eth0"));
        Must(Cat(container.in(), "ip -6 addr add fd55::", number, "/64 dev eth0 nodad"));
        Must(container.in() + "ip route add default via 10.55.0.1");
        Must(container.in() + "ip -6 route add default via fd55::1");
    }

  private:
    Place outside_;
};

std::function<void(Json&)> In(const Place& place) {
    return [path = place.path()](Json& config) {
        for (auto& entry : config["linux"]["namespaces"])
            if (entry["type"] == "network") entry["path"] = path;
        for (const char* set : {"bounding", "effective", "permitted"})
            config["process"]["capabilities"][set].push_back("CAP_NET_RAW");
    };
}

std::string Links(const Place& place) {
    return Shell(place.in() + "ip -o link").out + Shell(place.in() + "tc qdisc").out;
}

std::vector<std::string> Sorted(const std::string& text) {
    auto lines = Split(text, '\n');
    std::sort(lines.begin(), lines.end());
    return lines;
}

// What the command said; when it failed, how.
std::string Ask(Host& host, const std::string& id, const std::string& command) {
    const Finished done = host.Runtime({"exec", id, "sh", "-c", command});
    return done.status == 0 ? done.out : Cat("status ", done.status, ": ", done.out, done.err);
}

}  // namespace

TEST_CASE("a container has the network of its namespace, and leaves it as it was") {
    if (SkipWithoutIp()) return;
    Host host;
    World world;
    Place place;
    world.Connect(place, 2);
    Must(place.in() + "ip route add 10.77.0.0/16 via 10.55.0.1 metric 50 mtu 1300");
    Must(place.in() + "ip neigh add 10.55.0.99 lladdr 02:00:00:00:00:99 dev eth0");
    const std::string before = Links(place);
    // The same words from the same program, inside and outside.
    std::map<std::string, std::string> outside;
    for (const char* what : {"ip route", "ip -6 route", "ip neigh show nud permanent"})
        outside[what] = Shell(place.in() + host.rootfs() + "/bin/busybox " + what).out;
    host.Start("c1", {"sleep", "1000"}, "", In(place));

    const std::string address = Ask(host, "c1", "ip addr show eth0");
    for (const char* part : {"mtu 1400", "02:42:0a:37:00:02", "inet 10.55.0.2/24 brd 10.55.0.255",
                             "inet6 fd55::2/64", "inet6 fe80::42:aff:fe37:2/64", ",UP"})
        CHECK_MESSAGE(Has(address, part), part, " in ", address);
    for (const auto& [what, said] : outside)
        CHECK(Sorted(Ask(host, "c1", what)) == Sorted(said));
    CHECK(Has(Ask(host, "c1", "ping -c 1 10.55.0.1"), " 0% packet loss"));
    CHECK(Has(Ask(host, "c1", "ping -6 -c 1 fd55::1"), " 0% packet loss"));
    CHECK(Has(Shell(world.outside().in() + host.rootfs() + "/bin/busybox ping -c 1 10.55.0.2").out,
              " 0% packet loss"));
    // Both are there for engines that look.
    CHECK(Has(Links(place), "eth0"));
    CHECK(Has(Links(place), "tap0_cc"));
    // Neither the keeper nor the VMM is in a network that has anything in it.
    for (const char* name : {"cc-vmm", kVmm}) {
        const pid_t pid = host.PidOf(name);
        REQUIRE(pid != 0);
        CHECK(Shell(Cat("nsenter --net=/proc/", pid, "/ns/net ip -o link")).out.find("eth") ==
              std::string::npos);
    }
    CHECK(host.Runtime({"delete", "--force", "c1"}).status == 0);
    CHECK(Links(place) == before);
    host.CheckNoResidue();
}

// A server that returns what it gets, and a client of the one at 10.55.0.2.
constexpr const char* kSendBack = "while true; do nc -l -p 7000 -e cat; done";
constexpr const char* kSendAndCompare =
    "head -c 1000000 /dev/zero | tr '\\0' x >/tmp/sent; "
    "for i in 1 2 3 4 5; do nc -w 20 10.55.0.2 7000 </tmp/sent >/tmp/back && break; sleep 1; "
    "done; cmp /tmp/sent /tmp/back && echo same";

TEST_CASE("containers talk with one another and with the host, a megabyte each way") {
    if (SkipWithoutIp()) return;
    Host host;
    World world;
    Place one, two;
    world.Connect(one, 2);
    world.Connect(two, 3);
    host.Start("server", {"sh", "-c", kSendBack}, "", In(one));
    const Finished from_container = host.Run("client", {"sh", "-c", kSendAndCompare}, "", In(two));
    CHECK_MESSAGE(from_container.out == "same\n", from_container.err);
    const Finished from_host = Shell(
        Cat("export D=", host.directory(), "; head -c 1000000 /dev/zero >$D/sent; ",
            world.outside().in(), host.rootfs(),
            "/bin/busybox nc -w 20 10.55.0.2 7000 <$D/sent >$D/back; cmp $D/sent $D/back && echo "
            "same"));
    CHECK_MESSAGE(from_host.out == "same\n", from_host.err);
    CHECK(host.Runtime({"delete", "--force", "server"}).status == 0);
    host.CheckNoResidue();
}

TEST_CASE("a container without a network sees loopback only, booted or cloned") {
    for (const bool clone : {false, true}) {
        CAPTURE(clone);
        Host host(clone ? "" : "default_vcpus = 1");
        const Finished run =
            host.Run("c1",
                     {"sh", "-c",
                      "ls /sys/class/net; ip -o link | wc -l; "
                      "ping -c 1 127.0.0.1 >/dev/null; echo $?"},
                     "", [](Json& config) {
                         for (const char* set : {"bounding", "effective", "permitted"})
                             config["process"]["capabilities"][set].push_back("CAP_NET_RAW");
                     });
        CHECK_MESSAGE(run.out == "lo\n1\n0\n", run.err);
    }
}

TEST_CASE("the link is usable again after the machine was killed") {
    if (SkipWithoutIp()) return;
    Host host;
    World world;
    Place place;
    world.Connect(place, 2);
    const std::string before = Links(place);
    for (const char* victim : {kVmm, "cc-vmm"}) {
        CAPTURE(victim);
        host.Start("c1", {"sleep", "1000"}, "", In(place));
        CHECK(Has(Links(place), "tap0_cc"));
        CHECK(host.Kill(victim, SIGKILL));
        CHECK(host.WaitStatus("c1", "stopped"));
        CHECK(host.Runtime({"delete", "c1"}).status == 0);
        CHECK(Links(place) == before);
    }
    // And after a creation that was killed or failed.
    for (const char* how : {"--kill-after", "--fail-after"}) {
        CAPTURE(how);
        const std::string bundle = host.Bundle("c2", {"true"}, In(place));
        CHECK(host.Runtime({"create", how, "pod", "--bundle", bundle, "c2"}).status != 0);
        (void)host.Runtime({"delete", "--force", "c2"});
        CHECK(Links(place) == before);
    }
    const Finished again = host.Run("c3", {"ping", "-c", "1", "10.55.0.1"}, "", In(place));
    CHECK_MESSAGE(again.status == 0, again.out, again.err);
    CHECK(Links(place) == before);
    host.CheckNoResidue();
}

TEST_CASE("what a machine cannot be given is refused before anything is touched") {
    if (SkipWithoutIp()) return;
    Host host;
    World world;
    Place place;
    world.Connect(place, 2);
    const auto refused = [&](const std::function<void(Json&)>& edit, const std::string& words) {
        const Finished run = host.Run("c1", {"true"}, "", edit);
        CHECK(run.status != 0);
        CHECK_MESSAGE(Has(run.err, words), run.err);
        CHECK(Split(std::string(Trim(run.err)), '\n').size() == 1);
    };
    refused(
        [](Json& config) {
            for (auto& entry : config["linux"]["namespaces"])
                if (entry["type"] == "network") entry["path"] = "/proc/self/ns/net";
        },
        "--network none");
    refused(
        [](Json& config) {
            Json kept = Json::array();
            for (auto& entry : config["linux"]["namespaces"])
                if (entry["type"] != "network") kept.push_back(entry);
            config["linux"]["namespaces"] = kept;
        },
        "--network none");
    host.Start("first", {"sleep", "1000"}, "", In(place));
    refused(In(place), "one pod");
    CHECK(Has(Ask(host, "first", "ping -c 1 10.55.0.1"), " 0% packet loss"));
    CHECK(host.Runtime({"delete", "--force", "first"}).status == 0);
    Must(place.in() + "ip link add eth1 type veth peer name far");
    Must(place.in() + "ip addr add 10.56.0.2/24 dev eth1");
    Host small("machine_type = \"microvm\"");
    const Finished run = small.Run("c1", {"true"}, "", In(place));
    CHECK(run.status != 0);
    CHECK_MESSAGE(Has(run.err, "(eth0, eth1)"), run.err);
    CHECK_MESSAGE(Has(run.err, "microvm"), run.err);
    host.CheckNoResidue();
}

namespace {

// A second network, 10.56.0.0/24, as `name`.
void ConnectMore(const World& world, const Place& container, const std::string& name) {
    const std::string in = world.outside().in(), port = "more-" + name;
    Must(Cat(in, "ip link add ", port, " type veth peer name ", name, " netns ", container.pid()));
    Must(Cat(in, "ip addr add 10.56.0.1/24 dev ", port));
    Must(Cat(in, "ip link set ", port, " up"));
    Must(Cat(container.in(), "ip link set ", name, " up"));
    Must(Cat(container.in(), "ip addr add 10.56.0.2/24 dev ", name));
}

// The guest follows some tenths of a second later; on a busy machine, more.
bool Becomes(Host& host, const std::string& command, const std::string& part, bool there = true) {
    for (int i = 0; i < 100; ++i) {
        if (Has(Ask(host, "c1", command), part) == there) return true;
        ::usleep(200000);
    }
    return false;
}

bool Reaches(const Host& host, const World& world, const std::string& address) {
    return Has(
        Shell(Cat(world.outside().in(), host.rootfs(), "/bin/busybox ping -c 1 -W 5 ", address))
            .out,
        " 0% packet loss");
}

}  // namespace

TEST_CASE("a container has all networks of its namespace, and follows what becomes of them") {
    if (SkipWithoutIp()) return;
    Host host;
    World world;
    Place place;
    world.Connect(place, 2);
    ConnectMore(world, place, "eth1");
    const std::string before = Links(place);
    host.Start("c1", {"sleep", "1000"}, "", In(place));
    // At once.
    const std::string addresses = Ask(host, "c1", "ip -o addr");
    for (const char* part : {"10.55.0.2/24", "fd55::2/64", "10.56.0.2/24"})
        CHECK_MESSAGE(Has(addresses, part), part, " in ", addresses);
    for (const char* other : {"10.55.0.1", "10.56.0.1"})
        CHECK(Has(Ask(host, "c1", Cat("ping -c 1 -W 5 ", other)), " 0% packet loss"));
    CHECK(Reaches(host, world, "10.56.0.2"));

    Must(place.in() + "ip link delete eth1");
    // Who looks with exec sees it at once, others some tenths of a second later.
    CHECK_FALSE(Has(Ask(host, "c1", "ip -o link"), "eth1"));
    CHECK(Has(Ask(host, "c1", "ping -c 1 -W 5 10.55.0.1"), " 0% packet loss"));
    // A new link with a new address, and a change of one that is there.
    ConnectMore(world, place, "eth5");
    Must(place.in() + "ip addr add 10.55.0.77/24 dev eth0");
    Must(place.in() + "ip route replace default via 10.56.0.1");
    CHECK(Has(Ask(host, "c1", "ip -o addr"), "10.55.0.77/24"));
    CHECK(Has(Ask(host, "c1", "ip route"), "default via 10.56.0.1 dev eth5"));
    CHECK(Has(Ask(host, "c1", "ping -c 1 -W 5 10.56.0.1"), " 0% packet loss"));
    CHECK(Reaches(host, world, "10.55.0.77"));
    CHECK(Reaches(host, world, "10.56.0.2"));
    Must(place.in() + "ip link delete eth5");
    Must(place.in() + "ip addr delete 10.55.0.77/24 dev eth0");
    CHECK_FALSE(Has(Ask(host, "c1", "ip -o addr"), "10.55.0.77"));
    // Nor does it need anybody who looks.
    Must(place.in() + "ip addr add 10.55.0.78/24 dev eth0");
    bool answers = false;
    for (int i = 0; i < 100 && !answers; ++i)
        answers = Reaches(host, world, "10.55.0.78");
    CHECK(answers);

    CHECK(host.Runtime({"delete", "--force", "c1"}).status == 0);
    CHECK_FALSE(Has(Links(place), "_cc"));
    CHECK_FALSE(Has(Links(place), "ingress"));
    host.CheckNoResidue();
}

namespace {

// Who the outside world takes 10.55.0.3 to be: its hardware address, and the bridge's port of that.
std::string Neighbour(const World& world) {
    const std::string in = world.outside().in();
    return Shell(in + "ip neigh show 10.55.0.3 | grep -o 'lladdr [0-9a-f:]*'").out +
           Shell(in + "bridge fdb show br br0 | grep '^02:42:0a:37:00:03 ' | grep -o 'port[0-9]'")
               .out;
}

// As whoever has the guest's kernel can.
const std::string kPose =
    "ip addr add 10.55.0.3/32 dev lo; arping -U -c 1 -I eth0 -s 10.55.0.3 10.55.0.3 >/dev/null; "
    "ip addr del 10.55.0.3/32 dev lo";
const std::string kOtherMac =
    "ip link set eth0 down; ip link set eth0 address 02:42:0a:37:00:03; ip link set eth0 up; "
    "ip route add 10.55.0.0/24 dev eth0; ping -c 1 -W 1 10.55.0.1 >/dev/null; true";

}  // namespace

TEST_CASE("a guest that poses as its neighbour is not heard, unless its machine may do that") {
    if (SkipWithoutIp()) return;
    for (const char* settings :
         {"", "internetworking_model = \"bridged\"", "internetworking_model = \"macvtap\"",
          "guard_addresses = false"}) {
        CAPTURE(settings);
        const bool may = Has(settings, "guard");
        Host host("", settings);
        const World world;
        const Place place, neighbour;
        world.Connect(place, 2);
        world.Connect(neighbour, 3);
        host.Start("c1", {"sleep", "1000"}, "", [&](Json& config) {
            In(place)(config);
            for (const char* set : {"bounding", "effective", "permitted"})
                config["process"]["capabilities"][set].push_back("CAP_NET_ADMIN");
        });
        REQUIRE(Reaches(host, world, "10.55.0.3"));
        const std::string before = Neighbour(world);
        CHECK(before == "lladdr 02:42:0a:37:00:03\nport3\n");
        CHECK(Ask(host, "c1", kPose) == "");
        CHECK(Has(Neighbour(world), "lladdr 02:42:0a:37:00:02") == may);
        // Addresses that the engine gives it later are its own.
        CHECK(Reaches(host, world, "10.55.0.2"));
        Must(place.in() + "ip addr add 10.55.0.77/24 dev eth0");
        CHECK(Becomes(host, "ip -o addr", "10.55.0.77/24"));
        CHECK(Reaches(host, world, "10.55.0.77"));
        CHECK(Ask(host, "c1", kOtherMac) == "");
        // Its neighbour may have been heard again since.
        CHECK((may || !Has(Neighbour(world), "port2")));
        CHECK(Ask(host, "c1", "ip link set eth0 down") == "");
        CHECK((Neighbour(world) == before && Reaches(host, world, "10.55.0.3")) == !may);
        CHECK(host.Runtime({"delete", "--force", "c1"}).status == 0);
        host.CheckNoResidue();
    }
}

TEST_CASE("networks that are made between create and start are there when the program runs") {
    if (SkipWithoutIp()) return;
    Host host;
    World world;
    Place place;
    const std::string bundle =
        host.Bundle("c1", {"sh", "-c", "ip -o addr >/tmp/at-start; sleep 1000"}, In(place));
    // Its stdio is the shim's, which outlives the command.
    const Finished created =
        Shell(Cat(Join(host.Environment(), " "), " ", CC_BIN_DIR, "/",
                  Join(host.RuntimeArguments({"create", "--bundle", bundle, "c1"}), " "),
                  " </dev/null >/dev/null 2>&1"));
    CHECK(created.status == 0);
    world.Connect(place, 2);
    ConnectMore(world, place, "eth1");
    CHECK(host.Runtime({"start", "c1"}).status == 0);
    const std::string seen = Ask(host, "c1", "sleep 1; cat /tmp/at-start");
    for (const char* part : {"10.55.0.2/24", "10.56.0.2/24"})
        CHECK_MESSAGE(Has(seen, part), part, " in ", seen);
    CHECK(Has(Ask(host, "c1", "ping -c 1 -W 5 10.55.0.1"), " 0% packet loss"));
    // All of them go.
    Must(place.in() + "ip link delete eth0");
    Must(place.in() + "ip link delete eth1");
    CHECK(Becomes(host, "ls /sys/class/net", "eth", false));
    CHECK(host.Runtime({"delete", "--force", "c1"}).status == 0);
    host.CheckNoResidue();
}

TEST_CASE("who connects to 127.0.0.1 in the container's namespace reaches the guest's") {
    if (SkipWithoutIp()) return;
    Host host;
    const World world;
    const Place place;
    world.Connect(place, 2);
    host.Start("c1",
               {"sh", "-c",
                "head -c 3000000 /dev/urandom >/tmp/big; exec httpd -f -p 127.0.0.1:8080 -h /tmp"},
               "", In(place));
    const std::string fetch = place.in() + "busybox wget -q -O - http://127.0.0.1:8080/big";
    bool serves = false;
    for (int i = 0; i < 300 && !serves; ++i) {
        ::usleep(200000);
        serves = Shell(fetch + " | wc -c").out == "3000000\n";
    }
    REQUIRE(serves);
    const std::string sum = host.Runtime({"exec", "c1", "sha256sum", "/tmp/big"}).out.substr(0, 64);
    CHECK(sum.size() == 64);
    // At once, each by itself, also while one does not read.
    const Finished all =
        Shell(Cat("(", place.in(), "busybox nc 127.0.0.1 8080 </dev/null >/dev/null & ",
                  "for i in 1 2 3 4 5 6; do ", fetch, " | sha256sum & done; wait)"));
    const auto sums = Split(std::string(Trim(all.out)), '\n');
    CHECK(sums.size() == 6);
    for (const auto& one : sums)
        CHECK(one.substr(0, 64) == sum);
    // Nobody listens there, neither here nor there.
    CHECK(Shell(place.in() + "busybox wget -q -O - http://127.0.0.1:81/").status != 0);
    CHECK(host.Runtime({"delete", "--force", "c1"}).status == 0);
    CHECK(Shell(fetch).status != 0);
}

namespace {

// Of eth0, whether the kernel has made sure of them yet or not.
std::string Addresses(const Place& place) {
    return Shell(place.in() + "ip addr show eth0 | sed 's/ tentative//'").out;
}

}  // namespace

TEST_CASE("every model joins the machine with its network, follows it, and leaves it as it was") {
    if (SkipWithoutIp()) return;
    for (const char* model : {"bridged", "macvtap"}) {
        CAPTURE(model);
        Host host("", Cat("internetworking_model = \"", model, "\""));
        World world;
        Place place;
        if (std::string(model) == "macvtap" &&
            Shell(world.outside().in() + "ip link add probe link br0 type macvtap").status != 0) {
            Skip("this kernel has no macvtap");
            return;
        }
        (void)Shell(world.outside().in() + "ip link delete probe");
        world.Connect(place, 2);
        const std::string before = Links(place);
        const std::string addresses = Addresses(place);
        for (const char* victim : {"", kVmm, "cc-vmm"}) {
            CAPTURE(victim);
            host.Start("c1", {"sleep", "1000"}, "", In(place));
            const std::string joined = Links(place);
            CHECK_MESSAGE(Has(joined, std::string(model) == "bridged" ? "br0_cc" : "tap15_cc"),
                          joined);
            // Engines look for it.
            CHECK(Has(Shell(place.in() + "ip addr show eth0").out, "inet 10.55.0.2/24"));
            const std::string inside = Ask(host, "c1", "ip addr show eth0");
            for (const char* part : {"mtu 1400", "02:42:0a:37:00:02", "10.55.0.2/24", "fd55::2/64"})
                CHECK_MESSAGE(Has(inside, part), part, " in ", inside);
            CHECK(Has(Ask(host, "c1", "ping -c 1 -W 5 10.55.0.1"), " 0% packet loss"));
            CHECK(Has(Ask(host, "c1", "ping -6 -c 1 -W 5 fd55::1"), " 0% packet loss"));
            CHECK(Reaches(host, world, "10.55.0.2"));
            if (*victim == '\0') {
                // Another network that comes, and goes.
                ConnectMore(world, place, "eth1");
                CHECK(Becomes(host, "ip -o addr", "10.56.0.2/24"));
                CHECK(Has(Ask(host, "c1", "ping -c 1 -W 5 10.56.0.1"), " 0% packet loss"));
                CHECK(Reaches(host, world, "10.56.0.2"));
                Must(place.in() + "ip link delete eth1");
                CHECK(Becomes(host, "ip -o link", "eth1", false));
                CHECK(Has(Ask(host, "c1", "ping -c 1 -W 5 10.55.0.1"), " 0% packet loss"));
            } else {
                CHECK(host.Kill(victim, SIGKILL));
                CHECK(host.WaitStatus("c1", "stopped"));
            }
            CHECK(host.Runtime({"delete", "--force", "c1"}).status == 0);
            CHECK(Links(place) == before);
            CHECK(Addresses(place) == addresses);
        }
        // And after a creation that was killed or failed.
        for (const char* how : {"--kill-after", "--fail-after"}) {
            CAPTURE(how);
            const std::string bundle = host.Bundle("c2", {"true"}, In(place));
            CHECK(host.Runtime({"create", how, "pod", "--bundle", bundle, "c2"}).status != 0);
            (void)host.Runtime({"delete", "--force", "c2"});
            CHECK(Links(place) == before);
        }
        host.CheckNoResidue();
    }
}

TEST_CASE("a megabyte each way, by a bridge to a macvtap") {
    if (SkipWithoutIp()) return;
    Host bridged("", "internetworking_model = \"bridged\""),
        macvtap("", "internetworking_model = \"macvtap\"");
    World world;
    Place one, two;
    world.Connect(one, 2);
    world.Connect(two, 3);
    bridged.Start("server", {"sh", "-c", kSendBack}, "", In(one));
    const Finished client = macvtap.Run("client", {"sh", "-c", kSendAndCompare}, "", In(two));
    CHECK_MESSAGE(client.out == "same\n", client.err);
    CHECK(bridged.Runtime({"delete", "--force", "server"}).status == 0);
    bridged.CheckNoResidue();
    macvtap.CheckNoResidue();
}

TEST_CASE("a link that a model cannot take is joined as by default, with a warning") {
    if (SkipWithoutIp()) return;
    World world;
    Place place;
    Must(world.outside().in() + "ip link add far type veth peer name near");
    Must(world.outside().in() + "ip link set far master br0 up");
    Must(world.outside().in() + "ip link set near up");
    Must(Cat(world.outside().in(), "ip link add link near name up0 type macvlan mode bridge"));
    Must(Cat(world.outside().in(), "ip link set up0 netns ", place.pid(), " name eth0"));
    Must(place.in() + "ip link set eth0 up");
    Must(place.in() + "ip addr add 10.55.0.5/24 dev eth0");
    const std::string before = Links(place);
    for (const char* model : {"bridged", "macvtap"}) {
        CAPTURE(model);
        Host host("", Cat("internetworking_model = \"", model, "\""));
        const std::string log = host.directory() + "/runtime.log",
                          bundle = host.Bundle("c1", {"ping", "-c", "1", "-W", "5", "10.55.0.1"},
                                               In(place));
        const Finished run = host.Runtime({"--log", log, "run", "--bundle", bundle, "c1"});
        CHECK_MESSAGE(Has(run.out, " 0% packet loss"), run.out, run.err);
        const std::string said = ReadFile(log, 1 << 20).value_or("");
        CHECK(Has(said, "instead of macvtap") == (std::string(model) == "macvtap"));
        CHECK(Links(place) == before);
    }
}

TEST_CASE("with several processors a network has as many queues") {
    if (SkipWithoutIp()) return;
    if (::sysconf(_SC_NPROCESSORS_ONLN) < 2) return Skip("this host has one processor");
    for (const char* model : {"tcfilter", "bridged", "macvtap"}) {
        CAPTURE(model);
        Host host("default_vcpus = 2", Cat("internetworking_model = \"", model, "\""));
        World world;
        Place place;
        world.Connect(place, 2);
        host.Start("c1", {"sh", "-c", kSendBack}, "", In(place));
        const std::string queues = Ask(host, "c1", "ls /sys/class/net/eth0/queues");
        for (const char* one : {"rx-0", "rx-1", "tx-0", "tx-1"})
            CHECK_MESSAGE(Has(queues, one), queues);
        // One that is plugged in has them, too.
        ConnectMore(world, place, "eth1");
        CHECK(Becomes(host, "ls /sys/class/net/eth1/queues", "rx-1"));
        const Finished sent = Shell(
            Cat("export D=", host.directory(), "; head -c 1000000 /dev/zero >$D/sent; ",
                "for i in 1 2 3 4 5; do ", world.outside().in(), host.rootfs(),
                "/bin/busybox nc -w 20 10.55.0.2 7000 <$D/sent >$D/back && cmp $D/sent $D/back && ",
                "echo same && exit; sleep 1; done"));
        CHECK_MESSAGE(sent.out == "same\n", sent.out, sent.err);
        CHECK(host.Runtime({"delete", "--force", "c1"}).status == 0);
        host.CheckNoResidue();
    }
}

TEST_CASE("a clone has the queues of its template") {
    if (SkipWithoutIp()) return;
    if (::sysconf(_SC_NPROCESSORS_ONLN) < 2) return Skip("this host has one processor");
    Host host = Host::WithTemplates("vm_cache_number = 0", "default_vcpus = 2");
    World world;
    Place place;
    world.Connect(place, 2);
    host.Start("c1", {"sleep", "1000"}, "", In(place));
    CHECK(Has(Ask(host, "c1", "ls /sys/class/net/eth0/queues"), "rx-1"));
    CHECK(Has(Ask(host, "c1", "ping -c 3 -W 5 10.55.0.1"), " 0% packet loss"));
    CHECK(Reaches(host, world, "10.55.0.2"));
    CHECK(host.Runtime({"delete", "--force", "c1"}).status == 0);
}

namespace {

// A user-space switch with one port, on the bridge of the outside world, for a link with this
// address.
class Switch {
  public:
    Switch(const World& world, const std::string& address, const std::string& port)
        : directory_("/tmp/vhostuser_" + address) {
        const std::string socket = directory_ + "/vhu.sock";
        REQUIRE(RemoveTree(directory_));
        REQUIRE(MakeDirectories(directory_, 0755));
        SpawnOptions options;
        options.executable = "/usr/bin/nsenter";
        options.arguments = {"nsenter", "--net=" + world.outside().path(), CC_VHOST_USER_SWITCH,
                             socket, port};
        process_ = Spawn(options).value();
        for (int i = 0; i < 500 && !Exists(socket); ++i)
            ::usleep(10000);
        Must(Cat(world.outside().in(), "ip link set ", port, " master br0 up"));
    }
    ~Switch() {
        // It ends with the machine.
        CHECK(process_.WaitEnd(std::chrono::seconds(10)).value_or(false));
        process_.Kill();
        (void)process_.Reap();
        CHECK(RemoveTree(directory_));
    }
    Switch(const Switch&) = delete;
    Switch& operator=(const Switch&) = delete;

  private:
    std::string directory_;
    Process process_;
};

// What such an engine makes: a link that says what the address is, and leads nowhere.
void AddServed(const Place& place, const std::string& name, const std::string& address) {
    Must(Cat(place.in(), "ip link add ", name, " type veth peer name no-", name));
    Must(Cat(place.in(), "ip link set ", name, " up"));
    Must(Cat(place.in(), "ip addr add ", address, "/24 dev ", name));
}

}  // namespace

TEST_CASE("links that programs serve by vhost-user are the guest's, from the start and later") {
    if (SkipWithoutIp()) return;
    Host host;
    World world;
    Place place;
    Must(world.outside().in() + "ip addr add 10.56.0.1/24 dev br0");
    AddServed(place, "eth0", "10.55.0.200");
    Must(place.in() + "ip link set eth0 address 02:42:0a:37:00:c8");
    Must(place.in() + "ip route add default via 10.55.0.1");
    const std::string before = Links(place);
    const Switch first(world, "10.55.0.200", "port200"), second(world, "10.56.0.200", "port201");
    host.Start("c1", {"sleep", "1000"}, "", In(place));
    const std::string inside = Ask(host, "c1", "ip addr show eth0");
    for (const char* part : {"02:42:0a:37:00:c8", "10.55.0.200/24"})
        CHECK_MESSAGE(Has(inside, part), part, " in ", inside);
    CHECK(Has(Ask(host, "c1", "ping -c 3 -W 5 10.55.0.1"), " 0% packet loss"));
    CHECK(Reaches(host, world, "10.55.0.200"));
    // Nothing of the machine's is in the namespace.
    CHECK(Links(place) == before);

    AddServed(place, "eth1", "10.56.0.200");
    CHECK(Becomes(host, "ip -o addr", "10.56.0.200/24"));
    CHECK(Has(Ask(host, "c1", "ping -c 3 -W 5 10.56.0.1"), " 0% packet loss"));
    CHECK(Reaches(host, world, "10.56.0.200"));
    CHECK(host.Runtime({"delete", "--force", "c1"}).status == 0);
    Must(place.in() + "ip link delete eth1");
    CHECK(Links(place) == before);
    host.CheckNoResidue();
}

}  // namespace cc::test
