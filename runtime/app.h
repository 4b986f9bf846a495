// SPDX-License-Identifier: Apache-2.0
// What every verb starts from: the global options, and how its result reaches the user.
#pragma once

#include <functional>
#include <string>

#include "base/cli.h"
#include "runtime/config.h"
#include "runtime/state/store.h"

namespace cc::runtime {

struct App {
    std::string root;
    std::string config_path;
    bool debug = false;
    bool systemd_cgroup = false;

    Result<Store> OpenStore() const { return Store::Open(root); }
    // Also turns debugging on when the file says so.
    Result<RuntimeConfig> LoadConfig();
};

// The global options of the command line, and what the manual says beside the table.
std::vector<CliOption> GlobalOptions();
std::vector<CliSection> ManualSections();

// A verb's work: the exit status, or an error. Errors become one line on standard error and one in
// the log, and the exit status `failure`.
using Verb = std::function<Result<int>(App& app, const CliValues& own)>;
std::function<int(const CliValues&, const CliValues&)> Run(Verb verb, int failure = 1);

// Options that several verbs share.
CliOption ContainerId();
std::vector<CliOption> CreateOptions();

}  // namespace cc::runtime
