// SPDX-License-Identifier: Apache-2.0
// Load for cc-proxy: plays its agents, runtimes and shims, and prints what the proxy needs for it,
// as tables in Markdown. bench/run.sh puts them into docs/benchmarks.md.
//
//   hub-load BUILD/bin [section ...]     sections: streams ping fairness memory rounds shim
//
// HUB_SECONDS in the environment: how long each load lasts (1).
#include <algorithm>
#include <cstdlib>
#include <string>
#include <vector>

#include <sys/resource.h>
#include <unistd.h>

#include "base/file.h"
#include "bench/hub/must.h"
#include "bench/hub/sections.h"

namespace {

using namespace cc::bench;

struct Section {
    const char* name;
    void (*measure)(const Setting&);
};
constexpr Section kSections[] = {{"streams", MeasureStreams},   {"ping", MeasurePing},
                                 {"fairness", MeasureFairness}, {"memory", MeasureMemory},
                                 {"rounds", MeasureRounds},     {"shim", MeasureShim}};

}  // namespace

int main(int argc, char** argv) {
    if (argc < 2) Die("usage: hub-load DIRECTORY-OF-PROGRAMS [section ...]");
    const std::vector<std::string> wanted(argv + 2, argv + argc);
    rlimit limit{};
    ::getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &limit);
    // The proxy keeps records beside its socket; in life that is a file system in memory.
    std::string directory = ::access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
    directory += "/hub-load.XXXXXX";
    if (::mkdtemp(directory.data()) == nullptr) Die("no temporary directory");
    Setting setting;
    setting.programs = argv[1];
    if (const char* seconds = std::getenv("HUB_SECONDS")) setting.seconds = std::atof(seconds);
    setting.directory = directory;
    for (const auto& section : kSections)
        if (wanted.empty() || std::find(wanted.begin(), wanted.end(), section.name) != wanted.end())
            section.measure(setting);
    (void)cc::RemoveTree(directory);
    return 0;
}
