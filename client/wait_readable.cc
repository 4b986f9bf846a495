// SPDX-License-Identifier: Apache-2.0
#include "client/wait_readable.h"

#include <algorithm>

#include <poll.h>

#include "base/text.h"

namespace cc {

Result<void> WaitReadable(int fd, std::chrono::steady_clock::time_point end,
                          std::chrono::milliseconds deadline, std::string_view what) {
    using std::chrono::milliseconds;
    while (true) {
        const auto left = std::chrono::ceil<milliseconds>(end - std::chrono::steady_clock::now());
        pollfd waiting{fd, POLLIN, 0};
        const int count = ::poll(&waiting, 1, static_cast<int>(std::max<int64_t>(left.count(), 0)));
        if (count > 0) return {};
        if (count == 0)
            return Fail(Cat(what, ": no answer within ", deadline.count(), " ms"), ETIMEDOUT);
        if (errno != EINTR) return FailErrno(what);
    }
}

}  // namespace cc
