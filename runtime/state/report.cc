// SPDX-License-Identifier: Apache-2.0
#include "runtime/state/report.h"

#include <algorithm>

#include <sys/stat.h>

#include "base/json_full.h"
#include "base/text.h"

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

// 3.0's names, the odd one included.
Json Shown(const Asset& asset) {
    return {{"path", asset.path}, {"bool", asset.chosen}};
}
Json Shown(const VmAssets& assets) {
    return {{"hypervisorAsset", Shown(assets.hypervisor)},
            {"imageAsset", Shown(assets.image)},
            {"kernelAsset", Shown(assets.kernel)}};
}

// Those that a new VM would have another one of. What a container has chosen is never old.
std::vector<std::string> Stale(const VmAssets& current, const VmAssets& latest) {
    const auto stale = [](const Asset& mine, const Asset& now) {
        return !mine.chosen && mine.path != now.path;
    };
    std::vector<std::string> names;
    if (stale(current.kernel, latest.kernel)) names.push_back("kernel");
    if (stale(current.image, latest.image)) names.push_back("image");
    return names;
}

using Row = std::vector<std::string>;

// As Go's tabwriter with a minimal width of 12 and a padding of 3.
std::string Layout(const std::vector<Row>& rows) {
    constexpr size_t kMinimum = 12, kPadding = 3;
    std::vector<size_t> widths(rows.front().size());
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

std::string ListJson(const std::vector<Observed>& all, const VmAssets* latest) {
    if (all.empty()) return "null";
    Json list = Json::array();
    for (const auto& observed : all) {
        Json json = ToJson(observed);
        if (latest != nullptr) {
            json["currentHypervisor"] = Shown(observed.assets);
            json["latestHypervisor"] = Shown(*latest);
            json["StaleAssets"] = Stale(observed.assets, *latest);
        }
        list.push_back(std::move(json));
    }
    return DumpJson(list);
}

std::string ListTable(const std::vector<Observed>& all, const VmAssets* latest) {
    std::vector<Row> rows{{"ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER"}};
    if (latest != nullptr)
        for (const char* title :
             {"HYPERVISOR", "KERNEL", "IMAGE", "LATEST-KERNEL", "LATEST-IMAGE", "STALE"})
            rows.front().push_back(title);
    for (const auto& observed : all) {
        rows.push_back({observed.container.id, std::to_string(observed.pid()),
                        std::string(Name(observed.status)), observed.container.bundle,
                        observed.container.created, OwnerOf(observed.container)});
        if (latest == nullptr) continue;
        const auto stale = Stale(observed.assets, *latest);
        for (const auto& text :
             {observed.assets.hypervisor.path, observed.assets.kernel.path,
              observed.assets.image.path, latest->kernel.path, latest->image.path,
              stale.empty() ? std::string("-") : Join(stale, ",")})
            rows.back().push_back(text);
    }
    return Layout(rows);
}

}  // namespace cc::runtime
