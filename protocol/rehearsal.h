// SPDX-License-Identifier: Apache-2.0
// What a keeper shows in the share while its guest rehearses (agent_messages.h, extension 4): a
// directory as a container's image is one, whose root file system has empty directories for mounts
// and one program, which prints a line and ends when its standard input does.
#pragma once

#include <string_view>

namespace cc {

constexpr std::string_view kRehearsalImage = "rehearsal";
constexpr std::string_view kRehearsalRoot = "rootfs";
constexpr std::string_view kRehearsalProgram = "program";
constexpr std::string_view kRehearsalDirectories[] = {"proc", "dev", "sys"};

}  // namespace cc
