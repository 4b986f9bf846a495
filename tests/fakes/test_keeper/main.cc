// SPDX-License-Identifier: Apache-2.0
// cc-vmm alone in a program: tests of the keeper need none of the other personalities.
#include "vmm/main.h"

#include <csignal>

int main(int argc, char** argv) {
    std::signal(SIGPIPE, SIG_IGN);  // as main.cc does for all personalities
    return cc::VmmMain({argv + 1, argv + argc});
}
