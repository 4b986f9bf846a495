// SPDX-License-Identifier: Apache-2.0
// QEMU's machine protocol, the client's side: JSON objects, one a line, over a stream that both
// sides inherited. (QEMU's docs/interop/qmp-spec.)
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "base/json.h"
#include "base/uv/channel.h"

namespace cc::qemu {

struct QmpEvent {
    std::string name;  // "SHUTDOWN", "STOP" ...
    // Members of its data, where there are such.
    std::string reason;
    std::string status;
    std::string device;  // its id
};

class QmpClient {
  public:
    using Done = std::function<void(Result<std::string>)>;  // what was returned, as JSON text
    struct Callbacks {
        // QEMU has greeted and takes commands.
        std::function<void()> on_ready;
        std::function<void(const QmpEvent&)> on_event;
        // The stream ended (success) or is of no use any more: broken, or what came was no QMP.
        // Called once. Commands that wait for their answer have failed before.
        std::function<void(Result<void>)> on_end;
    };
    // No message of QEMU's that we ask for comes near it.
    static constexpr size_t kMaxLine = 1 << 20;

    // Callbacks may destroy the client.
    static Result<std::unique_ptr<QmpClient>> Open(uv::Loop& loop, Fd stream, Callbacks callbacks);
    ~QmpClient();

    // `arguments` is a JSON object or empty. Without an answer before the deadline `done` gets an
    // error that names it.
    void Execute(std::string_view command, std::string_view arguments,
                 std::chrono::milliseconds deadline, Done done);
    // The same; QEMU receives `fd` with the command, as getfd wants it.
    void ExecuteWithFd(std::string_view command, std::string_view arguments, const Fd& fd,
                       std::chrono::milliseconds deadline, Done done);

  private:
    struct Pending {
        std::string command;
        Done done;
        std::unique_ptr<uv::Timer> timer;
    };
    QmpClient(uv::Loop& loop, Callbacks callbacks)
        : loop_(loop), callbacks_(std::move(callbacks)) {}
    // Notes who waits and returns the line to send.
    std::string Line(std::string_view command, std::string_view arguments,
                     std::chrono::milliseconds deadline, Done done);
    void OnData(std::string_view bytes);
    Result<void> OnLine(std::string_view line);
    Result<void> OnGreeting(const Json& message);
    void OnAnswer(const Json& message);
    void Finish(uint64_t id, Result<std::string> how);
    void End(Result<void> how);

    uv::Loop& loop_;
    Callbacks callbacks_;
    std::unique_ptr<uv::Channel> channel_;
    std::string line_;  // the beginning of a line whose end has not come yet
    std::map<uint64_t, Pending> pending_;
    uint64_t last_id_ = 0;
    bool greeted_ = false;
    std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace cc::qemu
