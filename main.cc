// SPDX-License-Identifier: Apache-2.0
// One program, five personalities: the applet table and how one is chosen.
#include "agent/main.h"

#include <csignal>
#include <cstdio>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/version.h"
#include "proxy/main.h"
#include "runtime/main.h"
#include "shim/main.h"
#include "vmm/main.h"

namespace {

struct Applet {
    std::string_view name;
    int (*main)(const std::vector<std::string>& arguments);
    const char* help;
};

constexpr Applet kApplets[] = {
    {"cc-runtime", cc::RuntimeMain,
     "the OCI runtime command line: create, start, run, exec, kill, delete ..."},
    {"cc-shim", cc::ShimMain, "stands in on the host for one process of a container"},
    {"cc-proxy", cc::ProxyMain,
     "the hub that routes commands and streams between runtimes, shims and VMs"},
    {"cc-vmm", cc::VmmMain, "the keeper of one virtual machine"},
    {"cc-agent", cc::AgentMain, "PID 1 of the guest: makes and supervises containers"},
};

const Applet* FindApplet(std::string_view path) {
    const std::string_view name = path.substr(path.rfind('/') + 1);
    for (const Applet& applet : kApplets)
        if (applet.name == name) return &applet;
    // The kernel starts the guest's first program under these names.
    if (name == "init") return FindApplet("cc-agent");
    return nullptr;
}

int Usage(std::FILE* to, int status) {
    std::fputs(
        "usage: clear-containers APPLET [argument ...]\n"
        "       clear-containers --list-applets | --version | --help\n\n"
        "One program, several personalities; also chosen by the name it is called by:\n",
        to);
    for (const Applet& applet : kApplets)
        std::fprintf(to, "  %-12s %s\n", std::string(applet.name).c_str(), applet.help);
    std::fputs("\n'APPLET --help' says what an applet takes.\n", to);
    return status;
}

}  // namespace

int main(int argc, char** argv) {
    std::signal(SIGPIPE, SIG_IGN);  // a peer that goes away is an error of its stream, not our end
    std::vector<std::string> arguments(argv + (argc > 0 ? 1 : 0), argv + argc);
    if (const Applet* applet = FindApplet(argc > 0 ? argv[0] : "")) return applet->main(arguments);
    if (arguments.empty()) return Usage(stderr, 1);
    const std::string first = arguments.front();
    if (const Applet* applet = FindApplet(first);
        applet != nullptr && first.find('/') == std::string::npos) {
        arguments.erase(arguments.begin());
        return applet->main(arguments);
    }
    if (first == "--help" || first == "-h") return Usage(stdout, 0);
    if (first == "--version" || first == "-v") {
        std::printf("clear-containers %s (commit %s)\n", cc::kRelease, cc::kCommit);
        return 0;
    }
    if (first == "--list-applets") {
        for (const Applet& applet : kApplets)
            std::printf("%s\n", std::string(applet.name).c_str());
        return 0;
    }
    std::fprintf(stderr, "clear-containers: no applet \"%s\"; --list-applets names them\n",
                 first.c_str());
    return 1;
}
