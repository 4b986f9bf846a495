// SPDX-License-Identifier: Apache-2.0
#include "agent/spec.h"

#include "base/text.h"

namespace cc::agent {

namespace {

bool HasNul(const std::vector<std::string>& texts) {
    for (const auto& text : texts)
        if (text.find('\0') != std::string::npos) return true;
    return false;
}

}  // namespace

Result<void> CheckContainerId(std::string_view id) {
    constexpr size_t kLongest = 255;  // NAME_MAX: the id names a cgroup's directory
    const bool good = !id.empty() && id.size() <= kLongest && id != "." && id != ".." &&
                      id.find_first_of(std::string_view("/\n\0", 3)) == std::string_view::npos;
    if (!good) return Fail(Cat("invalid container id ", Quoted(id, 64)));
    return {};
}

Result<void> CheckProcess(const ProcessSpec& process) {
    if (process.args.empty() || process.args.front().empty())
        return Fail("the process has no arguments, so there is nothing to execute");
    if (HasNul(process.args)) return Fail("an argument of the process holds a NUL byte");
    if (HasNul(process.env)) return Fail("an environment variable of the process holds a NUL byte");
    if (!process.cwd.starts_with('/') || process.cwd.find('\0') != std::string::npos)
        return Fail(Cat("the working directory ", Quoted(process.cwd), " is not an absolute path"));
    return {};
}

Result<ContainerSpec> ParseContainer(const NewContainer& message, const std::string& pod_hostname) {
    CC_TRY(CheckContainerId(message.id));
    CC_ASSIGN(ContainerSpec spec,
              message.oci.empty() ? ContainerFromFields(message) : ContainerFromOci(message));
    spec.id = message.id;
    // Resolved below the shared directory, so ".." cannot lead out of it.
    spec.on_disk = RootDiskOf(message).has_value();
    spec.rootfs = Cat(spec.on_disk ? message.id : message.image, "/", message.rootfs);
    if (spec.hostname.empty() && spec.uts_of.empty()) spec.hostname = pod_hostname;
    CC_TRY(CheckProcess(spec.process));
    return spec;
}

Result<ProcessSpec> ParseExec(const ExecCommand& message, const ProcessSpec& container) {
    if (message.connect != 0) {
        ProcessSpec connection;
        connection.connect = message.connect;
        return connection;
    }
    CC_ASSIGN(ProcessSpec process, message.oci.empty()
                                       ? ProcessFromFields(message.process, &container)
                                       : ProcessFromOci(message.oci, &container));
    process.cgroup = message.cgroup;
    CC_TRY(CheckProcess(process));
    return process;
}

}  // namespace cc::agent
