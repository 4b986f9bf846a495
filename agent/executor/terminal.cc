// SPDX-License-Identifier: Apache-2.0
#include "agent/executor/terminal.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "agent/executor/mounts.h"
#include "base/path_in_root.h"
#include "base/text.h"

namespace cc::agent {

Result<Terminal> OpenTerminal(int root, const ProcessSpec& process) {
    Terminal terminal;
    CC_ASSIGN(terminal.master,
              Context("making a terminal", OpenInRoot(root, "/dev/pts/ptmx", O_RDWR | O_NOCTTY)));
    int unlocked = 0;
    if (::ioctl(terminal.master.get(), TIOCSPTLCK, &unlocked) < 0)
        return FailErrno("unlocking a terminal");
    const int slave = ::ioctl(terminal.master.get(), TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (slave < 0) return FailErrno("opening a terminal");
    terminal.slave = Fd::Adopt(slave);
    // 3.0's shim puts the user's terminal in raw mode and counts on the guest to add the carriage
    // returns.
    termios settings{};
    if (::tcgetattr(slave, &settings) < 0) return FailErrno("reading the terminal's settings");
    settings.c_oflag |= OPOST | ONLCR;
    if (::tcsetattr(slave, TCSANOW, &settings) < 0) return FailErrno("setting up the terminal");
    if (process.rows != 0 && process.columns != 0)
        CC_TRY(SetTerminalSize(terminal.master.get(), process.rows, process.columns));
    return terminal;
}

Result<void> BindConsole(int root, const Terminal& terminal) {
    unsigned number = 0;
    if (::ioctl(terminal.master.get(), TIOCGPTN, &number) < 0)
        return FailErrno("numbering the terminal");
    CC_ASSIGN(const Fd node, OpenInRoot(root, Cat("/dev/pts/", number), O_PATH));
    CC_ASSIGN(const Fd tree, CloneTree(node.get(), "", false));
    CC_ASSIGN(const Fd target, MakeInRoot(root, "/dev/console", PathKind::kFile));
    return Context("mounting the terminal on /dev/console", Attach(tree.get(), target.get()));
}

Result<void> TakeTerminal(int slave) {
    if (::ioctl(slave, TIOCSCTTY, 0) < 0) return FailErrno("taking the controlling terminal");
    for (int fd = 0; fd < 3; ++fd)
        if (::dup2(slave, fd) < 0) return FailErrno("connecting the terminal");
    return {};
}

Result<void> SetTerminalSize(int terminal, uint16_t rows, uint16_t columns) {
    const winsize size{rows, columns, 0, 0};
    if (::ioctl(terminal, TIOCSWINSZ, &size) < 0) return FailErrno("resizing the terminal");
    return {};
}

}  // namespace cc::agent
