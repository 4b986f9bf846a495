// SPDX-License-Identifier: Apache-2.0
#include "base/session_niceness.h"

#include <fcntl.h>

#include "base/fd.h"
#include "base/text.h"

namespace cc {

void SetSessionNiceness(int niceness) {
    const Fd file = Fd::Adopt(::open("/proc/self/autogroup", O_WRONLY | O_CLOEXEC));
    if (file) (void)WriteAll(file.get(), Cat(niceness));
}

}  // namespace cc
