// SPDX-License-Identifier: Apache-2.0
// The program that a guest rehearses with (protocol/rehearsal.h): it makes the calls that programs
// begin with, prints a line and ends when its input does. No real one, which would fill the guest's
// memory with its pages.
#pragma once

#include <string>

namespace cc {

// An ELF executable for x86-64 of 36 KiB, that needs nothing else.
std::string RehearsalProgram();

}  // namespace cc
