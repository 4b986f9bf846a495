// SPDX-License-Identifier: Apache-2.0
// The router on a listening socket and a loop. Decides when the process has nothing more to do.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include <sys/types.h>

#include "base/fd.h"
#include "base/uv/loop.h"
#include "proxy/ksm_throttle.h"
#include "proxy/listener.h"
#include "proxy/router.h"
#include "proxy/slimming.h"
#include "proxy/socket_world.h"
#include "proxy/status_server.h"

namespace cc::proxy {

struct ServerOptions {
    std::string socket_path;  // for what clients are told, and for leaving
    // Ends when there has been neither a VM nor a client for this long; zero: never.
    std::chrono::milliseconds idle_exit{};
    // 3.0's pod mode: takes no more callers once its VM is unregistered, ends with that VM.
    bool pod = false;
    // Directory of the records by which the next proxy adopts the VMs; empty: none are kept.
    std::string records = {};
    // Changes the pace of page sharing, without waiting; empty: nobody shall.
    KsmThrottle::Tune tune_ksm = {};
};

class Server {
  public:
    static Result<std::unique_ptr<Server>> Start(uv::Loop& loop, Fd listener,
                                                 const ServerOptions& options,
                                                 std::function<void()> on_done);
    ~Server();
    Router::Counts counts() const { return router_.counts(); }
    void RemoveSocket();  // unless the path is somebody else's by now

  private:
    Server(uv::Loop& loop, const ServerOptions& options, std::function<void()> on_done);
    void Settled();
    void ArmDeadlines();
    void RunDeadlines();
    bool Idle() const;
    bool OwnsSocket() const;
    void TryToLeave();
    void OpenStatus();
    std::optional<StatusPage> MakeStatusPage(std::string_view path);

    uv::Loop& loop_;
    const ServerOptions options_;
    const std::function<void()> on_done_;
    uv::Timer deadline_timer_;
    uv::NextTurn deadline_turn_;  // for what is due already
    std::optional<std::chrono::milliseconds> armed_for_;
    uv::Timer idle_timer_;
    uv::Timer status_timer_;
    SocketWorld world_;
    Router router_;
    std::optional<KsmThrottle> ksm_throttle_;
    Slimming slimming_;
    std::unique_ptr<Listener> listener_;
    const std::chrono::milliseconds started_;
    std::unique_ptr<StatusServer> status_;
    bool status_failure_logged_ = false;
    // Which file the socket is, to remove no other.
    dev_t socket_device_ = 0;
    ino_t socket_inode_ = 0;
};

}  // namespace cc::proxy
