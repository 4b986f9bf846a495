// SPDX-License-Identifier: Apache-2.0
// A second socket of the proxy, for those who look at it: answers "GET <page>" as an HTTP/1.0
// server does, so that `curl --unix-socket` and collectors of metrics can ask. Only the proxy's own
// user may connect. It holds little for a caller and not for long, and serves pages that are made
// when they are asked for.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include <sys/types.h>

#include "base/uv/loop.h"
#include "proxy/listener.h"

namespace cc::proxy {

// Where it is for the proxy on `socket_path`: "…/proxy.metrics.sock" for "…/proxy.sock".
std::string StatusSocketPath(std::string_view socket_path);

struct StatusPage {
    std::string content_type;
    std::string body;
};

class StatusServer {
  public:
    static constexpr size_t kMaxCallers = 16;        // more are closed at once
    static constexpr size_t kMaxRequest = 8 * 1024;  // bytes
    static constexpr std::chrono::milliseconds kDeadline{
        5000};  // of one caller, from first to last

    // The page of this path; nothing when there is none.
    using MakePage = std::function<std::optional<StatusPage>(std::string_view path)>;
    static Result<std::unique_ptr<StatusServer>> Open(
        uv::Loop& loop, const std::string& path, MakePage make_page,
        std::chrono::milliseconds deadline = kDeadline);
    ~StatusServer();  // removes the socket, unless the path is somebody else's by now
    StatusServer(const StatusServer&) = delete;
    StatusServer& operator=(const StatusServer&) = delete;

  private:
    class Caller;
    StatusServer(uv::Loop& loop, std::string path, MakePage make_page);
    void Accept(Fd connection);
    std::string Answer(std::string_view request) const;

    uv::Loop& loop_;
    const std::string path_;
    const MakePage make_page_;
    std::chrono::milliseconds deadline_{};
    // Which file the socket is, to remove no other.
    dev_t device_ = 0;
    ino_t inode_ = 0;
    uint64_t last_caller_ = 0;
    std::unordered_map<uint64_t, std::unique_ptr<Caller>> callers_;
    std::unique_ptr<Listener> listener_;
};

}  // namespace cc::proxy
