// SPDX-License-Identifier: Apache-2.0
// The router's world on UNIX sockets and libuv.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/fd.h"
#include "base/uv/loop.h"
#include "proxy/stream.h"

namespace cc::proxy {

Result<std::unique_ptr<Stream>> MakeSocketStream(uv::Loop& loop, Fd fd);

class SocketWorld final : public World {
  public:
    SocketWorld(uv::Loop& loop, std::function<void()> settled)
        : loop_(loop), settled_(std::move(settled)) {}
    Result<std::unique_ptr<Stream>> Connect(const std::string& path) override;
    std::chrono::milliseconds Now() override;
    Result<std::string> NewToken() override;
    void Settled() override { settled_(); }

  private:
    uv::Loop& loop_;
    const std::function<void()> settled_;
};

}  // namespace cc::proxy
