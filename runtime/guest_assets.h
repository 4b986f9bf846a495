// SPDX-License-Identifier: Apache-2.0
// What the annotations of a bundle say of the guest's files (reference D6):
//
//   com.github.containers.virtcontainers.
//     KernelPath, ImagePath, InitrdPath   in place of those that the configuration names or finds;
//                                         a host's administrator allows them (asset_annotations)
//     KernelHash, ImageHash, InitrdHash   SHA-512 in hexadecimal of the file that is used, whoever
//                                         chose it
//     AssetHashType                       "sha512", which it is without, too
#pragma once

#include <map>
#include <string>
#include <vector>

#include "runtime/config.h"
#include "runtime/guest_files.h"

namespace cc::runtime {

// FindGuest (guest_files.h) with these annotations. An annotation that cannot be followed is an
// error: a guest other than the one that was asked for must not run.
Result<GuestFiles> ChooseGuest(const RuntimeConfig& config,
                               const std::map<std::string, std::string>& annotations,
                               const std::vector<std::string>& directories);

}  // namespace cc::runtime
