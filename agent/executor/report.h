// SPDX-License-Identifier: Apache-2.0
// What a child tells the agent between its fork and its execve, over a SOCK_SEQPACKET pair: first,
// for a terminal, its master end; then either that it is about to execute its program, or what went
// wrong. The socket is close-on-exec, so end of file after "about to execute" means that the
// program runs.
#pragma once

#include <chrono>
#include <functional>
#include <optional>

#include "base/fd.h"
#include "base/uv/loop.h"

namespace cc::agent {

// The child's side; the socket is blocking there.
Result<void> ReportTerminal(int socket, int master);
void ReportReady(int socket);
void ReportError(int socket, const Error& error);

// The agent's side. Gives up after the deadline.
class ReportReader {
  public:
    struct Outcome {
        Fd terminal;
    };
    using Done = std::function<void(Result<Outcome>)>;
    // `done` is called once, from the loop, and may destroy the reader.
    static Result<std::unique_ptr<ReportReader>> Open(uv::Loop& loop, Fd socket,
                                                      std::chrono::milliseconds deadline,
                                                      Done done);

  private:
    ReportReader(uv::Loop& loop, Fd socket, Done done);
    void OnReadable();
    void Finish(Result<Outcome> outcome);

    Fd socket_;
    Done done_;
    uv::Poll poll_;
    uv::Timer deadline_;
    Outcome outcome_;
    bool ready_ = false;
    std::optional<Error> error_;
};

}  // namespace cc::agent
