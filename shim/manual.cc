// SPDX-License-Identifier: Apache-2.0
#include "shim/manual.h"

#include <csignal>
#include <cstring>

#include "base/text.h"
#include "shim/relay.h"

namespace cc::shim {

namespace {

// "HUP INT ...", without the one that has a sentence of its own.
std::string ForwardedNames() {
    std::string names;
    for (const int signal : ForwardedSignals())
        if (signal != SIGWINCH) names += Cat(names.empty() ? "" : " ", ::sigabbrev_np(signal));
    return names;
}

}  // namespace

std::vector<CliSection> ManualSections() {
    return {
        {"DESCRIPTION",
         "cc-shim stands on the host for one process of a container that runs in a virtual\n"
         "machine. Engines see its pid, wait for it and signal it, and its standard streams are\n"
         "the process's: it passes on input, output, signals and the size of the terminal, and\n"
         "exits as the process does once all output is written. cc-runtime starts one for each\n"
         "process of a container. All it has to do with the machine goes through cc-proxy.\n\n"
         "When cc-proxy goes, it looks for the next one as long as --reconnect-timeout says and\n"
         "goes on where it was. When nobody listens, and the message of --start-fd has said\n"
         "where cc-vmm is asked, it has that start one.\n\n"
         "A terminal on standard input is raw while the container has it, and given back at the\n"
         "end. A reader of its output that has gone loses what comes for it, and the process\n"
         "goes on; one that stays and does not read holds the process back, and nobody else."},
        {"SIGNALS",
         Cat(ForwardedNames(),
             "\nare sent to the process, and wait while there is no cc-proxy. WINCH has the size "
             "of the\nterminal sent. TERM, INT and HUP end a shim whose process has ended and "
             "whose output\nnobody reads. Before the shim has its token (--start-fd) they and QUIT "
             "end it.\n\n"
             "KILL cannot be passed on: cc-proxy sees that the shim has died and kills the process "
             "(that of\nClear Containers 3.0 does not). Nor can STOP: a stopped shim holds back "
             "its "
             "own process.")},
        {"EXIT STATUS",
         "The process's, 128 + N when signal N ended it;\n\n"
         "137 when the virtual machine has ended, or the next cc-proxy does not know the token;\n\n"
         "1 when cc-proxy refused the first connection, an inherited one is closed or is none, no\n"
         "cc-proxy came within --reconnect-timeout, or the options are wrong, with one line on\n"
         "standard error that says which; and, without one, when --start-fd ended before a "
         "message."},
        {"SEE ALSO", "cc-runtime(8), cc-proxy(8)"},
    };
}

}  // namespace cc::shim
