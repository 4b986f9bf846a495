// SPDX-License-Identifier: Apache-2.0
#include "base/result.h"

#include <cstring>

#include "base/text.h"

namespace cc {

Failure FailErrno(std::string_view what, int error) {
    char buffer[128];
    return Fail(Cat(what, ": ", strerror_r(error, buffer, sizeof buffer)), error);
}

}  // namespace cc
