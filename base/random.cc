// SPDX-License-Identifier: Apache-2.0
#include "base/random.h"

#include <sys/random.h>

namespace cc {

Result<std::string> RandomBytes(size_t count) {
    std::string bytes(count, '\0');
    if (::getrandom(bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(count))
        return FailErrno("reading random bytes");
    return bytes;
}

}  // namespace cc
