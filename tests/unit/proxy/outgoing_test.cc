// SPDX-License-Identifier: Apache-2.0
#include "proxy/outgoing.h"

#include <doctest/doctest.h>

namespace cc::proxy {
namespace {

std::string Joined(const std::vector<iovec>& slices) {
    std::string bytes;
    for (const auto& slice : slices)
        bytes.append(static_cast<const char*>(slice.iov_base), slice.iov_len);
    return bytes;
}

TEST_CASE("large payloads that lie in what was read are referred to, all else is copied") {
    const std::string read(64 * 1024, 'r');
    const std::string elsewhere(8 * 1024, 'e');
    const std::string_view lent = read;
    Outgoing out;
    CHECK(out.empty());
    std::string expected;
    const auto send = [&](std::string_view header, std::string_view payload) {
        out.own() += header;
        out.AppendPayload(payload, lent);
        expected.append(header).append(payload);
    };
    send("large,", lent.substr(10, 32 * 1024));
    send("small,", lent.substr(5, 100));
    send("elsewhere,", elsewhere);
    send("to its end,", lent.substr(lent.size() - 8192));
    send("nothing", {});
    CHECK(out.size() == expected.size());
    const auto slices = out.Slices();
    CHECK(Joined(slices) == expected);
    REQUIRE(slices.size() == 5);
    CHECK(slices[1].iov_base == lent.data() + 10);
    CHECK(slices[3].iov_base == lent.data() + lent.size() - 8192);
}

TEST_CASE("a payload at the very beginning, and one that only begins in what was read") {
    const std::string memory(16 * 1024, 'm');
    const std::string_view lent = std::string_view(memory).substr(0, 8192);
    Outgoing out;
    out.AppendPayload(lent, lent);
    out.AppendPayload(std::string_view(memory).substr(4096, 8192), lent);
    CHECK(out.own().size() == 8192);
    const auto slices = out.Slices();
    REQUIRE(slices.size() == 2);
    CHECK(slices[0].iov_base == lent.data());
    CHECK(Joined(slices) == std::string(16 * 1024, 'm'));
}

}  // namespace
}  // namespace cc::proxy
