// SPDX-License-Identifier: Apache-2.0
// A QEMU that is played: it answers every command with success but the one that is named.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "base/json_full.h"
#include "base/text.h"
#include "vmm/qemu/qmp.h"

namespace cc::qemu {

struct PlayedQemu {
    uv::Loop loop;
    Fd peer;
    std::unique_ptr<QmpClient> client;
    uv::Poll heard{loop, [this](int) { Answer(); }};
    uv::Timer patience{loop, [this] { loop.Stop(); }};
    std::string refused;
    std::vector<Json> commands;
    size_t descriptors = 0;
    std::string line;

    PlayedQemu() {
        auto pair = MakeSocketPair(SOCK_STREAM);
        REQUIRE(pair);
        peer = std::move(pair->second);
        auto opened = QmpClient::Open(
            loop, std::move(pair->first),
            {.on_ready = [this] { loop.Stop(); }, .on_event = nullptr, .on_end = [](auto) {}});
        REQUIRE(opened);
        client = std::move(*opened);
        REQUIRE(heard.Open(peer.get()));
        heard.Start(UV_READABLE);
        REQUIRE(WriteAll(peer.get(), "{\"QMP\": {\"version\": {}, \"capabilities\": []}}\r\n"));
        Turn();
        commands.clear();
    }
    void Turn() {
        patience.Start(std::chrono::seconds(10));
        loop.Run();
    }
    void Answer() {
        auto received = ReceiveWithFds(peer.get(), 65536);
        REQUIRE(received);
        descriptors += received->fds.size();
        line += received->bytes;
        for (size_t end; (end = line.find('\n')) != std::string::npos; line.erase(0, end + 1)) {
            const Json command = Json::parse(line.substr(0, end));
            commands.push_back(command);
            const bool refuse = command["execute"] == refused;
            REQUIRE(WriteAll(peer.get(),
                             Cat("{", refuse ? R"("error":{"desc":"no room"})" : R"("return":{})",
                                 ",\"id\":", command["id"].dump(), "}\r\n")));
        }
    }
    // What the call, which is given what to do at its end, has come to.
    std::optional<Result<void>> Run(
        const std::function<void(std::function<void(Result<void>)>)>& call) {
        std::optional<Result<void>> how;
        call([&](Result<void> done) {
            how = std::move(done);
            loop.Stop();
        });
        Turn();
        return how;
    }
    std::vector<std::string> Names() const {
        std::vector<std::string> names;
        for (const auto& command : commands)
            names.push_back(command["execute"]);
        return names;
    }
};

}  // namespace cc::qemu
