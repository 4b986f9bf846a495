// SPDX-License-Identifier: Apache-2.0
// D-Bus messages, as far as systemd is spoken to: encoded and decoded here, sent and received in
// host/bus.h. There is no static libsystemd, and what is needed of the protocol is little.
//
//   byte  0      1    2     3       4          8      12                        n, multiple of 8
//        +------+----+-----+-------+----------+------+-------------------------+---------
//        | 'l'  |type|flags| 1     | body size|serial| size, fields: a(yv)     | body
//        +------+----+-----+-------+----------+------+-------------------------+---------
//
// 'l' says that all numbers are little endian. Every value begins at a multiple of its own size
// (structures: 8), counted from the message's first byte; what lies between is zero.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/result.h"

namespace cc {

constexpr size_t kMaxDbusMessage = 1 << 20;  // the protocol allows 128 MiB

enum class DbusType : uint8_t { kCall = 1, kReturn = 2, kError = 3, kSignal = 4 };

struct DbusMessage {
    DbusType type = DbusType::kCall;
    uint32_t serial = 0;        // not 0
    uint32_t reply_serial = 0;  // of a return or error: what it answers
    std::string path, interface, member, error_name, destination, sender;
    std::string signature;  // of the body
    std::string body;
};
std::string Encode(const DbusMessage& message);

// The values of a body, one after the other.
class DbusWriter {
  public:
    void Byte(uint8_t value) { bytes_ += static_cast<char>(value); }
    void Bool(bool value) { Uint32(value ? 1 : 0); }
    void Uint32(uint32_t value);
    void Uint64(uint64_t value);
    void String(std::string_view text);  // an object path, too
    void Signature(std::string_view text);
    // An array of elements with this alignment; returns what EndArray needs.
    struct Array {
        size_t length_at, begin;
    };
    Array BeginArray(size_t alignment);
    void EndArray(const Array& array);
    void BeginStruct() { Align(8); }

    const std::string& bytes() const { return bytes_; }

  private:
    void Align(size_t to) { bytes_.resize((bytes_.size() + to - 1) / to * to, '\0'); }

    std::string bytes_;
};

// A named value as systemd takes it, (sv).
using DbusValue = std::variant<bool, uint32_t, uint64_t, std::string, std::vector<uint32_t>,
                               std::vector<uint8_t>>;
struct DbusProperty {
    std::string name;
    DbusValue value;
    bool operator==(const DbusProperty&) const = default;
};
void AppendProperties(DbusWriter& out, const std::vector<DbusProperty>& properties);  // a(sv)

// Takes values off a body; beyond its end, or where no such value can be, is an error.
class DbusReader {
  public:
    explicit DbusReader(std::string_view bytes) : bytes_(bytes) {}

    Result<uint8_t> Byte();
    Result<uint32_t> Uint32();
    Result<std::string> String();  // an object path, too
    Result<std::string> Signature();
    Result<void> AlignStruct() { return Align(8); }
    // Passes over a value of this signature: a number, a text, or an array of such.
    Result<void> Skip(std::string_view signature);
    size_t position() const { return position_; }
    bool at_end() const { return position_ >= bytes_.size(); }

  private:
    Result<void> Align(size_t to);
    Result<std::string_view> Take(size_t count);
    Result<std::string> Text(size_t size);

    std::string_view bytes_;
    size_t position_ = 0;
};

// Incremental: any split of the bytes will do. An error is final.
class DbusDecoder {
  public:
    void Push(std::string_view bytes) { buffer_ += bytes; }
    Result<std::optional<DbusMessage>> Next();

  private:
    std::string buffer_;
};

}  // namespace cc
