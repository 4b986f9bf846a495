// SPDX-License-Identifier: Apache-2.0
// A good document, and every bad one that differs from it in one field: of each wrong type, empty,
// huge, negative, null, missing, twice.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/json_full.h"

namespace cc::test {

struct Mutation {
    std::string path;   // "/linux/devices/0/major"
    std::string field;  // "major"; of an element of a list, the list's name
    std::string what;   // "-1"
    bool wrong_type = false;
    Json document;
};

namespace mutations {

constexpr size_t kLong = 64 * 1024;

// A list in lists, deeper than anybody needs.
inline Json Nested(int levels) {
    Json nested = Json::array();
    for (int i = 1; i < levels; ++i)
        nested = Json::array({std::move(nested)});
    return nested;
}

inline const std::vector<Json>& Replacements() {
    static const std::vector<Json> all{
        nullptr,
        true,
        false,
        0,
        1,
        -1,
        1.5,
        1e300,
        INT64_MAX,
        INT64_MIN,
        UINT64_MAX,
        4294967296LL,
        "",
        "x",
        "/",
        "../../../etc",
        "a b\nc",
        std::string("nul\0inside", 10),
        "\x1b[31m\xf0\x9f\x90\xb3",
        std::string(kLong, 'x'),
        Json::array(),
        Json::object(),
        Json::array({1, "a", nullptr, true}),
        Json::array({Json::object(), Json::array()}),
        Json::object({{"x", 1}, {"type", "x"}}),
        Nested(30),
    };
    return all;
}

inline bool SameType(const Json& a, const Json& b) {
    return a.type() == b.type() || (a.is_number() && b.is_number());
}

// The last name in a path that is no number.
inline std::string FieldOf(const Json::json_pointer& at) {
    Json::json_pointer pointer = at;
    while (!pointer.empty() && pointer.back().find_first_not_of("0123456789") == std::string::npos)
        pointer.pop_back();
    return pointer.empty() ? "" : pointer.back();
}

inline std::string Short(const Json& value) {
    const std::string text = DumpJson(value);
    return text.size() <= 60 ? text : text.substr(0, 60) + "...";
}

}  // namespace mutations

// Every place of the document, the innermost last.
inline std::vector<Json::json_pointer> PlacesOf(
    const Json& json, const Json::json_pointer& at = Json::json_pointer()) {
    std::vector<Json::json_pointer> places;
    const auto add = [&](const Json::json_pointer& place, const Json& value) {
        places.push_back(place);
        const auto below = PlacesOf(value, place);
        places.insert(places.end(), below.begin(), below.end());
    };
    if (json.is_object())
        for (const auto& [key, value] : json.items())
            add(at / key, value);
    if (json.is_array())
        for (size_t i = 0; i < json.size(); ++i)
            add(at / i, json[i]);
    return places;
}

inline void ForEachMutation(const Json& good, const std::function<void(const Mutation&)>& call) {
    for (const auto& place : PlacesOf(good)) {
        const Json& value = good.at(place);
        Mutation mutation{place.to_string(), mutations::FieldOf(place), "", false, {}};
        for (const Json& other : mutations::Replacements()) {
            if (other == value) continue;
            mutation.what = mutations::Short(other);
            mutation.wrong_type = !other.is_null() && !mutations::SameType(other, value);
            mutation.document = good;
            mutation.document.at(place) = other;
            call(mutation);
        }
        mutation.wrong_type = false;
        mutation.what = "missing";
        mutation.document = good;
        Json& parent = mutation.document.at(place.parent_pointer());
        if (parent.is_array())
            parent.erase(std::stoul(place.back()));
        else
            parent.erase(place.back());
        call(mutation);
        if (!good.at(place.parent_pointer()).is_array()) continue;
        mutation.what = "twice";
        mutation.document = good;
        mutation.document.at(place.parent_pointer()).push_back(value);
        call(mutation);
    }
}

// What is wrong with an error for this mutation; nothing when it helps whoever reads it.
inline std::string FaultOf(const std::string& error, const Mutation& mutation) {
    constexpr size_t kReadable = 1000;
    if (error.size() > kReadable) return "it is too long";
    for (const char c : error)
        if (static_cast<unsigned char>(c) < ' ') return "it is not one plain line";
    if (error.find(mutation.field) == std::string::npos) return "it does not name the field";
    return "";
}

}  // namespace cc::test
