// SPDX-License-Identifier: Apache-2.0
// What the units of packaging/systemd promise; the documentation counts on it.
#include <map>
#include <string>

#include <doctest/doctest.h>

#include "base/file.h"
#include "base/text.h"
#include "tests/data.h"

namespace cc::proxy {
namespace {

// "Section/Key" and its value, as systemd.syntax(7) has them; no key stands twice in ours.
std::map<std::string, std::string> ParseUnitFile(const std::string& name) {
    const auto text = ReadFile(test::TestData(Cat("../../packaging/systemd/", name)), 1 << 16);
    REQUIRE_MESSAGE(text, text.error().message);
    std::map<std::string, std::string> values;
    std::string section;
    for (const auto& line : Split(*text, '\n')) {
        if (line.empty() || line[0] == '#') continue;
        if (line[0] == '[') {
            section = line.substr(1, line.size() - 2);
            continue;
        }
        const size_t equals = line.find('=');
        REQUIRE_MESSAGE(equals != std::string::npos, line);
        CHECK(values.emplace(Cat(section, "/", line.substr(0, equals)), line.substr(equals + 1))
                  .second);
    }
    return values;
}

}  // namespace

TEST_CASE("systemd starts the hub again however often it dies, and leaves its containers alone") {
    auto unit = ParseUnitFile("cc-proxy.service");
    CHECK(unit["Service/Restart"] == "always");
    CHECK(unit["Unit/StartLimitIntervalSec"] == "0");
    CHECK(unit["Service/KillMode"] == "process");
    CHECK(unit["Service/ExecStart"].starts_with("/usr/bin/cc-proxy "));
    CHECK(unit["Unit/Requires"] == "cc-proxy.socket");
    auto socket = ParseUnitFile("cc-proxy.socket");
    CHECK(socket["Socket/ListenStream"] == "/run/clear-containers/proxy.sock");
    CHECK(socket["Socket/SocketMode"] == "0660");
    CHECK(socket["Socket/DirectoryMode"] == "0750");
}

}  // namespace cc::proxy
