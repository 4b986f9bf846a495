// SPDX-License-Identifier: Apache-2.0
// cc-proxy as a process: options, socket activation, pod mode, running out of descriptors.
#include <algorithm>
#include <cstdio>

#include <sys/resource.h>
#include <sys/stat.h>

#include "protocol/agent_frame.h"
#include "proxy/vm_record.h"
#include "tests/datagrams.h"
#include "tests/fakes/fake_agent.h"
#include "tests/unit/proxy/real_server.h"

namespace cc::proxy {
namespace {

using test::FakeAgent;

// What the program writes to its ready descriptor, up to the end of file.
struct Started {
    std::string ready;
    std::unique_ptr<RealProcess> process;
};
Started StartWithReadyFd(std::vector<std::string> arguments) {
    auto pipe = MakePipe().value();
    arguments.insert(arguments.end(), {"--ready-fd", Cat(pipe.second.get())});
    Started started;
    started.process = std::make_unique<RealProcess>(arguments);
    pipe.second.Reset();
    started.ready = ReadAll(pipe.first.get(), 65536).value();
    return started;
}

TEST_CASE("the program makes directory and socket, says when it listens, and cleans up at TERM") {
    TemporaryFolder folder;
    const std::string socket = folder.path + "/run/proxy.sock";
    const auto started = StartWithReadyFd({"-socket-path", socket, "-ksm", "initial"});
    CHECK(started.ready == "\n");
    struct stat status {};
    REQUIRE(::stat(socket.c_str(), &status) == 0);
    CHECK((status.st_mode & 07777) == 0660);
    REQUIRE(::stat((folder.path + "/run").c_str(), &status) == 0);
    CHECK((status.st_mode & 07777) == 0750);
    const auto second = StartWithReadyFd({"-socket-path", socket});
    CHECK(second.ready == socket + " is already being served\n");
    CHECK(second.process->WaitExit() == 1);
    { RealClient still_there(socket); }
    ::kill(started.process->pid, SIGTERM);
    CHECK(started.process->WaitExit() == 0);
    CHECK_FALSE(Exists(socket));
}

TEST_CASE("options are taken with one dash and with two, wrong ones are errors") {
    TemporaryFolder folder;
    const std::string socket = folder.path + "/p.sock";
    for (const char* option : {"-socket-path=", "--socket-path="}) {
        const auto started =
            StartWithReadyFd({option + socket, "-log", "error", "-ksm", "initial"});
        CHECK(started.ready == "\n");
        ::kill(started.process->pid, SIGINT);
        CHECK(started.process->WaitExit() == 0);
    }
    CHECK(StartWithReadyFd({"-socket-path", socket, "-log", "loud"}).ready ==
          "log level \"loud\": use debug, info, warn or error\n");
    CHECK(StartWithReadyFd({"-socket-path", "relative"}).ready.find("slash") != std::string::npos);
    CHECK(StartWithReadyFd({"-socket-path", socket, "-ksm", "on"}).ready ==
          "-ksm \"on\": use off, initial or auto\n");
    CHECK(StartWithReadyFd({"-socket-path", folder.path + "/" + std::string(120, 'x')})
              .ready.find("at most 107") != std::string::npos);
}

TEST_CASE("options of 3.0's profiler are taken, ignored and named in one warning") {
    TemporaryFolder folder;
    const std::string log = folder.path + "/log";
    const auto started =
        StartWithReadyFd({"-socket-path", folder.path + "/p.sock", "-ksm", "initial", "-log-file",
                          log, "-pprof", "-pprof-host", "localhost", "-pprof-port=6060"});
    CHECK(started.ready == "\n");
    const std::string text = ReadFile(log, 65536).value();
    CHECK(text.find("level=warn") != std::string::npos);
    CHECK(text.find("msg=\"options of 3.0's profiler are ignored\" "
                    "options=\"-pprof -pprof-host -pprof-port\"\n") == text.find("msg="));
    CHECK(std::count(text.begin(), text.end(), '\n') == 1);
    ::kill(started.process->pid, SIGTERM);
    CHECK(started.process->WaitExit() == 0);
}

TEST_CASE("a socket can be inherited from a service manager") {
    TemporaryFolder folder;
    const std::string socket = folder.path + "/p.sock";
    auto listener = ListenUnix(socket, SOCK_STREAM, 0660).value();
    RealProcess process({"-ksm", "initial"}, [&] {
        ::dup2(listener.get(), 3);
        ::setenv("LISTEN_PID", Cat(::getpid()).c_str(), 1);
        ::setenv("LISTEN_FDS", "1", 1);
    });
    RealClient client(socket);
    FakeAgent agent(folder.path);
    const auto response =
        client.Call(ClientCommand::kRegisterVm,
                    Encode(RegisterVm{"vm", agent.control_path(), agent.io_path(), "", 0}));
    CHECK(ParseIoResponse(response.payload)->url == "unix://" + socket);
    ::kill(process.pid, SIGTERM);
    CHECK(process.WaitExit() == 0);
    CHECK(Exists(socket));  // the manager's, not ours to remove
}

TEST_CASE("in pod mode the program ends with its VM") {
    TemporaryFolder folder;
    const std::string socket = folder.path + "/p.sock";
    auto started = StartWithReadyFd({"-uri", "unix://" + socket});
    REQUIRE(started.ready == "\n");
    FakeAgent agent(folder.path);
    RealClient runtime(socket);
    // A registration that fails is tried again by 3.0's runtime.
    CHECK(runtime.Ask(ClientCommand::kRegisterVm,
                      Encode(RegisterVm{"vm", "/nope", "/nope", "", 0})) != "");
    CHECK(runtime.Ask(ClientCommand::kRegisterVm,
                      Encode(RegisterVm{"vm", agent.control_path(), agent.io_path(), "", 0})) ==
          "");
    CHECK(runtime.Ask(ClientCommand::kUnregisterVm, Encode(UnregisterVm{"vm"})) == "");
    CHECK(started.process->WaitExit() == 0);
    CHECK_FALSE(Exists(socket));
}

TEST_CASE("out of descriptors, callers wait, nothing spins, and service goes on when it can") {
    TemporaryFolder folder;
    const std::string socket = folder.path + "/p.sock";
    RealProcess process({"-socket-path", socket, "-log", "error", "-ksm", "initial"}, [] {
        const rlimit few{32, 32};
        ::setrlimit(RLIMIT_NOFILE, &few);
    });
    process.WaitForSocket(socket);
    std::vector<std::unique_ptr<RealClient>> clients;
    for (int i = 0; i < 60; ++i)
        clients.push_back(std::make_unique<RealClient>(socket));
    const std::string attach = EncodeCommand(ClientCommand::kAttachVm, Encode(AttachVm{"no", 0}));
    clients.front()->Send(attach);
    CHECK(clients.front()->Next());
    clients.back()->Send(attach);

    const auto ticks = [&] {
        const auto fields = Split(ReadFile(Cat("/proc/", process.pid, "/stat"), 4096).value(), ' ');
        return *ParseNumber<int64_t>(fields[13]) + *ParseNumber<int64_t>(fields[14]);
    };
    const int64_t before = ticks();
    std::this_thread::sleep_for(std::chrono::milliseconds(500));
    // A loop that spins would use the processor all the time: 50 ticks.
    CHECK(ticks() - before < 10);

    for (size_t i = 0; i + 1 < clients.size(); ++i)
        clients[i].reset();
    CHECK(clients.back()->Next());
    clients.clear();
    ::kill(process.pid, SIGTERM);
    CHECK(process.WaitExit() == 0);
}

TEST_CASE("a crowd of callers leaves the descriptors that a VM and its record need") {
    TemporaryFolder folder;
    const std::string socket = folder.path + "/p.sock";
    RealProcess process({"-socket-path", socket, "-log", "error"}, [] {
        const rlimit few{40, 40};
        ::setrlimit(RLIMIT_NOFILE, &few);
    });
    process.WaitForSocket(socket);
    RealClient runtime(socket);
    std::vector<std::unique_ptr<RealClient>> crowd;
    for (int i = 0; i < 60; ++i)
        crowd.push_back(std::make_unique<RealClient>(socket));
    const auto listen = [&](const char* name) {
        return ListenUnix(Cat(folder.path, "/", name), SOCK_STREAM, 0600).value();
    };
    const Fd control = listen("ctl"), io = listen("io");
    runtime.Send(
        EncodeCommand(ClientCommand::kRegisterVm,
                      Encode(RegisterVm{"vm0", folder.path + "/ctl", folder.path + "/io", "", 1})));
    const Fd agent = Fd::Adopt(::accept(control.get(), nullptr, nullptr));
    REQUIRE(WriteAll(agent.get(), EncodeControl(ControlCode::kReady, "")));
    const auto answer = runtime.Next();
    REQUIRE(answer);
    CHECK_FALSE(answer->error);
    const auto names = ListDirectory(socket + ".vms").value();
    const auto is_record = [](const std::string& name) { return name.ends_with(".json"); };
    const auto record = std::find_if(names.begin(), names.end(), is_record);
    REQUIRE(record != names.end());
    const auto text = ReadFile(Cat(socket, ".vms/", *record), 64 << 10);
    REQUIRE(text);
    CHECK(ParseVmRecord(*text).value().sessions.size() == 1);
    ::kill(process.pid, SIGTERM);
    CHECK(process.WaitExit() == 0);
}

TEST_CASE("SIGHUP has the log begun anew, and ends nothing") {
    TemporaryFolder folder;
    const std::string socket = folder.path + "/p.sock", log = folder.path + "/log";
    RealProcess process({"-socket-path", socket, "-log", "info", "--log-file", log});
    process.WaitForSocket(socket);
    // It listens before it has its signals, and answers afterwards.
    RealClient client(socket);
    client.Send(EncodeCommand(ClientCommand::kAttachVm, Encode(AttachVm{"no", 0})));
    CHECK(client.Next());
    REQUIRE(std::rename(log.c_str(), (log + ".1").c_str()) == 0);
    ::kill(process.pid, SIGHUP);
    for (int i = 0; i < kPatience / 10 && !Exists(log); ++i)
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
    CHECK(Exists(log));
    ::kill(process.pid, SIGTERM);
    CHECK(process.WaitExit() == 0);
    CHECK(ReadFile(log, 64 << 10).value().find("ended") != std::string::npos);
}

// What the program prints, and its exit status.
struct Printed {
    std::string out;
    std::string err;
    int status = -1;
};
Printed RunProxy(const std::vector<std::string>& arguments) {
    auto out = MakePipe().value();
    auto err = MakePipe().value();
    RealProcess process(arguments, [&] {
        ::dup2(out.second.get(), STDOUT_FILENO);
        ::dup2(err.second.get(), STDERR_FILENO);
    });
    out.second.Reset();
    err.second.Reset();
    Printed printed;
    printed.out = ReadAll(out.first.get(), 1 << 20).value();
    printed.err = ReadAll(err.first.get(), 1 << 20).value();
    printed.status = process.WaitExit();
    return printed;
}

TEST_CASE("--status shows what the running proxy holds, and says when none runs") {
    TemporaryFolder folder;
    const std::string socket = folder.path + "/proxy.sock";
    const Printed nobody = RunProxy({"--status", "-socket-path", socket});
    CHECK(nobody.status == 1);
    CHECK(nobody.out.empty());
    CHECK(nobody.err == Cat("cc-proxy: no cc-proxy serves ", socket, "\n"));

    const auto started =
        StartWithReadyFd({"-socket-path", socket, "-log", "error", "-ksm", "initial"});
    REQUIRE(started.ready == "\n");
    struct stat status {};
    REQUIRE(::stat((folder.path + "/proxy.metrics.sock").c_str(), &status) == 0);
    CHECK((status.st_mode & 07777) == 0600);
    FakeAgent agent(folder.path, {.extension = 1});
    RealClient runtime(socket);
    CHECK(runtime.Ask(ClientCommand::kRegisterVm,
                      Encode(RegisterVm{"web", agent.control_path(), agent.io_path(), "", 0})) ==
          "");
    const std::string token = runtime.NewToken("web");
    RealClient shim(socket);
    CHECK(shim.Ask(ClientCommand::kConnectShim, Encode(ConnectShim{token})) == "");

    const Printed table = RunProxy({"-status", "-socket-path", socket});
    CHECK(table.status == 0);
    CHECK(table.err.empty());
    CHECK(table.out.find(Cat("pid ", started.process->pid, ", up ")) != std::string::npos);
    CHECK(table.out.find("\nweb  running  extension ") != std::string::npos);
    // The shim of this test is this process.
    CHECK(table.out.find(Cat("claimed  ", ::getpid(), "  ")) != std::string::npos);
    const Printed json = RunProxy({"--status", "--json", "--socket-path", socket});
    CHECK(json.status == 0);
    CHECK(json.out.starts_with("{\"version\":"));
    CHECK(json.out.ends_with("}\n"));
    CHECK(Cat(table.out, json.out).find(token) == std::string::npos);

    ::kill(started.process->pid, SIGTERM);
    CHECK(started.process->WaitExit() == 0);
    CHECK_FALSE(Exists(folder.path + "/proxy.metrics.sock"));
    CHECK(RunProxy({"--json"}).err == "cc-proxy: --json belongs to --status\n");
}

TEST_CASE("a proxy that listens but does not tell its status is told from none") {
    TemporaryFolder folder;
    const std::string socket = folder.path + "/p.sock";
    const Fd listener = ListenUnix(socket, SOCK_STREAM, 0600).value();
    const Printed printed = RunProxy({"--status", "-socket-path", socket});
    CHECK(printed.status == 1);
    CHECK(printed.err.find("cc-proxy runs, but does not tell its status") != std::string::npos);
}

TEST_CASE("logs go to a file and to syslog, as text or JSON") {
    TemporaryFolder folder;
    const std::string socket = folder.path + "/p.sock";
    const std::string log = folder.path + "/own.log";
    const Fd daemon = test::ListenDatagrams(folder.path + "/dev-log");
    // Pod mode logs to syslog anyway; here it shall not be the host's.
    const auto started =
        StartWithReadyFd({"-uri", "unix://" + socket, "-log", "info", "-log-format", "json",
                          "-log-file", log, "--syslog-socket", folder.path + "/dev-log"});
    REQUIRE(started.ready == "\n");
    const std::string line = Split(ReadFile(log, 1 << 20).value(), '\n').at(0);
    CHECK(line.starts_with("{\"time\":\""));
    CHECK(line.ends_with(
        Cat("\"level\":\"info\",\"name\":\"cc-proxy\",\"pid\":", started.process->pid,
            ",\"source\":\"proxy\",\"msg\":\"starting in pod mode\","
            "\"socket\":\"",
            socket, "\"}")));
    const std::string message = test::ReceiveDatagram(daemon);
    CHECK(message.starts_with("<30>"));
    CHECK(message.ends_with(Cat(" cc-proxy[", started.process->pid, "]: ", line)));
    ::kill(started.process->pid, SIGTERM);
    CHECK(started.process->WaitExit() == 0);

    CHECK(RunProxy({"-socket-path", socket, "-log-format", "xml"}).err ==
          "cc-proxy: log format \"xml\": use text or json\n");
    CHECK(RunProxy({"-socket-path", socket, "-log-file", "/proc/no/such"}).status == 1);
}

}  // namespace
}  // namespace cc::proxy
