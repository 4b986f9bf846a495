// SPDX-License-Identifier: Apache-2.0
// The records of all VMs as files, one each, in a directory beside the proxy's socket. They hold
// tokens, so they are the proxy's user's alone. A record is replaced atomically, or grows at
// its end; it is meant to survive the process, not the machine: those of another boot are removed.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "proxy/vm_record.h"

namespace cc::proxy {

class RecordFolder {
  public:
    // Without a path nothing is kept.
    explicit RecordFolder(std::string path = {}) : path_(std::move(path)) {}

    // `name`: letters, digits, '-', '_' and '='. The directory is made when the first is saved.
    Result<void> Save(const std::string& name, std::string_view text);
    // At the end of one that was saved. After an error it must be saved as a whole: a part may have
    // been written.
    Result<void> Append(const std::string& name, std::string_view text);
    void Remove(const std::string& name);
    // Of the VMs of this boot; what cannot be understood is logged and left out.
    std::vector<VmRecord> Load();

  private:
    Result<void> Make();

    const std::string path_;
    bool made_ = false;
};

}  // namespace cc::proxy
