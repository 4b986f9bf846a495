// SPDX-License-Identifier: Apache-2.0
#include "runtime/oci/resources.h"

#include <algorithm>
#include <charconv>

#include "base/json_full.h"
#include "runtime/oci/spec.h"

namespace cc::runtime {

namespace {

enum class Kind { kBytes, kNumber, kText, kFlag };

struct ResourceOption {
    const char* name;
    Kind kind;
    const char* section;  // of linux.resources
    const char* key;
    const char* value;
    const char* help;
    int64_t least = 0;
    int64_t most = INT64_MAX;
};

constexpr ResourceOption kOptions[] = {
    {"memory", Kind::kBytes, "memory", "limit", "BYTES", "memory limit, such as 512m; -1: none"},
    {"memory-reservation", Kind::kBytes, "memory", "reservation", "BYTES",
     "memory that is left to the container when memory is short"},
    {"memory-swap", Kind::kBytes, "memory", "swap", "BYTES",
     "limit of memory and swap together; -1: no limit of swap"},
    {"cpu-shares,--cpu-share", Kind::kNumber, "cpu", "shares", "N",
     "weight beside other containers, 2 to 262144", 2, 262144},
    {"cpu-quota", Kind::kNumber, "cpu", "quota", "USECS",
     "processor time in each period; -1: no limit", -1},
    {"cpu-period", Kind::kNumber, "cpu", "period", "USECS", "length of the period of --cpu-quota",
     1000, 1000000},
    {"cpuset-cpus", Kind::kText, "cpu", "cpus", "LIST", "processors to use, such as 0-1"},
    {"cpuset-mems", Kind::kText, "cpu", "mems", "LIST", "memory nodes to use"},
    {"cpu-idle", Kind::kNumber, "cpu", "idle", "0|1", "1: run only when nobody else wants to", 0,
     1},
    {"pids-limit", Kind::kNumber, "pids", "limit", "N", "most processes; -1: no limit", -1},
    {"blkio-weight", Kind::kNumber, "blockIO", "weight", "N", "weight of disk access, 10 to 1000",
     10, 1000},
};

// Accepted by runc, without effect or meaning in a guest with cgroup version 2.
constexpr const char* kWithoutMeaning[] = {"cpu-rt-period", "cpu-rt-runtime", "l3-cache-schema",
                                           "mem-bw-schema"};

// "cpu-shares,--cpu-share" -> "cpu-shares": the name in CliValues.
std::string KeyOf(const ResourceOption& option) {
    return Split(option.name, ',').front();
}

Result<Json> ValueOf(const ResourceOption& option, const std::string& text) {
    if (option.kind == Kind::kText) return Json(text);
    if (option.kind == Kind::kBytes) {
        CC_ASSIGN(const int64_t bytes, ParseBytes(text));
        return Json(bytes);
    }
    const auto number = ParseNumber<int64_t>(text);
    const bool good = number && *number >= option.least && *number <= option.most;
    if (!good && number != 0)
        return Fail(option.most == INT64_MAX
                        ? Cat("must be a number of at least ", option.least)
                        : Cat("must be a number from ", option.least, " to ", option.most,
                              option.least > 0 ? ", or 0 for as it is" : ""));
    return Json(*number);
}

// Where zero is a value like others: it ends what another value began.
bool ZeroCounts(std::string_view key) {
    return key == "idle" || key == "burst";
}

// Nothing but what says something.
Json WithoutZeros(const Json& object) {
    Json out = Json::object();
    for (const auto& [key, value] : object.items()) {
        if (value.is_object()) {
            Json inner = WithoutZeros(value);
            if (!inner.empty()) out[key] = std::move(inner);
        } else if ((value != 0 || ZeroCounts(key)) && value != Json(std::string()) &&
                   !value.is_null()) {
            out[key] = value;
        }
    }
    return out;
}

}  // namespace

Result<int64_t> ParseBytes(std::string_view text) {
    if (text == "-1") return -1;
    const auto wrong = [&] {
        return Fail(
            Cat("invalid size ", Quoted(text, 64), ", it is written as 1048576, 512m or 1.5g"));
    };
    double number = 0;
    if (text.empty() || text[0] < '0' || text[0] > '9') return wrong();
    const auto [end, error] =
        std::from_chars(text.data(), text.data() + text.size(), number, std::chars_format::fixed);
    if (error != std::errc()) return wrong();
    std::string unit(Trim(text.substr(static_cast<size_t>(end - text.data()))));
    std::transform(unit.begin(), unit.end(), unit.begin(),
                   [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
    if (unit.ends_with("ib")) unit.resize(unit.size() - 2);
    if (unit.ends_with("b")) unit.pop_back();
    constexpr std::string_view kUnits = "kmgtp";
    const size_t power = unit.empty() ? 0 : kUnits.find(unit) + 1;
    if (unit.size() > 1 || (power == 0 && !unit.empty())) return wrong();
    for (size_t i = 0; i < power; ++i)
        number *= 1024;
    constexpr double kMost = 9e18;
    if (number > kMost) return wrong();
    return static_cast<int64_t>(number);
}

std::vector<CliOption> ResourceOptions() {
    std::vector<CliOption> options;
    for (const auto& option : kOptions)
        options.push_back(
            {.names = Cat("--", option.name), .value = option.value, .help = option.help});
    for (const char* name : {"kernel-memory", "kernel-memory-tcp"})
        options.push_back({.names = Cat("--", name),
                           .value = "BYTES",
                           .help = "ignored with a warning: cgroup version 2 has no such limit",
                           .hidden = true});
    for (const char* name : kWithoutMeaning)
        options.push_back({.names = Cat("--", name),
                           .value = "VALUE",
                           .help = "refused: the guest has no such thing",
                           .hidden = true});
    return options;
}

Result<Json> ResourcesOfOptions(const CliValues& options) {
    Json resources = Json::object();
    for (const auto& option : kOptions) {
        const std::string key = KeyOf(option);
        if (!options.Has(key)) continue;
        CC_ASSIGN(resources[option.section][option.key],
                  Context(Cat("invalid value for --", key), ValueOf(option, options.Get(key))));
    }
    for (const char* name : kWithoutMeaning)
        if (options.Has(name))
            return Fail(
                Cat("--", name, ": the virtual machine has neither realtime groups nor Intel RDT"));
    return WithoutZeros(resources);
}

Result<Json> ResourcesOfDocument(std::string_view text) {
    CC_ASSIGN(const Json document, ParseJson(text, {.bytes = kMaxSpecBytes, .depth = 16}));
    if (!document.is_object()) return Fail("must be a JSON object");
    return WithoutZeros(document);
}

Result<std::string> WithResources(std::string_view config, const Json& changes) {
    CC_ASSIGN(Json document, ParseJson(config, {.bytes = kMaxSpecBytes, .depth = kMaxSpecDepth}));
    Json& resources = document["linux"]["resources"];
    resources.merge_patch(changes);
    // As with runc: without a limit on memory there is none on swap, unless one is named with it.
    const Json* memory = Member(changes, "memory");
    const Json* limit = memory == nullptr ? nullptr : Member(*memory, "limit");
    if (limit != nullptr && *limit == -1 && Member(*memory, "swap") == nullptr &&
        Member(resources["memory"], "swap") != nullptr)
        resources["memory"]["swap"] = -1;
    return DumpJson(document);
}

}  // namespace cc::runtime
