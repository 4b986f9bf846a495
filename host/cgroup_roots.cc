// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "base/text.h"
#include "host/leave_caller.h"

namespace cc {

namespace {

struct CgroupMount {
    bool v2 = false;
    bool whole = false;  // shows the hierarchy from its root
    std::string path;
    std::vector<std::string> options;  // of the file system: the controllers, name=systemd
};

// 31 24 0:27 / /sys/fs/cgroup/cpu rw,nosuid shared:5 - cgroup cgroup rw,cpu
std::vector<CgroupMount> ParseMounts(std::string_view mountinfo) {
    std::vector<CgroupMount> mounts;
    for (const auto& line : Split(mountinfo, '\n')) {
        const size_t dash = line.find(" - ");
        if (dash == std::string::npos) continue;
        const auto left = Split(std::string_view(line).substr(0, dash), ' ');
        const auto right = Split(std::string_view(line).substr(dash + 3), ' ');
        if (left.size() < 5 || right.size() < 3) continue;
        if (right[0] != "cgroup" && right[0] != "cgroup2") continue;
        mounts.push_back({right[0] == "cgroup2", left[3] == "/", left[4], Split(right[2], ',')});
    }
    // A bind mount of some cgroup shows another root; only used where there is no better.
    std::stable_partition(mounts.begin(), mounts.end(), [](const auto& m) { return m.whole; });
    return mounts;
}

bool Shows(const CgroupMount& mount, const std::string& controllers) {
    if (mount.v2 || controllers.empty()) return mount.v2 && controllers.empty();
    const auto wanted = Split(controllers, ',');
    return std::all_of(wanted.begin(), wanted.end(), [&](const std::string& controller) {
        return std::find(mount.options.begin(), mount.options.end(), controller) !=
               mount.options.end();
    });
}

}  // namespace

std::vector<std::string> CgroupRootsToEnter(std::string_view cgroup, std::string_view mountinfo) {
    const auto mounts = ParseMounts(mountinfo);
    std::vector<std::string> files;
    for (const auto& line : Split(cgroup, '\n')) {
        // 4:memory:/user.slice, 0::/user.slice
        const size_t first = line.find(':');
        const size_t second = line.find(':', first + 1);
        if (first == std::string::npos || second == std::string::npos) continue;
        if (line.substr(second + 1) == "/") continue;
        const std::string controllers = line.substr(first + 1, second - first - 1);
        const auto mount = std::find_if(mounts.begin(), mounts.end(),
                                        [&](const auto& m) { return Shows(m, controllers); });
        if (mount != mounts.end()) files.push_back(mount->path + "/cgroup.procs");
    }
    return files;
}

}  // namespace cc
