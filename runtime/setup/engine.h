// SPDX-License-Identifier: Apache-2.0
// What the configuration of each engine says when the engine knows cc-runtime. Texts in, texts out:
// no files are touched here.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"

namespace cc::runtime {

// By which engines know us.
constexpr const char* kRuntimeName = "cc-runtime";

struct SetupWish {
    std::string runtime;        // absolute path of cc-runtime
    bool make_default = false;  // false: as it is
    bool undo = false;
};

struct EngineFile {
    std::string path;    // for errors
    std::string text;    // empty when there is none
    std::string backup;  // what it was before setup changed it first; empty when unknown
};

struct EngineEdit {
    std::string text;                // empty: the file is not needed
    std::vector<std::string> notes;  // what else the user should know of the file
};

struct Engine {
    const char* name;
    // Of the file that is edited: a drop-in of our own where the engine reads such.
    const char* path;
    bool keeps_backup;  // for files that cannot say in comments what they were
    // What is to be done then, for the engine to take it up or to forget it, and to try it.
    const char* reload;
    const char* reload_undone;
    const char* use;
    const char* use_default;
    Result<EngineEdit> (*edit)(const EngineFile& file, const SetupWish& wish);
};

Result<const Engine*> FindEngine(const std::string& name);
std::string EngineNames();  // "docker, containerd, ..."

}  // namespace cc::runtime
