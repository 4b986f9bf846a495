// SPDX-License-Identifier: Apache-2.0
// What a saved machine depends on, as a text: two VMs whose keys are the same to the letter may
// come of one template.
#pragma once

#include <string>

#include "protocol/vm_config.h"

namespace cc {

// Files are named with device, inode, size and both times: whoever changes one's content changes
// its ctime, so that no content is read here. An error names the file that is missing. `program`:
// the one that keeps the template.
Result<std::string> TemplateKey(const std::string& program, const VmConfig& config);
// Whether VMs of this kind can come of a template at all.
bool CanBeCloned(const VmConfig& config);
// A name for a directory. Different keys may share one, so that the key itself is compared too.
std::string TemplateDirectoryName(const std::string& key);

}  // namespace cc
