// SPDX-License-Identifier: Apache-2.0
// Kernel modules of an initramfs made for a distribution's kernel.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"

namespace cc::agent {

// The module files that an order file names, one a line, relative to `directory`; empty lines and
// "#" comments are left out.
std::vector<std::string> ParseModuleOrder(const std::string& text, const std::string& directory);
// Loads what `directory`/`list` names, in that order. One that fails costs a warning: what needs it
// will say more.
void LoadModules(const std::string& directory, const std::string& list = "order");

}  // namespace cc::agent
