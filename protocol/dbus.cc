// SPDX-License-Identifier: Apache-2.0
#include "protocol/dbus.h"

#include "base/text.h"

namespace cc {

namespace {

constexpr char kLittleEndian = 'l';
constexpr uint8_t kDbusVersion = 1;
constexpr size_t kTypeAt = 1, kVersionAt = 3, kBodySizeAt = 4, kSerialAt = 8, kFieldsSizeAt = 12;
constexpr size_t kFixedHeader = 16;

enum Field : uint8_t {
    kPath = 1,
    kInterface = 2,
    kMember = 3,
    kErrorName = 4,
    kReplySerial = 5,
    kDestination = 6,
    kSender = 7,
    kSignature = 8,
};

size_t Aligned(size_t position, size_t to) {
    return (position + to - 1) / to * to;
}

// Of a basic type; 0: it is none, or none that we pass over.
size_t AlignmentOf(char type) {
    switch (type) {
        case 'y':
        case 'g':
            return 1;
        case 'n':
        case 'q':
            return 2;
        case 'b':
        case 'i':
        case 'u':
        case 'h':
        case 's':
        case 'o':
            return 4;
        case 'x':
        case 't':
        case 'd':
            return 8;
        default:
            return 0;
    }
}

uint32_t LoadUint32(std::string_view bytes, size_t at) {
    uint32_t value = 0;
    for (size_t i = 4; i-- > 0;)
        value = value << 8 | static_cast<unsigned char>(bytes[at + i]);
    return value;
}

void AppendField(DbusWriter& out, Field field, std::string_view type, std::string_view text) {
    if (text.empty()) return;
    out.BeginStruct();
    out.Byte(field);
    out.Signature(type);
    if (type == "g")
        out.Signature(text);
    else
        out.String(text);
}

Result<void> ReadField(DbusReader& in, DbusMessage& message) {
    CC_TRY(in.AlignStruct());
    CC_ASSIGN(const uint8_t field, in.Byte());
    CC_ASSIGN(const std::string type, in.Signature());
    const std::pair<Field, std::string*> texts[] = {{kPath, &message.path},
                                                    {kInterface, &message.interface},
                                                    {kMember, &message.member},
                                                    {kErrorName, &message.error_name},
                                                    {kDestination, &message.destination},
                                                    {kSender, &message.sender}};
    for (const auto& [known, text] : texts)
        if (field == known && (type == "s" || type == "o")) {
            CC_ASSIGN(*text, in.String());
            return {};
        }
    if (field == kSignature && type == "g") {
        CC_ASSIGN(message.signature, in.Signature());
        return {};
    }
    if (field == kReplySerial && type == "u") {
        CC_ASSIGN(message.reply_serial, in.Uint32());
        return {};
    }
    return in.Skip(type);  // of a later version, or a known one that makes no sense
}

}  // namespace

void DbusWriter::Uint32(uint32_t value) {
    Align(4);
    for (int shift = 0; shift < 32; shift += 8)
        bytes_ += static_cast<char>(value >> shift & 0xff);
}

void DbusWriter::Uint64(uint64_t value) {
    Align(8);
    for (int shift = 0; shift < 64; shift += 8)
        bytes_ += static_cast<char>(value >> shift & 0xff);
}

void DbusWriter::String(std::string_view text) {
    Uint32(static_cast<uint32_t>(text.size()));
    bytes_.append(text).push_back('\0');
}

void DbusWriter::Signature(std::string_view text) {
    Byte(static_cast<uint8_t>(text.size()));
    bytes_.append(text).push_back('\0');
}

DbusWriter::Array DbusWriter::BeginArray(size_t alignment) {
    Uint32(0);
    const size_t length_at = bytes_.size() - 4;
    Align(alignment);
    return {length_at, bytes_.size()};
}

void DbusWriter::EndArray(const Array& array) {
    const size_t length = bytes_.size() - array.begin;
    for (size_t i = 0; i < 4; ++i)
        bytes_[array.length_at + i] = static_cast<char>(length >> 8 * i & 0xff);
}

void AppendProperties(DbusWriter& out, const std::vector<DbusProperty>& properties) {
    const auto array = out.BeginArray(8);
    for (const auto& [name, value] : properties) {
        out.BeginStruct();
        out.String(name);
        if (const auto* flag = std::get_if<bool>(&value)) {
            out.Signature("b");
            out.Bool(*flag);
        } else if (const auto* number = std::get_if<uint32_t>(&value)) {
            out.Signature("u");
            out.Uint32(*number);
        } else if (const auto* large = std::get_if<uint64_t>(&value)) {
            out.Signature("t");
            out.Uint64(*large);
        } else if (const auto* text = std::get_if<std::string>(&value)) {
            out.Signature("s");
            out.String(*text);
        } else if (const auto* numbers = std::get_if<std::vector<uint32_t>>(&value)) {
            out.Signature("au");
            const auto list = out.BeginArray(4);
            for (const uint32_t element : *numbers)
                out.Uint32(element);
            out.EndArray(list);
        } else if (const auto* bytes = std::get_if<std::vector<uint8_t>>(&value)) {
            out.Signature("ay");
            const auto list = out.BeginArray(1);
            for (const uint8_t element : *bytes)
                out.Byte(element);
            out.EndArray(list);
        }
    }
    out.EndArray(array);
}

std::string Encode(const DbusMessage& message) {
    DbusWriter out;
    out.Byte(kLittleEndian);
    out.Byte(static_cast<uint8_t>(message.type));
    out.Byte(0);
    out.Byte(kDbusVersion);
    out.Uint32(static_cast<uint32_t>(message.body.size()));
    out.Uint32(message.serial);
    const auto fields = out.BeginArray(8);
    AppendField(out, kPath, "o", message.path);
    AppendField(out, kInterface, "s", message.interface);
    AppendField(out, kMember, "s", message.member);
    AppendField(out, kErrorName, "s", message.error_name);
    if (message.reply_serial != 0) {
        out.BeginStruct();
        out.Byte(kReplySerial);
        out.Signature("u");
        out.Uint32(message.reply_serial);
    }
    AppendField(out, kDestination, "s", message.destination);
    AppendField(out, kSender, "s", message.sender);
    AppendField(out, kSignature, "g", message.signature);
    out.EndArray(fields);
    out.BeginStruct();
    return out.bytes() + message.body;
}

Result<void> DbusReader::Align(size_t to) {
    CC_TRY(Take(Aligned(position_, to) - position_));
    return {};
}

Result<std::string_view> DbusReader::Take(size_t count) {
    if (count > bytes_.size() - position_) return Fail("a D-Bus message is cut short");
    const std::string_view taken = bytes_.substr(position_, count);
    position_ += count;
    return taken;
}

Result<uint8_t> DbusReader::Byte() {
    CC_ASSIGN(const std::string_view byte, Take(1));
    return static_cast<uint8_t>(byte[0]);
}

Result<uint32_t> DbusReader::Uint32() {
    CC_TRY(Align(4));
    CC_ASSIGN(const std::string_view bytes, Take(4));
    return LoadUint32(bytes, 0);
}

Result<std::string> DbusReader::Text(size_t size) {
    CC_ASSIGN(const std::string_view text, Take(size));
    CC_ASSIGN(const std::string_view end, Take(1));
    if (end[0] != '\0' || text.find('\0') != std::string_view::npos)
        return Fail("a text in a D-Bus message does not end where it should");
    return std::string(text);
}

Result<std::string> DbusReader::String() {
    CC_ASSIGN(const uint32_t size, Uint32());
    return Text(size);
}

Result<std::string> DbusReader::Signature() {
    CC_ASSIGN(const uint8_t size, Byte());
    return Text(size);
}

Result<void> DbusReader::Skip(std::string_view signature) {
    const bool array = signature.size() == 2 && signature[0] == 'a';
    if (signature.size() != (array ? 2 : 1) || AlignmentOf(signature.back()) == 0)
        return Fail(Cat("a D-Bus message has a value of type ", Quoted(signature, 16)));
    if (array) {
        CC_ASSIGN(const uint32_t size, Uint32());
        CC_TRY(Align(AlignmentOf(signature[1])));
        CC_TRY(Take(size));
        return {};
    }
    if (signature == "s" || signature == "o") {
        CC_TRY(String());
        return {};
    }
    if (signature == "g") {
        CC_TRY(Signature());
        return {};
    }
    const size_t size = AlignmentOf(signature[0]);
    CC_TRY(Align(size));
    CC_TRY(Take(size));
    return {};
}

Result<std::optional<DbusMessage>> DbusDecoder::Next() {
    if (buffer_.size() < kFixedHeader) return std::nullopt;
    if (buffer_[0] != kLittleEndian || static_cast<uint8_t>(buffer_[kVersionAt]) != kDbusVersion)
        return Fail("what comes is no little-endian D-Bus message of version 1");
    const size_t body = LoadUint32(buffer_, kBodySizeAt);
    const size_t fields = LoadUint32(buffer_, kFieldsSizeAt);
    const size_t header = Aligned(kFixedHeader + fields, 8);
    if (body > kMaxDbusMessage || fields > kMaxDbusMessage)
        return Fail(Cat("a D-Bus message of ", header + body, " bytes"), EFBIG);
    if (buffer_.size() < header + body) return std::nullopt;
    DbusMessage message;
    message.type = static_cast<DbusType>(buffer_[kTypeAt]);
    message.serial = LoadUint32(buffer_, kSerialAt);
    DbusReader in(std::string_view(buffer_).substr(0, kFixedHeader + fields));
    while (in.position() < kFixedHeader)
        CC_TRY(in.Byte());
    while (!in.at_end())
        CC_TRY(ReadField(in, message));
    message.body = buffer_.substr(header, body);
    buffer_.erase(0, header + body);
    return message;
}

}  // namespace cc
