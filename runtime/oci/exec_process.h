// SPDX-License-Identifier: Apache-2.0
// The process that `exec` adds to a container: the container's own as a pattern, changed by the
// command line, or an OCI process object from a file.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "runtime/oci/spec.h"

namespace cc::runtime {

struct ExecRequest {
    std::vector<std::string> command;
    std::optional<std::string> cwd;
    std::vector<std::string> env;  // added
    bool tty = false;
    std::string user;  // "uid" or "uid:gid"; empty: the container's
    std::vector<std::string> additional_gids;
    std::vector<std::string> capabilities;  // added
    bool no_new_privileges = false;
};

struct ExecProcess {
    OciProcess process;  // checked
    std::string json;
};

Result<ExecProcess> MakeExecProcess(const OciSpec& container, const ExecRequest& request);
Result<ExecProcess> ReadExecProcess(std::string_view text);  // of --process FILE

// Of the values of --cgroup the path below the container's cgroup; empty: none is given. Those with
// controllers in front, of version 1, mean nothing in the guest.
Result<std::string> SubCgroup(const std::vector<std::string>& values);

// The same with consoleSize, for the terminal to have its size from the first moment; unchanged
// when it says one.
Result<ExecProcess> WithConsoleSize(ExecProcess process, int rows, int columns);
// A whole configuration likewise.
std::string ConfigWithConsoleSize(const OciSpec& spec, int rows, int columns);

}  // namespace cc::runtime
