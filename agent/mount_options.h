// SPDX-License-Identifier: Apache-2.0
// The options of a mount in an OCI configuration ("ro", "rbind", "size=64m"), sorted by what they
// act on.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"

namespace cc::agent {

// Attributes of a mount (MOUNT_ATTR_... of mount_setattr(2)) to set and to clear.
struct MountAttributes {
    uint64_t set = 0;
    uint64_t clear = 0;
    bool empty() const { return set == 0 && clear == 0; }
    bool operator==(const MountAttributes&) const = default;
};

struct MountOptions {
    bool bind = false;
    bool recursive_bind = false;
    bool copy_up =
        false;  // a new tmpfs starts with what the directory below it holds ("tmpcopyup")
    bool id_mapped = false;  // "idmap": ids are translated, as the mount or the container says
    bool recursive_id_map = false;  // "ridmap"
    MountAttributes attributes;     // of the mount itself
    MountAttributes recursive;      // of it and everything below it: "rro" and its like
    uint64_t propagation =
        0;  // MS_PRIVATE, MS_SLAVE ...; 0: private, as everything in a container's namespace
    bool recursive_propagation = false;
    std::vector<std::string> data;  // what is left: the file system's own, "name" or "name=value"
};

Result<MountOptions> ParseMountOptions(const std::vector<std::string>& options);

// "rslave" and its like, as linux.rootfsPropagation has them too. Returns the MS_ flag, with MS_REC
// for the recursive ones; 0 for a word that is none.
uint64_t ParsePropagation(const std::string& word);

}  // namespace cc::agent
