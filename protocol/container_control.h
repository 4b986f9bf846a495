// SPDX-License-Identifier: Apache-2.0
// Commands of our own about a container that runs (docs/protocol.md): holding it still, counting
// what it uses, changing its limits. For agents that know the extension.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "base/result.h"

namespace cc {

// PAUSECONTAINER, RESUMECONTAINER, CONTAINERSTATS. Pausing one that is paused, and resuming one
// that is not, is success.
struct OneContainer {
    std::string container;
};
std::string Encode(const OneContainer& message);
Result<OneContainer> ParseOneContainer(std::string_view payload);

// The answer to CONTAINERSTATS: texts of files of the container's cgroup (version 2) by their
// names, "memory.current". What the guest's kernel lacks is left out.
struct CgroupFiles {
    std::map<std::string, std::string> files;
};
std::string Encode(const CgroupFiles& answer);
Result<CgroupFiles> ParseCgroupFiles(std::string_view payload);

// UPDATECONTAINER. The limits of the container become those of `resources`; what it does not name
// stays as it is.
struct UpdateContainer {
    std::string container;
    std::string resources;  // raw JSON, an OCI linux.resources object
};
std::string Encode(const UpdateContainer& message);
Result<UpdateContainer> ParseUpdateContainer(std::string_view payload);

}  // namespace cc
