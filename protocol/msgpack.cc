// SPDX-License-Identifier: Apache-2.0
#include "protocol/msgpack.h"

// The library's own use of Boost is optional, its variable-length members are C's.
#define MSGPACK_NO_BOOST
#include <msgpack.hpp>

namespace cc {

namespace {

constexpr size_t kMaxDepth = 64;
// No message of ours has more; looking for a key that stands twice takes time for each pair.
constexpr uint32_t kMaxKeys = 64;

// Builds the document while the library reads, so that a length is refused before memory is spent
// on it.
class Builder : public msgpack::null_visitor {
  public:
    explicit Builder(size_t size) : size_(size) {}

    Json& root() { return root_; }
    const std::string& error() const { return error_; }

    bool visit_nil() { return Add(nullptr); }
    bool visit_boolean(bool value) { return Add(value); }
    bool visit_positive_integer(uint64_t value) { return Add(value); }
    bool visit_negative_integer(int64_t value) { return Add(value); }
    bool visit_float32(float value) { return Add(static_cast<double>(value)); }
    bool visit_float64(double value) { return Add(value); }
    bool visit_str(const char* bytes, uint32_t count) {
        std::string text(bytes, count);
        if (!key_expected_) return Add(std::move(text));
        key_ = std::move(text);
        if (open_.back()->contains(key_)) return Refuse("a key stands twice in one map");
        return true;
    }
    bool visit_bin(const char* bytes, uint32_t count) { return Add(std::string(bytes, count)); }
    bool visit_ext(const char*, uint32_t) { return Refuse("an extension type"); }
    bool start_array(uint32_t count) { return Open(Json::array(), count); }
    bool end_array() { return Close(); }
    bool start_map(uint32_t count) {
        if (count > kMaxKeys) return Refuse("a map of too many keys");
        return Open(Json::object(), count);
    }
    bool end_map() { return Close(); }
    bool start_map_key() {
        key_expected_ = true;
        return true;
    }
    bool end_map_key() {
        key_expected_ = false;
        return true;
    }
    void parse_error(size_t, size_t) { Refuse("no MessagePack"); }
    void insufficient_bytes(size_t, size_t) { Refuse("cut short"); }

  private:
    bool Refuse(const char* why) {
        if (error_.empty()) error_ = why;
        return false;
    }
    Json* Place(Json value) {
        if (open_.empty()) {
            root_ = std::move(value);
            return &root_;
        }
        Json& parent = *open_.back();
        if (parent.is_array()) {
            parent.push_back(std::move(value));
            return &parent.back();
        }
        return &(parent[key_] = std::move(value));
    }
    bool Add(Json value) {
        if (key_expected_) return Refuse("a key that is no string");
        Place(std::move(value));
        return true;
    }
    bool Open(Json value, uint32_t count) {
        if (key_expected_) return Refuse("a key that is no string");
        if (count > size_) return Refuse("a length that the payload cannot hold");
        if (open_.size() >= kMaxDepth) return Refuse("nested too deep");
        open_.push_back(Place(std::move(value)));
        return true;
    }
    bool Close() {
        open_.pop_back();
        return true;
    }

    const size_t size_;
    Json root_;
    // Pointers stay valid: a container only grows at its end while its last element is closed.
    std::vector<Json*> open_;
    std::string key_;
    bool key_expected_ = false;
    std::string error_;
};

using Packer = msgpack::packer<msgpack::sbuffer>;

void Pack(Packer& packer, const Json& json) {
    switch (json.type()) {
        case Json::value_t::boolean:
            packer.pack(json.get<bool>());
            break;
        case Json::value_t::number_integer:
            packer.pack(json.get<int64_t>());
            break;
        case Json::value_t::number_unsigned:
            packer.pack(json.get<uint64_t>());
            break;
        case Json::value_t::number_float:
            packer.pack(json.get<double>());
            break;
        case Json::value_t::string:
            packer.pack(json.get_ref<const std::string&>());
            break;
        case Json::value_t::array:
            packer.pack_array(static_cast<uint32_t>(json.size()));
            for (const auto& element : json)
                Pack(packer, element);
            break;
        case Json::value_t::object:
            packer.pack_map(static_cast<uint32_t>(json.size()));
            for (const auto& [key, value] : json.items()) {
                packer.pack(key);
                Pack(packer, value);
            }
            break;
        case Json::value_t::binary: {
            const auto& bytes = json.get_binary();
            const auto size = static_cast<uint32_t>(bytes.size());
            packer.pack_bin(size);
            packer.pack_bin_body(reinterpret_cast<const char*>(bytes.data()), size);
            break;
        }
        case Json::value_t::null:
        case Json::value_t::discarded:
            packer.pack_nil();
            break;
    }
}

}  // namespace

Result<Json> ParseMsgpack(std::string_view payload) {
    Builder builder(payload.size());
    size_t end = 0;
    bool whole = false;
    try {
        whole = msgpack::parse(payload.data(), payload.size(), end, builder);
    } catch (const std::exception& e) {
        return Fail(Cat("bad MessagePack: ", e.what()));
    }
    if (!builder.error().empty() || !whole)
        return Fail(
            Cat("bad MessagePack: ", builder.error().empty() ? "cut short" : builder.error()));
    if (end != payload.size()) return Fail("bad MessagePack: bytes after the end");
    if (!builder.root().is_object()) return Fail("bad MessagePack: not a map");
    return std::move(builder.root());
}

std::string DumpMsgpack(const Json& json) {
    msgpack::sbuffer buffer;
    Packer packer(buffer);
    Pack(packer, json);
    return {buffer.data(), buffer.size()};
}

}  // namespace cc
