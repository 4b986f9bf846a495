// SPDX-License-Identifier: Apache-2.0
// Starting a proxy on demand: small scripts play the proxy.
#include <csignal>
#include <thread>

#include <doctest/doctest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/process.h"
#include "base/text.h"
#include "client/proxy_client.h"
#include "tests/scratch.h"

namespace cc {
namespace {

// Each start is noted in <directory>/starts with the pid; whoever still lives is ended at the end.
class Rig {
  public:
    Rig() { REQUIRE(WriteFileAtomic(scratch_ / "starts", "", 0600)); }
    ~Rig() {
        for (const pid_t pid : Starts()) {
            const auto line = ReadFile(Cat("/proc/", pid, "/cmdline"), 1 << 20);
            if (!line || line->find(scratch_.path()) == std::string::npos)
                continue;  // it has ended
            ::kill(pid, SIGKILL);
            ::waitpid(pid, nullptr, 0);  // those that were started by a child are not ours
        }
    }
    Rig(const Rig&) = delete;
    Rig& operator=(const Rig&) = delete;

    // A program that notes its start and goes on with `script`; "$dir" is this rig's directory.
    ProxyAddress Proxy(const std::string& script) const {
        const std::string path = scratch_ / "cc-proxy";
        REQUIRE(WriteFileAtomic(
            path,
            Cat("#!/bin/sh\ndir=", scratch_.path(),
                "\necho $$ >> $dir/starts\necho \"$@\" > $dir/arguments\n", script, "\n"),
            0755));
        return {.socket = socket(), .executable = path};
    }
    // Listens like a proxy and says so.
    ProxyAddress Listening() const {
        return Proxy(
            "sock=$dir/run/proxy.sock\n"
            "socat UNIX-LISTEN:$sock,fork,unlink-early PIPE 3>&- &\n"
            "echo $! >> $dir/listeners\n"
            // Not only the file: that is there before somebody listens.
            "until socat -u OPEN:/dev/null UNIX-CONNECT:$sock 2>/dev/null; do sleep 0.01; done\n"
            "echo >&3\nexec 3>&-\nwait");
    }
    std::string socket() const { return scratch_ / "run/proxy.sock"; }
    std::string path(std::string_view name) const { return scratch_ / name; }
    std::vector<pid_t> Starts() const {
        std::vector<pid_t> pids;
        for (const char* file : {"starts", "listeners"}) {
            const auto text = ReadFile(scratch_ / file, 1 << 20);
            for (const auto& line : Split(text.value_or(""), '\n'))
                if (const auto pid = ParseNumber<pid_t>(line)) pids.push_back(*pid);
        }
        return pids;
    }

  private:
    test::Scratch scratch_;
};

}  // namespace

TEST_CASE("without a program to start, nobody listening is an error that names the socket") {
    const Rig rig;
    const auto client = ProxyClient::Connect({.socket = rig.socket(), .executable = ""});
    REQUIRE_FALSE(client);
    CHECK(client.error().message == Cat("connecting to cc-proxy: connecting to ", rig.socket(),
                                        ": No such file or directory"));
}

TEST_CASE("the first client starts a proxy, with a directory and a session of its own") {
    const Rig rig;
    const auto client = ProxyClient::Connect(rig.Listening());
    REQUIRE_MESSAGE(client, client.error().message);
    CHECK(Exists(rig.path("run")));
    CHECK(Trim(ReadFile(rig.path("arguments"), 1000).value()) ==
          Cat("-socket-path ", rig.socket(), " -log warn --on-demand --ready-fd 3"));
    const pid_t proxy = rig.Starts().front();
    CHECK(::getsid(proxy) == proxy);
    CHECK(ProxyClient::Connect(rig.Listening()));  // the second one finds it
    CHECK(rig.Starts().size() == 2);               // one start, one listener
}

TEST_CASE("a proxy is told about page sharing where the configuration does") {
    const Rig rig;
    auto address = rig.Listening();
    address.ksm = "off";
    REQUIRE(ProxyClient::Connect(address));
    CHECK(Trim(ReadFile(rig.path("arguments"), 1000).value()) ==
          Cat("-socket-path ", rig.socket(), " -log warn --on-demand --ready-fd 3 -ksm off"));
}

TEST_CASE("a proxy that fails tells why, one that ends without a word is told so, none is left") {
    const Rig rig;
    const auto told =
        ProxyClient::Connect(rig.Proxy("echo 'no space left' >&3; exec sleep 1000 3>&-"));
    REQUIRE_FALSE(told);
    CHECK(told.error().message == "starting cc-proxy: no space left");
    const auto silent = ProxyClient::Connect(rig.Proxy("exit 0"));
    REQUIRE_FALSE(silent);
    CHECK(silent.error().message == "starting cc-proxy: it ended without a word");
    auto missing = rig.Proxy("");
    missing.executable = rig.path("none");
    CHECK(ProxyClient::Connect(missing).error().message.find("none: No such file") !=
          std::string::npos);
    CHECK(::waitpid(-1, nullptr, WNOHANG) == -1);  // no child of ours, no zombie
    CHECK(errno == ECHILD);
}

TEST_CASE("of ten clients at once one starts the proxy and all connect") {
    const Rig rig;
    const ProxyAddress address = rig.Listening();
    // Processes, as in life: each has its own descriptors and locks.
    std::vector<pid_t> clients;
    for (int i = 0; i < 10; ++i) {
        const pid_t pid = ::fork();
        REQUIRE(pid >= 0);
        if (pid == 0) ::_exit(ProxyClient::Connect(address) ? 0 : 1);
        clients.push_back(pid);
    }
    for (const pid_t pid : clients) {
        int status = -1;
        CHECK(::waitpid(pid, &status, 0) == pid);
        CHECK(status == 0);
    }
    CHECK(rig.Starts().size() == 2);  // one start, one listener
}

}  // namespace cc
