// SPDX-License-Identifier: Apache-2.0
// What a child tells the agent between its fork and its execve, over a SOCK_SEQPACKET pair: first,
// for a terminal, its master end; then either that it is about to execute its program, or what went
// wrong. The socket is close-on-exec, so end of file after "about to execute" means that the
// program runs. A process that shall be held says so before that, and waits for the agent's word.
#pragma once

#include <chrono>
#include <functional>
#include <optional>

#include "base/fd.h"
#include "base/uv/loop.h"

namespace cc::agent {

// The child's side; the socket is blocking there.
Result<void> ReportTerminal(int socket, int master);
// Reports that all is prepared and waits until the agent lets go. An error: it never will.
Result<void> ReportHeld(int socket);
void ReportReady(int socket);
void ReportError(int socket, const Error& error);

// The agent's side. Gives up after the deadline, which stands still while the process is held.
class ReportReader {
  public:
    struct Outcome {
        Fd terminal;
    };
    using Done = std::function<void(Result<Outcome>)>;
    struct Events {
        std::function<void(Outcome)> held;  // once, before `done`, of a process that is held
        Done done;                          // once; may destroy the reader
    };
    // Both are called from the loop.
    static Result<std::unique_ptr<ReportReader>> Open(uv::Loop& loop, Fd socket,
                                                      std::chrono::milliseconds deadline,
                                                      Events events);
    // Lets a held process go on.
    void Release();

  private:
    ReportReader(uv::Loop& loop, Fd socket, std::chrono::milliseconds deadline, Events events);
    void OnReadable();
    void Finish(Result<Outcome> outcome);

    Fd socket_;
    const std::chrono::milliseconds patience_;
    Events events_;
    uv::Poll poll_;
    uv::Timer deadline_;
    Outcome outcome_;  // so far
    bool ready_ = false;
    std::optional<Error> error_;
};

}  // namespace cc::agent
