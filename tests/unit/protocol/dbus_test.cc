// SPDX-License-Identifier: Apache-2.0
#include "protocol/dbus.h"

#include <doctest/doctest.h>

#include "base/text.h"

namespace cc {

namespace {

// As another implementation (python3-jeepney 0.8) writes it.
const std::string kStartScope =
    "6c010001b800000002000000b600000001016f00190000002f6f72672f667265"
    "656465736b746f702f73797374656d6431000000000000000201730020000000"
    "6f72672e667265656465736b746f702e73797374656d64312e4d616e61676572"
    "0000000000000000030173001200000053746172745472616e7369656e74556e"
    "697400000000000006017300180000006f72672e667265656465736b746f702e"
    "73797374656d6431000000000000000008016700107373612873762961287361"
    "2873762929000000090000007765622e73636f7065000000070000007265706c"
    "616365009100000005000000536c696365000173000000000d0000006d616368"
    "696e652e736c6963650000000000000004000000504944730002617500000000"
    "04000000671200000800000044656c6567617465000162000100000000000000"
    "090000004d656d6f72794d617800017400000000000000000000000400000000"
    "0b000000416c6c6f776564435055730002617900010000000300000000000000";

DbusMessage StartScope() {
    DbusMessage message;
    message.serial = 2;
    message.destination = "org.freedesktop.systemd1";
    message.path = "/org/freedesktop/systemd1";
    message.interface = "org.freedesktop.systemd1.Manager";
    message.member = "StartTransientUnit";
    message.signature = "ssa(sv)a(sa(sv))";
    DbusWriter body;
    body.String("web.scope");
    body.String("replace");
    AppendProperties(body, {{"Slice", std::string("machine.slice")},
                            {"PIDs", std::vector<uint32_t>{4711}},
                            {"Delegate", true},
                            {"MemoryMax", uint64_t{67108864}},
                            {"AllowedCPUs", std::vector<uint8_t>{3}}});
    body.EndArray(body.BeginArray(8));
    message.body = body.bytes();
    return message;
}

}  // namespace

TEST_CASE("a D-Bus call is written as others write it") {
    CHECK(HexEncode(Encode(StartScope())) == kStartScope);
}

TEST_CASE("D-Bus messages are read in whatever pieces they come") {
    DbusMessage signal;
    signal.type = DbusType::kSignal;
    signal.serial = 9;
    signal.path = "/p";
    signal.interface = "i.f";
    signal.member = "JobRemoved";
    signal.sender = ":1.5";
    DbusWriter body;
    body.Uint32(7);
    body.String("/job/7");
    signal.signature = "uo";
    signal.body = body.bytes();
    DbusMessage error;
    error.type = DbusType::kError;
    error.serial = 10;
    error.reply_serial = 2;
    error.error_name = "org.example.No";
    const std::string all = Encode(StartScope()) + Encode(signal) + Encode(error);
    for (const size_t piece : {size_t{1}, size_t{7}, all.size()}) {
        DbusDecoder decoder;
        std::vector<DbusMessage> seen;
        for (size_t at = 0; at < all.size(); at += piece) {
            decoder.Push(std::string_view(all).substr(at, piece));
            while (true) {
                const auto next = decoder.Next();
                REQUIRE(next);
                if (!*next) break;
                seen.push_back(**next);
            }
        }
        REQUIRE(seen.size() == 3);
        CHECK(seen[0].member == "StartTransientUnit");
        CHECK(seen[0].body == StartScope().body);
        CHECK(seen[1].type == DbusType::kSignal);
        CHECK(seen[1].sender == ":1.5");
        DbusReader in(seen[1].body);
        CHECK(in.Uint32().value() == 7);
        CHECK(in.String().value() == "/job/7");
        CHECK(in.at_end());
        CHECK(seen[2].reply_serial == 2);
        CHECK(seen[2].error_name == "org.example.No");
    }
}

TEST_CASE("no D-Bus message that is broken in a byte is more than an error") {
    const std::string good = Encode(StartScope());
    for (size_t at = 0; at < good.size(); ++at)
        for (const char value : {'\0', '\1', '\x7f', '\xff', 'B'}) {
            std::string broken = good;
            broken[at] = value;
            DbusDecoder decoder;
            decoder.Push(broken);
            (void)decoder.Next();
        }
    DbusDecoder huge;
    std::string bytes = good;
    bytes[6] = '\x40';  // a body of 4 MiB
    huge.Push(bytes);
    CHECK_FALSE(huge.Next());
    CHECK_FALSE(DbusReader("").Uint32());
    CHECK_FALSE(DbusReader(std::string_view("\xff\xff\xff\xff", 4)).String());
    CHECK_FALSE(DbusReader(std::string_view("\1\0\0\0a", 5)).String());
    CHECK_FALSE(DbusReader("x").Skip("a{sv}"));
}

TEST_CASE("a header field of a later D-Bus is passed over") {
    DbusWriter out;
    out.Byte('l');
    out.Byte(2);
    out.Byte(0);
    out.Byte(1);
    out.Uint32(0);
    out.Uint32(5);
    const auto fields = out.BeginArray(8);
    out.BeginStruct();
    out.Byte(200);
    out.Signature("ay");
    const auto list = out.BeginArray(1);
    out.Byte(1);
    out.EndArray(list);
    out.BeginStruct();
    out.Byte(9);  // descriptors
    out.Signature("u");
    out.Uint32(1);
    out.BeginStruct();
    out.Byte(5);
    out.Signature("u");
    out.Uint32(33);
    out.EndArray(fields);
    out.BeginStruct();
    DbusDecoder decoder;
    decoder.Push(out.bytes());
    const auto message = decoder.Next();
    REQUIRE(message);
    REQUIRE(*message);
    CHECK((*message)->reply_serial == 33);
}

}  // namespace cc
