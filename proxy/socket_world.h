// SPDX-License-Identifier: Apache-2.0
// The router's world on UNIX sockets and libuv.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/fd.h"
#include "base/uv/loop.h"
#include "protocol/client_messages.h"
#include "proxy/record_folder.h"
#include "proxy/stream.h"

namespace cc::proxy {

// Of a client that has connected to the proxy.
Result<std::unique_ptr<Stream>> MakeClientStream(uv::Loop& loop, Fd fd);

class SocketWorld final : public World {
  public:
    SocketWorld(uv::Loop& loop, RecordFolder records, std::function<void()> settled)
        : loop_(loop), records_(std::move(records)), settled_(std::move(settled)) {}
    RecordFolder& records() { return records_; }
    Result<std::unique_ptr<Stream>> Connect(const std::string& path) override;
    Result<std::unique_ptr<Stream>> TakeConnection(Fd descriptor) override;
    bool VmPaused(const std::string& ctl_socket) override;
    std::chrono::milliseconds Now() override;
    Result<std::string> NewToken() override;
    Result<std::string> NewRecordName() override { return MakeToken(); }
    Result<void> SaveRecord(const std::string& name, std::string_view text) override {
        return records_.Save(name, text);
    }
    Result<void> AppendRecord(const std::string& name, std::string_view text) override {
        return records_.Append(name, text);
    }
    void RemoveRecord(const std::string& name) override { records_.Remove(name); }
    void Settled() override { settled_(); }

  private:
    uv::Loop& loop_;
    RecordFolder records_;
    const std::function<void()> settled_;
};

}  // namespace cc::proxy
