// SPDX-License-Identifier: Apache-2.0
#include "client/saved_files.h"

namespace cc {

void PassSavedFiles(const SavedFiles& files, SpawnOptions& to) {
    to.arguments.insert(to.arguments.end(),
                        {"--memory-fd", "5", "--state-fd", "6", "--translations-fd", "7"});
    to.fds.insert(to.fds.end(), {{files.memory, 5}, {files.state, 6}, {files.translations, 7}});
}

}  // namespace cc
