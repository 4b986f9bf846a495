// SPDX-License-Identifier: Apache-2.0
#include "runtime/sandbox/console.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <termios.h>

#include "base/text.h"

namespace cc::runtime {

namespace {

Result<FdPair> OpenPseudoTerminal(int rows, int columns) {
    CC_ASSIGN(Fd master, OpenFile("/dev/ptmx", O_RDWR | O_NOCTTY));
    const int unlock = 0;
    if (::ioctl(master.get(), TIOCSPTLCK, &unlock) < 0)
        return FailErrno("unlocking a pseudo-terminal");
    // By descriptor, so that it does not matter which devpts is mounted where.
    Fd slave = Fd::Adopt(::ioctl(master.get(), TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC));
    if (!slave) return FailErrno("opening a pseudo-terminal");
    // As 3.0 and runc do: what the guest's terminal has turned into CR NL shall not be turned
    // again.
    termios mode{};
    if (::tcgetattr(slave.get(), &mode) == 0) {
        mode.c_oflag &= ~static_cast<tcflag_t>(ONLCR);
        ::tcsetattr(slave.get(), TCSANOW, &mode);
    }
    if (rows > 0 && columns > 0) {
        const winsize size{static_cast<unsigned short>(rows), static_cast<unsigned short>(columns),
                           0, 0};
        ::ioctl(master.get(), TIOCSWINSZ, &size);
    }
    return FdPair{std::move(master), std::move(slave)};
}

}  // namespace

std::optional<Size> TerminalSize(int fd) {
    winsize size{};
    if (::ioctl(fd, TIOCGWINSZ, &size) < 0 || size.ws_row == 0 || size.ws_col == 0)
        return std::nullopt;
    return Size{size.ws_row, size.ws_col};
}

Result<void> CheckConsole(const ConsoleOptions& options, bool terminal) {
    const bool given = !options.console.empty() || !options.console_socket.empty();
    if (!options.console.empty() && !options.console_socket.empty())
        return Fail("--console and --console-socket exclude each other");
    if (terminal && options.detach && !given)
        return Fail("cannot allocate tty if cc-runtime will detach without setting console socket");
    if (given && !(terminal && options.detach))
        return Fail("cannot use console socket if cc-runtime will not detach or allocate tty");
    return {};
}

Result<Fd> OpenConsole(const ConsoleOptions& options, int rows, int columns) {
    if (!options.console.empty())
        return Context("console", OpenFile(options.console, O_RDWR | O_NOCTTY));
    if (options.console_socket.empty()) return Fd();
    CC_ASSIGN(const Fd socket,
              Context("console socket", ConnectUnix(options.console_socket, SOCK_STREAM)));
    CC_ASSIGN(FdPair pair, OpenPseudoTerminal(rows, columns));
    const int master = pair.first.get();
    CC_TRY(Context(Cat("console socket ", options.console_socket),
                   SendWithFds(socket.get(), "/dev/ptmx", {&master, 1})));
    return std::move(pair.second);
}

}  // namespace cc::runtime
