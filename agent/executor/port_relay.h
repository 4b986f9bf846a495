// SPDX-License-Identifier: Apache-2.0
// A TCP connection within the machine, for somebody on the host.
#pragma once

#include "base/fd.h"

namespace cc::agent {

// To 127.0.0.1, or where nobody listens there, to ::1.
Result<Fd> ConnectLoopback(uint16_t port);
// Between the connection and standard input and output, until the other side has ended; the end of
// standard input is told to it. Nothing is kept back, so that the slower side holds up the other.
void Relay(const Fd& connection);

}  // namespace cc::agent
