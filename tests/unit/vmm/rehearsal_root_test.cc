// SPDX-License-Identifier: Apache-2.0
#include "vmm/rehearsal_root.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/text.h"
#include "protocol/rehearsal.h"
#include "tests/unit/vmm/fixtures.h"

namespace cc {

TEST_CASE("the program that guests rehearse with prints a line and ends with its input") {
    const test::TemporaryDirectory directory;
    const std::string root = directory / ".";
    const Fd fd = Fd::Adopt(::open(root.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    REQUIRE(MakeRehearsalRoot(fd.get()));
    const std::string program =
        Cat(root, "/", kRehearsalImage, "/", kRehearsalRoot, "/", kRehearsalProgram);
    int in[2], out[2];
    REQUIRE(::pipe2(in, O_CLOEXEC) == 0);
    REQUIRE(::pipe2(out, O_CLOEXEC) == 0);
    Fd input = Fd::Adopt(in[1]), output = Fd::Adopt(out[0]);
    const pid_t child = ::fork();
    if (child == 0) {
        ::dup2(in[0], STDIN_FILENO);
        ::dup2(out[1], STDOUT_FILENO);
        ::execl(program.c_str(), "program", nullptr);
        ::_exit(127);
    }
    ::close(in[0]);
    ::close(out[1]);
    char line[8];
    CHECK(::read(output.get(), line, sizeof line) == 1);
    CHECK(line[0] == '\n');
    int status = 0;
    CHECK(::waitpid(child, &status, WNOHANG) == 0);
    input.Reset();
    CHECK(::waitpid(child, &status, 0) == child);
    CHECK(status == 0);

    RemoveRehearsalRoot(fd.get());
    CHECK(::access((directory / std::string(kRehearsalImage)).c_str(), F_OK) < 0);
}

}  // namespace cc
