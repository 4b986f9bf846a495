// SPDX-License-Identifier: Apache-2.0
#include "runtime/sandbox/namespace_paths.h"

#include <algorithm>
#include <iterator>

#include <fcntl.h>
#include <linux/nsfs.h>
#include <linux/sched.h>
#include <sys/ioctl.h>

#include "base/file.h"
#include "base/text.h"

namespace cc::runtime {

namespace {

struct NamespaceType {
    std::string_view name;
    int flag;
};
constexpr NamespaceType kNamespaceTypes[] = {
    {"cgroup", CLONE_NEWCGROUP}, {"ipc", CLONE_NEWIPC}, {"mount", CLONE_NEWNS},
    {"network", CLONE_NEWNET},   {"pid", CLONE_NEWPID}, {"time", CLONE_NEWTIME},
    {"user", CLONE_NEWUSER},     {"uts", CLONE_NEWUTS},
};

Result<void> CheckPath(const OciNamespace& space) {
    // Not to wait for the other end of a FIFO.
    CC_ASSIGN(const Fd fd, OpenFile(space.path, O_RDONLY | O_NONBLOCK | O_NOCTTY));
    const int found = ::ioctl(fd.get(), NS_GET_NSTYPE);
    if (found < 0) return Fail(Cat(space.path, " is no namespace"));
    const auto* type = std::find_if(std::begin(kNamespaceTypes), std::end(kNamespaceTypes),
                                    [&](const auto& one) { return one.name == space.type; });
    if (type != std::end(kNamespaceTypes) && type->flag != found)
        return Fail(Cat(space.path, " is a namespace of another type"));
    return {};
}

}  // namespace

Result<void> CheckNamespacePaths(const std::vector<OciNamespace>& namespaces,
                                 const NamespaceOwners& shared) {
    for (const auto& space : namespaces)
        if (!space.path.empty() && !shared.contains(space.type))
            CC_TRY(Context(Cat("linux.namespaces ", space.type), CheckPath(space)));
    return {};
}

}  // namespace cc::runtime
