// SPDX-License-Identifier: Apache-2.0
#include "base/syslog.h"

#include <doctest/doctest.h>
#include <unistd.h>

#include "base/text.h"
#include "tests/datagrams.h"
#include "tests/scratch.h"

namespace cc {

using test::ListenDatagrams;
using test::ReceiveDatagram;

TEST_CASE("a syslog message has facility, severity, tag and pid") {
    test::Scratch scratch;
    const Fd daemon = ListenDatagrams(scratch / "log");
    Syslog syslog("cc-test", {scratch / "log"});
    syslog.Send(SyslogSeverity::kError, "first");
    syslog.Send(SyslogSeverity::kDebug, std::string(100'000, 'x'));
    const std::string first = ReceiveDatagram(daemon);
    CHECK(first.starts_with("<27>"));
    CHECK(first.ends_with(Cat(" cc-test[", ::getpid(), "]: first")));
    const std::string second = ReceiveDatagram(daemon);
    CHECK(second.starts_with("<31>"));
    CHECK(second.size() < 8192);
}

TEST_CASE("without a syslog daemon nothing happens, and one that comes later is found") {
    test::Scratch scratch;
    Syslog syslog("cc-test", {scratch / "no", scratch / "log"});
    syslog.Send(SyslogSeverity::kInfo, "lost");
    syslog.Send(SyslogSeverity::kInfo, "lost, too");
    const Fd daemon = ListenDatagrams(scratch / "log");
    syslog.Send(SyslogSeverity::kInfo, "here");
    CHECK(ReceiveDatagram(daemon).ends_with("2 lines were lost here"));
    CHECK(ReceiveDatagram(daemon).ends_with(": here"));
}

TEST_CASE("a syslog daemon that starts anew is found again") {
    test::Scratch scratch;
    Fd daemon = ListenDatagrams(scratch / "log");
    Syslog syslog("cc-test", {scratch / "log"});
    syslog.Send(SyslogSeverity::kInfo, "before");
    daemon.Reset();
    REQUIRE(::unlink((scratch / "log").c_str()) == 0);
    daemon = ListenDatagrams(scratch / "log");
    syslog.Send(SyslogSeverity::kInfo, "after");
    CHECK(ReceiveDatagram(daemon).ends_with(": after"));
}

TEST_CASE("a syslog daemon that does not read costs its lines, and no waiting") {
    test::Scratch scratch;
    const Fd daemon = ListenDatagrams(scratch / "log");
    Syslog syslog("cc-test", {scratch / "log"});
    for (int i = 0; i < 10'000; ++i)
        syslog.Send(SyslogSeverity::kInfo, Cat("line ", i));
    CHECK(ReceiveDatagram(daemon).ends_with(": line 0"));
    pollfd more{daemon.get(), POLLIN, 0};
    while (::poll(&more, 1, 0) == 1)
        ReceiveDatagram(daemon);
    syslog.Send(SyslogSeverity::kInfo, "goes on");
    CHECK(ReceiveDatagram(daemon).ends_with("lines were lost here"));
    CHECK(ReceiveDatagram(daemon).ends_with(": goes on"));
}

}  // namespace cc
