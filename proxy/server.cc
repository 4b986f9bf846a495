// SPDX-License-Identifier: Apache-2.0
#include "proxy/server.h"

#include <algorithm>
#include <cstdio>

#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/text.h"
#include "proxy/metrics.h"
#include "proxy/status.h"

namespace cc::proxy {

using std::chrono::milliseconds;

namespace {
// A proxy that is about to leave may still have the status socket.
constexpr milliseconds kStatusRetry{5000};
}  // namespace

Result<std::unique_ptr<Server>> Server::Start(uv::Loop& loop, Fd listener,
                                              const ServerOptions& options,
                                              std::function<void()> on_done) {
    auto server = std::unique_ptr<Server>(new Server(loop, options, std::move(on_done)));
    CC_ASSIGN(server->listener_,
              Listener::Open(loop, std::move(listener), kSparedDescriptors,
                             [&s = *server](Fd fd, uid_t user) {
                                 auto stream = MakeClientStream(s.loop_, std::move(fd));
                                 if (stream)
                                     s.router_.AddClient(std::move(*stream), user);
                                 else
                                     Log(LogLevel::kWarn, stream.error().message);
                             }));
    for (const auto& record : server->world_.records().Load())
        server->router_.Adopt(record);
    server->OpenStatus();
    server->Settled();
    return server;
}

Server::Server(uv::Loop& loop, const ServerOptions& options, std::function<void()> on_done)
    : loop_(loop),
      options_(options),
      on_done_(std::move(on_done)),
      deadline_timer_(loop, [this] { RunDeadlines(); }),
      deadline_turn_(loop, [this] { RunDeadlines(); }),
      idle_timer_(loop, [this] { TryToLeave(); }),
      status_timer_(loop, [this] { OpenStatus(); }),
      world_(loop, RecordFolder(options.records), [this] { Settled(); }),
      router_(world_, Cat("unix://", options.socket_path)),
      slimming_(loop, router_),
      started_(world_.Now()) {
    if (options_.tune_ksm) {
        ksm_throttle_.emplace(router_, options_.tune_ksm);
        router_.SetVmRegistered([this] { ksm_throttle_->Kick(); });
    }
    struct stat status {};
    if (::stat(options_.socket_path.c_str(), &status) < 0) return;
    socket_device_ = status.st_dev;
    socket_inode_ = status.st_ino;
}

Server::~Server() = default;

void Server::Settled() {
    slimming_.Settled();
    ArmDeadlines();
    if (options_.pod && counts().served_any && counts().registered_vms == 0) {
        if (listener_) RemoveSocket();
        listener_.reset();
        if (counts().vms == 0) on_done_();
    }
    if (options_.idle_exit == milliseconds{}) return;
    if (!Idle())
        idle_timer_.Stop();
    else if (!idle_timer_.active())
        idle_timer_.Start(options_.idle_exit);
}

void Server::ArmDeadlines() {
    const auto next = router_.NextDeadline();
    // A timer that fires for a deadline that was cancelled costs less than arming it each time.
    if (!next || (armed_for_ && *armed_for_ <= *next)) return;
    armed_for_ = next;
    const milliseconds left = *next - world_.Now();
    if (left > milliseconds{0})
        deadline_timer_.Start(left);
    else
        deadline_turn_.Start();
}

void Server::RunDeadlines() {
    armed_for_.reset();
    router_.RunDeadlines();
}

bool Server::Idle() const {
    const auto now = counts();
    return now.clients == 0 && now.registered_vms == 0 && now.vms == 0;
}

// Must not race with a client that has just connected: it would lose its proxy without knowing why.
// A client that finds no socket takes the lock before it starts another proxy; so under the lock
// the socket's name goes first, then nobody new can come, and then it shows whether anybody has.
void Server::TryToLeave() {
    if (!Idle()) return;
    const std::string& path = options_.socket_path;
    const auto lock =
        FileLock::Acquire(path + ".lock", FileLock::Mode::kExclusive, milliseconds{0});
    // Without its directory the socket cannot be found by anybody.
    if (!lock && lock.error().code != ENOENT) return idle_timer_.Start(options_.idle_exit);
    const std::string aside = path + ".leaving";
    const bool renamed = OwnsSocket() && std::rename(path.c_str(), aside.c_str()) == 0;
    if (listener_->HasCaller()) {
        if (renamed) std::rename(aside.c_str(), path.c_str());
        return idle_timer_.Start(options_.idle_exit);
    }
    if (renamed) ::unlink(aside.c_str());
    status_.reset();
    Log(LogLevel::kInfo, "nothing left to serve: leaving");
    on_done_();
}

// Nobody is served worse without it.
void Server::OpenStatus() {
    auto opened =
        StatusServer::Open(loop_, StatusSocketPath(options_.socket_path),
                           [this](std::string_view path) { return MakeStatusPage(path); });
    if (opened) {
        status_ = std::move(*opened);
        return;
    }
    status_timer_.Start(kStatusRetry);
    if (!std::exchange(status_failure_logged_, true))
        Log(LogLevel::kWarn, "no metrics and no --status", {{"error", opened.error().message}});
}

std::optional<StatusPage> Server::MakeStatusPage(std::string_view path) {
    const milliseconds uptime = world_.Now() - started_;
    if (path == "/metrics")
        return StatusPage{"text/plain; version=0.0.4; charset=utf-8",
                          PrometheusText(router_.TakeSnapshot(), uptime)};
    if (path == "/status")
        return StatusPage{"application/json", StatusJson({options_.socket_path,
                                                          options_.pod ? "pod" : "system", uptime},
                                                         router_.TakeSnapshot())};
    return std::nullopt;
}

bool Server::OwnsSocket() const {
    struct stat status {};
    return ::stat(options_.socket_path.c_str(), &status) == 0 && status.st_dev == socket_device_ &&
           status.st_ino == socket_inode_;
}

void Server::RemoveSocket() {
    if (OwnsSocket()) ::unlink(options_.socket_path.c_str());
}

}  // namespace cc::proxy
