// SPDX-License-Identifier: Apache-2.0
// User namespaces, and mounts whose ids are translated by one.
#pragma once

#include "agent/spec.h"
#include "base/fd.h"

namespace cc::agent {

// What an id of the namespace is outside of it; nothing when it is none there. Without mappings ids
// are what they are.
std::optional<uint32_t> OutsideId(const std::vector<IdMapping>& mappings, uint32_t id);

// Of the process with this directory in /proc, whose user namespace is new. Needs privileges
// outside of it.
Result<void> WriteIdMaps(const std::string& process_directory, const IdMappings& map);

// A user namespace that nobody is in, for MapTree.
Result<Fd> MakeUserNamespace(const IdMappings& map);
// Translates the ids of a detached mount.
Result<void> MapTree(int tree, const IdMappings& map, bool recursive);

}  // namespace cc::agent
