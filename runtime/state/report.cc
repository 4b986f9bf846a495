// SPDX-License-Identifier: Apache-2.0
#include "runtime/state/report.h"

#include <algorithm>
#include <array>

#include <sys/stat.h>

#include "base/json_full.h"

namespace cc::runtime {

namespace {

// The owner of the root file system. Names come from libraries that a static program does not have.
std::string OwnerOf(const ContainerRecord& container) {
    struct stat status {};
    if (::stat(container.rootfs.c_str(), &status) < 0 || status.st_uid == 0) return "root";
    return Cat("#", status.st_uid);
}

Json ToJson(const Observed& observed) {
    const ContainerRecord& container = observed.container;
    Json json = {{"ociVersion", container.oci_version},
                 {"id", container.id},
                 {"pid", observed.pid()},
                 {"status", Name(observed.status)},
                 {"bundle", container.bundle},
                 {"rootfs", container.rootfs},
                 {"created", container.created}};
    if (!container.annotations.empty()) json["annotations"] = container.annotations;
    json["owner"] = OwnerOf(container);
    return json;
}

using Row = std::array<std::string, 6>;

// As Go's tabwriter with a minimal width of 12 and a padding of 3.
std::string Layout(const std::vector<Row>& rows) {
    constexpr size_t kMinimum = 12, kPadding = 3;
    std::array<size_t, 6> widths{};
    for (const auto& row : rows)
        for (size_t i = 0; i < row.size(); ++i)
            widths[i] = std::max({widths[i], kMinimum, row[i].size() + kPadding});
    std::string out;
    for (const auto& row : rows) {
        for (size_t i = 0; i + 1 < row.size(); ++i)
            out += row[i] + std::string(widths[i] - row[i].size(), ' ');
        out += row.back() + "\n";
    }
    return out;
}

}  // namespace

std::string StateText(const Observed& observed) {
    return DumpJsonPretty(ToJson(observed), 2);
}

std::string ListJson(const std::vector<Observed>& all) {
    if (all.empty()) return "null";
    Json list = Json::array();
    for (const auto& observed : all)
        list.push_back(ToJson(observed));
    return DumpJson(list);
}

std::string ListTable(const std::vector<Observed>& all) {
    std::vector<Row> rows{{"ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER"}};
    for (const auto& observed : all)
        rows.push_back({observed.container.id, std::to_string(observed.pid()),
                        std::string(Name(observed.status)), observed.container.bundle,
                        observed.container.created, OwnerOf(observed.container)});
    return Layout(rows);
}

}  // namespace cc::runtime
