// SPDX-License-Identifier: Apache-2.0
// Shims that miss their proxy and ask the keeper of their VM for one: the test plays both.
#include <csignal>

#include <doctest/doctest.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/text.h"
#include "protocol/shim_start.h"
#include "protocol/vm_verbs.h"
#include "tests/unit/shim/scripted_proxy.h"

namespace cc::test {

namespace {

class ScriptedKeeper {
  public:
    explicit ScriptedKeeper(std::string path)
        : path_(std::move(path)), listener_(ListenUnix(path_, SOCK_SEQPACKET, 0600).value()) {}

    const std::string& path() const { return path_; }
    bool HasCaller(int milliseconds) const {
        pollfd waiting{listener_.get(), POLLIN, 0};
        return ::poll(&waiting, 1, milliseconds) == 1;
    }
    ProxyAddress TakeRequest() {
        REQUIRE(HasCaller(20000));
        peer_ = Fd::Adopt(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
        const auto packet = ReceiveWithFds(peer_.get(), kMaxVmMessage);
        REQUIRE(packet);
        const auto request = ParseVmRequest(packet->bytes);
        REQUIRE(request);
        CHECK(request->verb == VmVerb::kStartProxy);
        return request->proxy;
    }
    void Answer(const VmReply& reply) {
        REQUIRE(SendWithFds(peer_.get(), Encode(reply, VmVerb::kStartProxy), {}));
    }
    void Go() {
        peer_.Reset();
        listener_.Reset();
        ::unlink(path_.c_str());
    }

  private:
    std::string path_;
    Fd listener_, peer_;
};

Process StartToldShim(const TempDirectory& directory, const FdPair& err) {
    const ShimStart start{.token = kToken,
                          .uri = "unix://" + (directory / "proxy.sock"),
                          .keeper = directory / "vm.sock",
                          .proxy_executable = "/bin/cc-proxy",
                          .proxy_log_level = "error",
                          .proxy_ksm = "off"};
    FdPair pipe = MakePipe().value();
    REQUIRE(WriteAll(pipe.second.get(), Encode(start)));
    pipe.second.Reset();
    return StartShim({"-c", "box", "-r", "5", "--start-fd", "3"},
                     {-1, -1, err.second.get(), pipe.first.get()});
}

struct Scene {
    TempDirectory directory;
    ScriptedProxy proxy{directory / "proxy.sock", kClientVersion3};
    ScriptedKeeper keeper{directory / "vm.sock"};
    FdPair err = MakePipe().value();
    Process shim;

    void Start() {
        shim = StartToldShim(directory, err);
        err.second.Reset();
    }
    void EndProxy() {
        proxy.StopListening();
        proxy.Hang();
    }
    void End(int status) {
        proxy.Send(EncodeNotification(Notification::kProcessExited, Encode(ProcessEnd{status, 0})));
        CHECK(WaitExit(shim) == status);
    }
    void CheckSignal(int number) {
        REQUIRE(shim.Signal(number));
        const auto frame = proxy.Next();
        REQUIRE(frame);
        CHECK(ParseSignal(frame->payload, kClientVersion3)->number == number);
    }
};

}  // namespace

TEST_CASE("a shim that misses its proxy has the keeper start one, and another when that dies") {
    Scene scene;
    scene.Start();
    scene.proxy.Accept();
    for (int death = 0; death < 2; ++death) {
        scene.EndProxy();
        CHECK(scene.keeper.TakeRequest() ==
              ProxyAddress{scene.directory / "proxy.sock", "/bin/cc-proxy", "error", "off"});
        scene.proxy.Listen();
        scene.keeper.Answer({});
        scene.proxy.Accept();
        scene.CheckSignal(SIGUSR1);
    }
    scene.End(3);
}

TEST_CASE(
    "a shim that finds no proxy at its beginning asks for one, and SIGCHLD goes to the guest") {
    Scene scene;
    scene.proxy.StopListening();
    scene.Start();
    scene.keeper.TakeRequest();
    scene.proxy.Listen();
    scene.keeper.Answer({});
    scene.proxy.Accept();
    scene.CheckSignal(SIGCHLD);
    scene.End(4);
}

TEST_CASE("a shim asks again while somebody else is said to start the proxy, not all the time") {
    Scene scene;
    scene.Start();
    scene.proxy.Accept();
    scene.EndProxy();
    const auto begin = std::chrono::steady_clock::now();
    for (int i = 0; i < 5; ++i) {
        scene.keeper.TakeRequest();
        scene.keeper.Answer({});
    }
    CHECK(std::chrono::steady_clock::now() - begin > std::chrono::milliseconds(350));
    scene.keeper.TakeRequest();  // the keeper hangs; somebody starts a proxy all the same
    scene.proxy.Listen();
    scene.proxy.Accept();
    scene.End(5);
}

TEST_CASE("why a proxy cannot run says the shim that gives up") {
    Scene scene;
    scene.Start();
    scene.proxy.Accept();
    scene.EndProxy();
    int requests = 0;
    while (scene.keeper.HasCaller(3000)) {
        scene.keeper.TakeRequest();
        scene.keeper.Answer({.error = "starting cc-proxy: no space left"});
        ++requests;
    }
    CHECK(requests <= 6);
    const std::string error = ReadBytes(scene.err.first.get(), 4096);
    CHECK(error.find("no cc-proxy answered") != std::string::npos);
    CHECK(error.find("starting cc-proxy: no space left") != std::string::npos);
    CHECK(WaitExit(scene.shim) == 1);
}

TEST_CASE("a shim that has lost its proxy and its keeper knows that its VM has ended") {
    Scene scene;
    scene.Start();
    scene.proxy.Accept();
    scene.EndProxy();
    scene.keeper.TakeRequest();
    scene.keeper.Go();
    CHECK(ReadBytes(scene.err.first.get(), 4096) ==
          "cc-shim: the virtual machine of container box has ended\n");
    CHECK(WaitExit(scene.shim) == 137);
}

TEST_CASE("a shim that finds neither proxy nor keeper at its beginning ends at once") {
    Scene scene;
    scene.proxy.StopListening();
    scene.keeper.Go();
    scene.Start();
    CHECK(WaitExit(scene.shim) == 137);
}

}  // namespace cc::test
