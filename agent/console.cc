// SPDX-License-Identifier: Apache-2.0
#include "agent/console.h"

#include <fcntl.h>
#include <sys/reboot.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/text.h"

namespace cc::agent {

void OpenConsole() {
    const int console = ::open("/dev/console", O_WRONLY | O_NOCTTY);
    const int null = ::open("/dev/null", O_RDWR | O_NOCTTY);
    const int output = console >= 0 ? console : null;
    if (null >= 0) ::dup2(null, 0);
    for (int fd = 1; fd <= 2 && output >= 0; ++fd)
        ::dup2(output, fd);
    for (const int fd : {console, null})
        if (fd > 2) ::close(fd);
}

void Say(std::string_view line) {
    (void)WriteAll(STDERR_FILENO, Cat(line, "\n"));
}

void Die(const std::string& why) {
    (void)WriteAll(2, Cat("cc-agent: ", why, "; switching the machine off\n"));
    ::sync();
    // Where nothing can switch the power off, the end of PID 1 makes the kernel panic, which ends
    // the VM too (panic=1).
    ::reboot(RB_POWER_OFF);
    ::_exit(1);
}

}  // namespace cc::agent
