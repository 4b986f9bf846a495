// SPDX-License-Identifier: Apache-2.0
// Keepers of templates that are killed: small processes play them, which end bit by bit.
#include "client/template_client.h"

#include <doctest/doctest.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "base/process.h"
#include "base/text.h"
#include "tests/scratch.h"

namespace cc {

TEST_CASE("after a template's keeper has hung up its socket can be waited out") {
    test::Scratch scratch;
    FdPair listens = MakePipe().value();
    const pid_t child = ::fork();
    if (child == 0) {
        const Fd listener = ListenUnix(scratch / kTemplateSocketName, SOCK_SEQPACKET, 0600).value();
        listens.second.Reset();
        // The connection goes first, the listener with the process.
        Fd connection = Fd::Adopt(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
        connection.Reset();
        ::usleep(300000);
        ::_exit(0);
    }
    listens.second.Reset();
    REQUIRE(ReadAll(listens.first.get(), 1));
    auto client = TemplateClient::Connect(scratch.path());
    REQUIRE(client);
    CHECK_FALSE(client->Status());
    client->AwaitEnd();
    const auto again = TemplateClient::Connect(scratch.path());
    REQUIRE_FALSE(again);
    CHECK(again.error().code == ECONNREFUSED);
    CHECK(::waitpid(child, nullptr, 0) == child);
}

TEST_CASE("a template's keeper that is killed at its start has ended when that is an error") {
    test::Scratch scratch;
    const std::string program = scratch / "keeper", noted = scratch / "pid";
    REQUIRE(WriteFileAtomic(program,
                            Cat("#!/bin/sh\necho $$ > ", noted, "\nexec 4>&-\nsleep 0.3\n"), 0755));
    TemplateConfig config;
    config.directory = scratch / "template";
    const auto started =
        TemplateClient::ConnectOrStart(program, config, std::chrono::milliseconds(20000));
    REQUIRE_FALSE(started);
    CHECK(started.error().code == ECONNRESET);
    const auto pid = ParseNumber<pid_t>(Trim(ReadFile(noted, 100).value()));
    REQUIRE(pid);
    CHECK_FALSE(StartTimeOf(*pid));  // nothing, or a zombie
}

}  // namespace cc
