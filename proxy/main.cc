// SPDX-License-Identifier: Apache-2.0
#include "proxy/main.h"

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <memory>
#include <optional>

#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/text.h"
#include "host/leave_caller.h"
#include "proxy/ksm_thread.h"
#include "proxy/options.h"
#include "proxy/server.h"
#include "proxy/status.h"

namespace cc {

namespace {

using namespace proxy;

constexpr unsigned kSocketMode = 0660;
constexpr unsigned kDirectoryMode = 0750;
constexpr std::chrono::milliseconds kIdleExit{5000};
constexpr std::string_view kLogName = "proxy.log";

std::string DirectoryOf(const std::string& path) {
    return path.substr(0, std::max<size_t>(path.rfind('/'), 1));
}

// Each VM takes two descriptors, each shim one: the soft limit is for programs with select(2).
void RaiseDescriptorLimit() {
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) < 0) return;
    limit.rlim_cur = limit.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &limit);
}

Result<Fd> OpenListener(Options& options) {
    if (options.listen_fd < 0) {
        CC_TRY(MakeDirectories(DirectoryOf(options.socket_path), kDirectoryMode));
        return ListenUnix(options.socket_path, SOCK_STREAM, kSocketMode);
    }
    Fd fd = Fd::Adopt(options.listen_fd);
    CC_TRY(SetCloseOnExec(fd.get(), true));
    sockaddr_un address{};
    socklen_t size = sizeof address;
    if (::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&address), &size) < 0)
        return FailErrno("asking for the name of the socket from LISTEN_FDS");
    if (address.sun_family != AF_UNIX || address.sun_path[0] != '/')
        return Fail("the descriptor from LISTEN_FDS is no UNIX socket with a path");
    options.socket_path = address.sun_path;
    return fd;
}

Result<void> StartProxyLog(const Options& options) {
    LogOptions log;
    log.name = "cc-proxy";
    log.level = options.log_level;
    log.format = options.log_format;
    log.path = options.log_file;
    log.syslog = options.syslog;
    if (options.on_demand && log.path.empty())
        log.path = Cat(DirectoryOf(options.socket_path), "/", kLogName);
    return StartLog(log);
}

KsmPaths KsmPathsFor(const Options& options) {
    KsmPaths paths;
    paths.record = KsmRecordOf(options.socket_path);
    if (!options.ksm_root.empty()) paths.root = options.ksm_root;
    return paths;
}

ServerOptions OptionsFor(const Options& options, const std::unique_ptr<KsmThread>& ksm) {
    ServerOptions server;
    server.socket_path = options.socket_path;
    if (options.on_demand) server.idle_exit = kIdleExit;
    server.pod = options.pod;
    // 3.0's runtime starts no second proxy for a VM.
    if (!options.pod) server.records = options.socket_path + ".vms";
    if (options.ksm == KsmMode::kAuto)
        server.tune_ksm = [&ksm](KsmPace pace) {
            if (ksm) ksm->Apply(pace);
        };
    return server;
}

Result<void> Serve(Options options, const std::function<void()>& on_ready) {
    std::vector<std::string> complaints;
    if (options.on_demand) {
        CC_TRY(MakeDirectories(DirectoryOf(options.socket_path), kDirectoryMode));
        complaints = LeaveCaller(DirectoryOf(options.socket_path), options.ready_fd);
    }
    CC_TRY(StartProxyLog(options));
    for (const auto& complaint : complaints)
        Log(LogLevel::kInfo, complaint);
    if (!options.ignored.empty())
        Log(LogLevel::kWarn, "options of 3.0's profiler are ignored",
            {{"options", Join(options.ignored, " ")}});
    RaiseDescriptorLimit();
    const bool activated = options.listen_fd >= 0;
    CC_ASSIGN(Fd listener, OpenListener(options));

    uv::Loop loop;
    std::unique_ptr<KsmThread> ksm;
    const auto end = [&] {
        // While the socket still is ours to remove: the next proxy shall find things put back.
        if (ksm) ksm->End();
        loop.Stop();
    };
    CC_ASSIGN(const auto server,
              Server::Start(loop, std::move(listener), OptionsFor(options, ksm), end));
    uv::SignalWatch terminate(loop, [&end](int) { end(); });
    uv::SignalWatch interrupt(loop, [&end](int) { end(); });
    CC_TRY(terminate.Start(SIGTERM));
    CC_TRY(interrupt.Start(SIGINT));
    uv::SignalWatch hang_up(loop, [](int) {
        const auto reopened = ReopenLog();
        Log(reopened ? LogLevel::kInfo : LogLevel::kWarn,
            reopened ? "the log was reopened" : reopened.error().message);
    });
    CC_TRY(hang_up.Start(SIGHUP));
    Log(LogLevel::kInfo, options.pod ? "starting in pod mode" : "starting in system mode",
        {{"socket", options.socket_path}});
    // Not before: the record beside the socket is that of the proxy whose socket it is.
    ksm = StartKsm(KsmPathsFor(options), options.ksm);
    on_ready();
    DropProgramPages();
    loop.Run();
    if (!activated) server->RemoveSocket();
    Log(LogLevel::kInfo, "ended");
    return {};
}

Result<void> ShowStatus(const Options& options) {
    CC_ASSIGN(std::string text, AskStatus(options.socket_path));
    if (options.json) {
        text += "\n";
    } else {
        CC_ASSIGN(text, StatusTable(text));
    }
    return WriteAll(STDOUT_FILENO, text);
}

// The caller waits for one line: empty, or what is wrong.
void Tell(Fd& ready, std::string_view text) {
    if (ready) (void)WriteAll(ready.get(), Cat(text, "\n"));
    ready.Reset();
}

int Run(const CliValues& values) {
    auto options = ParseOptions(values);
    Fd ready;
    if (const auto fd = ParseNumber<int>(values.Get("ready-fd")); fd && *fd >= 0) {
        ready = Fd::Adopt(*fd);
        (void)SetCloseOnExec(*fd, true);
    }
    const auto serve = [&]() -> Result<void> {
        if (!options) return Failure(options.error());
        if (options->status) return ShowStatus(*options);
        return Serve(*options, [&] { Tell(ready, ""); });
    };
    const auto served = serve();
    if (served) return 0;
    if (ready)
        Tell(ready, served.error().message);
    else
        std::fprintf(stderr, "cc-proxy: %s\n", served.error().message.c_str());
    return 1;
}

}  // namespace

int ProxyMain(const std::vector<std::string>& arguments) {
    CliProgram program = MakeProgram();
    program.run = Run;
    return RunCli(program, arguments);
}

}  // namespace cc
