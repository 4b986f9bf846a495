// SPDX-License-Identifier: Apache-2.0
#include "runtime/sandbox/cgroup.h"

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <set>
#include <thread>

#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/text.h"

namespace cc::runtime {

namespace {

constexpr size_t kMaxSmallFile = 65536;
constexpr std::chrono::milliseconds kRemoveDeadline{3000}, kRemovePause{10};

// mountinfo writes space, tab, newline and backslash as \ooo.
std::string Unescape(std::string_view text) {
    std::string out;
    for (size_t i = 0; i < text.size(); ++i) {
        const auto octal = [&](size_t at) { return text[at] >= '0' && text[at] <= '7'; };
        if (text[i] == '\\' && i + 3 < text.size() && octal(i + 1) && octal(i + 2) &&
            octal(i + 3)) {
            out += static_cast<char>((text[i + 1] - '0') * 64 + (text[i + 2] - '0') * 8 +
                                     (text[i + 3] - '0'));
            i += 3;
        } else {
            out += text[i];
        }
    }
    return out;
}

bool HasOption(const std::string& options, std::string_view option) {
    const auto parts = Split(options, ',');
    return std::find(parts.begin(), parts.end(), option) != parts.end();
}

bool IsSystemds(const CgroupHierarchy& hierarchy) {
    constexpr std::string_view kManaged[] = {"name=systemd", "cpu",  "cpuacct", "memory",
                                             "blkio",        "pids", "devices"};
    return hierarchy.unified ||
           std::any_of(std::begin(kManaged), std::end(kManaged),
                       [&](std::string_view name) { return hierarchy.Has(name); });
}

// All directories from below the mount point down to the leaf.
std::vector<std::string> Chain(const std::string& mount_point, const std::string& path) {
    std::vector<std::string> chain;
    for (size_t end = path.find('/');; end = path.find('/', end + 1)) {
        chain.push_back(Cat(mount_point, "/", path.substr(0, end)));
        if (end == std::string::npos) return chain;
    }
}

// v1: a new cpuset is empty, and an empty one takes no process.
Result<void> InheritCpuset(const std::string& directory) {
    const std::string parent = directory.substr(0, directory.rfind('/'));
    for (const std::string name : {"/cpuset.cpus", "/cpuset.mems"}) {
        CC_ASSIGN(const std::string own, ReadFile(directory + name, kMaxSmallFile));
        if (!Trim(own).empty()) continue;
        CC_ASSIGN(const std::string inherited, ReadFile(parent + name, kMaxSmallFile));
        CC_TRY(WriteExisting(directory + name, Trim(inherited)));
    }
    return {};
}

// v2: a cgroup has the controllers that its parent passes on. Not every host lets us (a parent that
// has processes of its own passes none on); limits that then have no place are warned about.
void PassOnControllers(const std::string& directory, const std::vector<std::string>& controllers) {
    const std::string file = directory + "/cgroup.subtree_control";
    const auto on = ReadFile(file, kMaxSmallFile);
    if (!on) return;
    for (const auto& controller : controllers) {
        const auto words = Split(Trim(*on), ' ');
        if (std::find(words.begin(), words.end(), controller) != words.end()) continue;
        if (const auto written = WriteExisting(file, "+" + controller); !written)
            Log(LogLevel::kDebug, "a controller cannot be turned on",
                {{"controller", controller}, {"why", written.error().message}});
    }
}

// With cgroups below it, it serves another container by now.
bool HasChildren(const std::string& directory) {
    std::error_code failed;
    for (std::filesystem::directory_iterator entry(directory, failed), none;
         !failed && entry != none; entry.increment(failed))
        if (entry->is_directory(failed)) return true;
    return false;
}

}  // namespace

bool CgroupHierarchy::Has(std::string_view controller) const {
    return std::find(controllers.begin(), controllers.end(), controller) != controllers.end();
}

std::vector<CgroupHierarchy> ParseHierarchies(std::string_view mountinfo) {
    std::vector<CgroupHierarchy> hierarchies;
    std::set<std::string> devices;
    for (const auto& line : Split(mountinfo, '\n')) {
        // id parent major:minor root mount-point options [tags ...] - type source super-options
        const auto fields = Split(line, ' ');
        const auto dash = std::find(fields.begin(), fields.end(), "-");
        if (fields.size() < 6 || fields.end() - dash < 4) continue;
        const std::string& type = dash[1];
        const std::string& super_options = dash[3];
        if (type != "cgroup" && type != "cgroup2") continue;
        if (HasOption(fields[5], "ro") || HasOption(super_options, "ro")) continue;
        if (!devices.insert(fields[2]).second) continue;
        CgroupHierarchy& found = hierarchies.emplace_back();
        found.mount_point = Unescape(fields[4]);
        found.unified = type == "cgroup2";
        // Among them "rw" and the like, which are no controller's name.
        if (!found.unified) found.controllers = Split(super_options, ',');
        found.systemd = IsSystemds(found);
    }
    return hierarchies;
}

Result<CgroupPlan> PlanCgroup(std::string_view mountinfo, std::string_view cgroups_path) {
    CgroupPlan plan;
    if (cgroups_path.empty()) return plan;
    std::vector<std::string> parts;
    for (auto& part : Split(cgroups_path, '/')) {
        if (part.empty()) continue;
        if (part == "." || part == ".." || part.find('\n') != std::string::npos)
            return Fail(
                Cat("linux.cgroupsPath ", Quoted(cgroups_path), " has a component ", Quoted(part)));
        parts.push_back(std::move(part));
    }
    if (parts.empty())
        return Fail(
            Cat("linux.cgroupsPath ", Quoted(cgroups_path), " names the root of all cgroups"));
    plan.path = Join(parts, "/");
    plan.hierarchies = ParseHierarchies(mountinfo);
    return plan;
}

std::vector<std::string> CgroupPlan::Leaves() const {
    std::vector<std::string> leaves;
    if (path.empty()) return leaves;
    for (const auto& hierarchy : hierarchies)
        leaves.push_back(Cat(hierarchy.mount_point, "/", path));
    return leaves;
}

CgroupPlan PlanBeside(const CgroupPlan& plan, const std::string& leaf) {
    CgroupPlan beside = plan;
    if (!plan.path.empty()) {
        // npos + 1 is 0: directly below the mount point.
        beside.path.erase(plan.path.rfind('/') + 1);
        beside.path += leaf;
    }
    return beside;
}

CgroupPlan PlanBelow(const CgroupPlan& plan, const std::string& leaf) {
    CgroupPlan below = plan;
    if (!plan.path.empty()) below.path += Cat("/", leaf);
    return below;
}

std::vector<std::string> MissingDirectories(const CgroupPlan& plan) {
    std::vector<std::string> missing;
    if (plan.path.empty()) return missing;
    for (const auto& hierarchy : plan.hierarchies)
        for (auto& directory : Chain(hierarchy.mount_point, plan.path))
            if (!Exists(directory)) missing.push_back(std::move(directory));
    return missing;
}

Result<void> MakeCgroup(const CgroupPlan& plan, const std::vector<std::string>& controllers) {
    if (plan.path.empty()) return {};
    for (const auto& hierarchy : plan.hierarchies)
        for (const auto& directory : Chain(hierarchy.mount_point, plan.path)) {
            if (hierarchy.unified)
                PassOnControllers(directory.substr(0, directory.rfind('/')), controllers);
            if (::mkdir(directory.c_str(), 0755) < 0 && errno != EEXIST)
                return FailErrno(Cat("making the cgroup ", directory));
            // Takes no process before its processors and memory nodes are set.
            if (hierarchy.Has("cpuset"))
                CC_TRY(Context(Cat("preparing the cgroup ", directory), InheritCpuset(directory)));
        }
    return {};
}

Result<void> JoinCgroups(const std::vector<std::string>& leaves, pid_t pid) {
    for (const auto& leaf : leaves)
        CC_TRY(Context("joining a cgroup",
                       WriteExisting(leaf + "/cgroup.procs", std::to_string(pid))));
    return {};
}

void RemoveCgroups(const std::vector<std::string>& created) {
    const auto end = std::chrono::steady_clock::now() + kRemoveDeadline;
    for (auto directory = created.rbegin(); directory != created.rend(); ++directory) {
        // Busy, too, for a moment after its last process has ended, when nothing in it shows that
        // any more.
        while (::rmdir(directory->c_str()) < 0 && errno == EBUSY) {
            if (HasChildren(*directory) || std::chrono::steady_clock::now() >= end) {
                Log(LogLevel::kDebug, "a cgroup is still in use and stays",
                    {{"cgroup", *directory}});
                break;
            }
            std::this_thread::sleep_for(kRemovePause);
        }
    }
}

}  // namespace cc::runtime
